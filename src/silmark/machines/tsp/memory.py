"""Memory banks: words of one vector each, handed out for a time."""

from __future__ import annotations

from bisect import insort

from silmark.machines.tsp.lines import Line


class Bank:
    """One bank of a slice: its port, and free stretches of words with the cycle from which on each may be written.

    Attributes:
        number: among the banks of its chip.
        position: of its slice; east of the middle is positive.
        port: one access per cycle.
        used, most: words that are taken, and the most that ever were.
    """

    __slots__ = ("_free", "most", "number", "port", "position", "used")

    def __init__(self, number: int, position: int, words: int) -> None:
        self.number, self.position, self.port = number, position, Line()
        self.used = self.most = 0
        self._free: list[tuple[int, int, int]] = [(0, words, 0)] if words else []

    def has_room(self, words: int, cycle: int) -> bool:
        """Whether so many words in a row may be written from that cycle on."""
        return self._find(words, cycle) is not None

    def _find(self, words: int, cycle: int) -> tuple[int, int] | None:
        """The first stretches, by their index, that give so many words in a row from that cycle on."""
        first, start, end = 0, 0, 0
        for index, (begin, length, since) in enumerate(self._free):
            if since > cycle:
                start = end = -1
                continue
            if begin != end or start < 0:
                first, start = index, begin
            end = begin + length
            if end - start >= words:
                return first, index
        return None

    def frees_after(self, words: int) -> int | None:
        """A cycle from which on so many words in a row are free; None where they never are."""
        for cycle in sorted({since for _, _, since in self._free}):
            if self._find(words, cycle) is not None:
                return cycle
        return None

    def take(self, words: int, cycle: int) -> int:
        """Address of a stretch that `has_room` said there is."""
        found = self._find(words, cycle)
        assert found is not None
        first, last = found
        start = self._free[first][0]
        begin, length, since = self._free[last]
        rest = begin + length - (start + words)
        self._free[first : last + 1] = [(start + words, rest, since)] if rest else []
        self.used += words
        self.most = max(self.most, self.used)
        return start

    def release(self, start: int, words: int, cycle: int) -> None:
        """Gives a stretch back from a cycle on."""
        self.used -= words
        insort(self._free, (start, words, cycle))
