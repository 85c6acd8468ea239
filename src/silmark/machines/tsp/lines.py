"""One resource over time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class Line:
    """One resource over time, as sorted intervals that are taken; intervals that touch are one."""

    __slots__ = ("_ends", "_starts", "busy")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.busy = 0

    def next_free(self, cycle: int, length: int) -> int:
        """The first cycle from which on so many are free."""
        starts, ends = self._starts, self._ends
        index = bisect_right(ends, cycle)
        while index < len(starts) and starts[index] < cycle + length:
            cycle = ends[index]
            index += 1
        return cycle

    def take(self, cycle: int, length: int) -> None:
        """Reserves cycles that are free."""
        starts, ends = self._starts, self._ends
        index = bisect_left(starts, cycle)
        self.busy += length
        joins = index > 0 and ends[index - 1] == cycle
        if index < len(starts) and starts[index] == cycle + length:
            if joins:
                ends[index - 1] = ends.pop(index)
                starts.pop(index)
            else:
                starts[index] = cycle
        elif joins:
            ends[index - 1] = cycle + length
        else:
            starts.insert(index, cycle)
            ends.insert(index, cycle + length)
