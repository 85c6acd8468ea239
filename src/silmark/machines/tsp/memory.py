"""Memory banks: words of one vector each, handed out for a time."""

from __future__ import annotations

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
        return any(length >= words and since <= cycle for _, length, since in self._free)

    def frees_after(self, words: int) -> int | None:
        """When the first stretch of that length is free; None where none ever is."""
        return min((since for _, length, since in self._free if length >= words), default=None)

    def take(self, words: int, cycle: int) -> int:
        """Address of a stretch that `has_room` said there is."""
        for index, (start, length, since) in enumerate(self._free):
            if length >= words and since <= cycle:
                if length == words:
                    del self._free[index]
                else:
                    self._free[index] = (start + words, length - words, since)
                self.used += words
                self.most = max(self.most, self.used)
                return start
        raise AssertionError("asked for room first")

    def release(self, start: int, words: int, cycle: int) -> None:
        """Gives a stretch back from a cycle on; neighbours become one stretch, free when both are."""
        self.used -= words
        end, since = start + words, cycle
        kept = []
        for begin, length, at in self._free:
            if begin + length == start:
                start, since = begin, max(since, at)
            elif begin == end:
                end, since = begin + length, max(since, at)
            else:
                kept.append((begin, length, at))
        kept.append((start, end - start, since))
        self._free = sorted(kept)
