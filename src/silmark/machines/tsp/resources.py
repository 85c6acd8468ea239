"""What a schedule reserves: lines of time of which every cycle belongs to one instruction at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from silmark.machines.tsp.lines import Line
from silmark.machines.tsp.memory import Bank


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to meet a need.

    Attributes:
        lines: all of these are taken.
        delay: cycles after the need's own start.
        tag: what the scheduler calls it: the number of a stream, an ALU.
        bank: of a place to write to, which must have room.
    """

    lines: tuple[Line, ...]
    delay: int = 0
    tag: int = 0
    bank: Bank | None = None


@dataclass(frozen=True, slots=True)
class Need:
    """What an instruction reserves: `count` of the candidates, `length` cycles each, from `offset` on."""

    candidates: Sequence[Candidate]
    offset: int
    length: int
    count: int = 1
    words: int = 0
    """Room that a candidate's bank must have when it is taken."""


_PATIENCE = 1_000_000
"""Cycles that are tried; needs that are free each for itself meet within a few."""


def place(needs: Sequence[Need], cycle: int) -> tuple[int, list[list[Candidate]]]:
    """The first cycle at or after `cycle` at which all needs are met at once, and what was taken for each.

    Raises:
        NoRoom: banks that have no room for what must be written, at any time.
    """
    for _ in range(_PATIENCE):
        later = max((_earliest(need, cycle) for need in needs), default=cycle)
        if later > cycle:
            cycle = later
            continue
        chosen = _choose(needs, cycle)
        if chosen is not None:
            for need, ones in zip(needs, chosen, strict=True):
                for one in ones:
                    for line in one.lines:
                        line.take(cycle + need.offset + one.delay, need.length)
            return cycle, chosen
        cycle += 1
    raise AssertionError("needs that can never be met at once")


class NoRoom(Exception):
    """No bank has room; the program is larger than the memory."""


def _earliest(need: Need, cycle: int) -> int:
    """The first cycle at which enough candidates are free, each for itself."""
    while True:
        waits: list[int] = []
        found = 0
        for one in need.candidates:
            start = cycle + need.offset + one.delay
            if one.bank is not None and not one.bank.has_room(need.words, start):
                continue
            late = _free(one.lines, start, need.length) - start
            if late == 0:
                found += 1
                if found == need.count:
                    return cycle
            else:
                waits.append(late)
        if found + len(waits) < need.count:
            freed = [(one.bank.frees_after(need.words), one.delay) for one in need.candidates if one.bank is not None]
            times = sorted(time - delay for time, delay in freed if time is not None)
            later = next((time for time in times if time > cycle + need.offset), None)
            if later is None:
                raise NoRoom
            cycle = later - need.offset
            continue
        cycle += sorted(waits)[need.count - found - 1]


def _free(lines: tuple[Line, ...], start: int, length: int) -> int:
    """The first cycle at which all lines are free together."""
    if len(lines) == 1:
        return lines[0].next_free(start, length)
    while True:
        later = max(line.next_free(start, length) for line in lines)
        if later == start:
            return start
        start = later


def _choose(needs: Sequence[Need], cycle: int) -> list[list[Candidate]] | None:
    """Candidates for every need at a cycle; None where needs want the same ones."""
    held: dict[int, list[tuple[int, int]]] = {}
    filled: set[int] = set()
    chosen = []
    for need in needs:
        ones: list[Candidate] = []
        for one in need.candidates:
            start = cycle + need.offset + one.delay
            end = start + need.length
            if any(begin < end and start < stop for line in one.lines for begin, stop in held.get(id(line), ())):
                continue
            if one.bank is not None and (id(one.bank) in filled or not one.bank.has_room(need.words, start)):
                continue
            if _free(one.lines, start, need.length) == start:
                ones.append(one)
                if one.bank is not None:
                    filled.add(id(one.bank))
                for line in one.lines:
                    held.setdefault(id(line), []).append((start, end))
                if len(ones) == need.count:
                    break
        if len(ones) < need.count:
            return None
        chosen.append(ones)
    return chosen
