"""Steps a schedule: data moves by cycle, and every instruction finds on its streams what is there at its cycle.

The executor knows nothing of how the schedule was made. It looks up what passes a unit at the cycle of its instruction,
and raises where nothing does, where two things do, or where a result would leave before its operands came in. So its
count of cycles is one of its own, which the schedule's prediction has to equal.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from silmark.machines.tsp.geometry import Geometry
from silmark.machines.tsp.instructions import (
    Burst,
    Compute,
    Instruction,
    Load,
    Multiply,
    Place,
    Read,
    Schedule,
    Send,
    Values,
    Write,
)
from silmark.machines.tsp.numbers import chunk_sums, whole_sums


class Fault(AssertionError):
    """A schedule that the chip could not run: a defect of the compiler, never of a program."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What a schedule did.

    Attributes:
        outputs: the program's results.
        cycles: of the last result, counted while stepping.
        busy: cycles of each resource.
        counts: of what costs energy.
    """

    outputs: dict[str, Values]
    cycles: int
    busy: dict[str, int]
    counts: dict[str, int]


_ALWAYS = -(10**9)
"""When what lies in memory before the run was written."""


@dataclass(frozen=True, slots=True)
class _Span:
    """Words of a bank that are written from a cycle on, or that are read until one and were written at another."""

    address: int
    words: int
    written: int
    until: int = 0


@dataclass(frozen=True, slots=True)
class _Stored:
    place: Place
    values: Values
    written: tuple[int, ...]


class Executor:
    """One run."""

    def __init__(self, schedule: Schedule, geometry: Geometry) -> None:
        self._schedule, self._geometry = schedule, geometry
        self._streams: dict[Burst, Values] = {}
        self._tiles: dict[Place, list[_Stored]] = defaultdict(list)
        self._writes: dict[tuple[int, int], list[_Span]] = defaultdict(list)
        self._reads: dict[tuple[int, int], list[_Span]] = defaultdict(list)
        self._planes: dict[tuple[int, int], list[tuple[int, Values]]] = defaultdict(list)
        self._cycles = 0
        self.counts: dict[str, int] = defaultdict(int)
        for place, values in schedule.memory.items():
            self._store(_Stored(place, values, (_ALWAYS,) * len(place.banks)))

    def run(self) -> Executed:
        """Executes all instructions in the order of their cycles.

        Raises:
            Fault: the schedule breaks a law of the machine.
        """
        busy = _check(self._claims())
        for one in sorted(self._schedule.instructions, key=lambda one: _begins(one, self._geometry)):
            match one:
                case Read():
                    self._read(one)
                case Write():
                    self._write(one)
                case Load():
                    self._load(one)
                case Multiply():
                    self._multiply(one)
                case Compute():
                    self._compute(one)
                case Send():
                    self._send(one)
        outputs = {name: self._result(name) for name in self._schedule.results}
        self._check_overwritten()
        return Executed(outputs, self._cycles + self._geometry.skew, busy, dict(self.counts))

    def _until(self, cycle: int) -> None:
        self._cycles = max(self._cycles, cycle)

    def _put(self, burst: Burst, values: Values) -> None:
        self._streams[burst] = values

    def _take(self, burst: Burst) -> Values:
        """What passes on these streams; it is consumed."""
        found = self._streams.pop(burst, None)
        if found is None:
            raise Fault(f"nothing on streams {burst.streams} whose centre is cycle {burst.centre}")
        return found

    def _store(self, made: _Stored) -> None:
        """Keeps a tile; what it overwrites is found when the run is over."""
        place = made.place
        self._tiles[place].append(made)
        for bank, address, written in zip(place.banks, place.addresses, made.written, strict=True):
            self._writes[place.chip, bank].append(_Span(address, place.words, written))

    def _at(self, place: Place, cycles: tuple[int, ...], length: int) -> _Stored:
        """The newest tile at a place that is there at a cycle in each bank, to be read for so long."""
        there = [one for one in self._tiles[place] if all(w <= c for w, c in zip(one.written, cycles, strict=True))]
        if not there:
            raise Fault(f"no tile at {place} in cycle {cycles[0]}, or not yet all of it")
        for bank, address, written, cycle in zip(place.banks, place.addresses, there[-1].written, cycles, strict=True):
            self._reads[place.chip, bank].append(_Span(address, place.words, written, cycle + length))
        return there[-1]

    def _check_overwritten(self) -> None:
        """Raises Fault where words were written between the write and the end of the read of what they held."""
        for bank, reads in self._reads.items():
            writes = sorted(self._writes[bank], key=lambda one: one.written)
            times = [one.written for one in writes]
            for read in reads:
                for one in writes[bisect_right(times, read.written) : bisect_left(times, read.until)]:
                    if one.address < read.address + read.words and read.address < one.address + one.words:
                        raise Fault(f"bank {bank}: word {one.address} is overwritten before it was read")

    def _read(self, one: Read) -> None:
        cycles = tuple(one.burst.at(position) - self._geometry.read for position in one.place.positions)
        stored = self._at(one.place, cycles, one.burst.length)
        self.counts["read"] += len(one.place.banks) * one.place.words
        self._put(one.burst, stored.values)

    def _write(self, one: Write) -> None:
        values = self._take(one.burst)
        share = one.place.words if one.in_turn else 0
        late = 0 if one.in_turn else one.burst.length - one.place.words  # a link delivers slower than it is read
        wide = len(one.burst.streams)
        starts = tuple(one.burst.at(p) + n // wide * share + late for n, p in enumerate(one.place.positions))
        written = tuple(start + self._geometry.write for start in starts)
        self._store(_Stored(one.place, values, written))
        vectors = one.burst.length * wide if one.in_turn else one.place.words * len(one.place.banks)
        self.counts["write"] += vectors
        self.counts["hop"] += vectors * max(abs(p) for p in one.place.positions)
        self._until(max(written) + one.place.words - 1)

    def _hops(self, burst: Burst, registers: int) -> None:
        self.counts["hop"] += burst.length * len(burst.streams) * registers

    def _load(self, one: Load) -> None:
        values = self._take(one.burst)
        self._hops(one.burst, self._geometry.mxm_at)
        ready = one.burst.at(one.burst.flow * self._geometry.mxm_at) + one.burst.length + self._geometry.install
        for plane in one.planes:
            self._planes[one.chip, plane].append((ready, values))

    def _multiply(self, one: Multiply) -> None:
        """Rows meet the newest weights that were whole in the array when the first of them came."""
        side = one.burst.flow * self._geometry.mxm_at
        cycle = one.burst.at(side)
        rows = self._take(one.burst)
        held = [w for ready, w in self._planes[one.chip, one.planes[0]] if ready <= cycle]
        if not held:
            raise Fault(f"{one.name} meets no weights at {cycle}")
        for plane in one.planes:
            self._planes[one.chip, plane] = [
                w for w in self._planes[one.chip, plane] if w[0] > cycle or w[1] is held[-1]
            ]
        if one.out.at(side) != cycle + self._geometry.mxm:
            raise Fault(f"sums of {one.name} leave at {one.out.at(side)}, not {self._geometry.mxm} behind {cycle}")
        self._put(one.out, whole_sums(rows, held[-1]) if one.exact else chunk_sums(rows, held[-1]))
        self.counts["mac_int8" if one.exact else "mac_fp16"] += one.multiply_adds
        self._hops(one.burst, self._geometry.mxm_at)
        self._hops(one.out, self._geometry.mxm_at)
        self._until(cycle + one.burst.length)

    def _compute(self, one: Compute) -> None:
        for burst in one.takes:
            if burst.at(one.position) != one.cycle:
                raise Fault(f"{one.name}: operands pass at {burst.at(one.position)}, the unit works at {one.cycle}")
        made = one.work([self._take(burst) for burst in one.takes])
        for burst, values in zip(one.gives, made, strict=True):
            if burst.at(one.position) != one.cycle + one.delay:
                raise Fault(f"{one.name}: a result leaves at {burst.at(one.position)}")
            self._put(burst, np.ascontiguousarray(values))
        vectors = one.cycles * len(one.unit)
        self.counts["alu" if one.position == 0 else "sxm"] += vectors
        self._until(one.cycle + one.cycles + one.delay)

    def _send(self, one: Send) -> None:
        """A link takes what passes the SXM at its place, and gives it to the other chip's."""
        out_at = -one.out.flow * self._geometry.sxm_at
        if one.burst.at(one.burst.flow * self._geometry.sxm_at) != one.cycle:
            raise Fault(f"{one.name}: nothing is at the link at {one.cycle}")
        if one.out.at(out_at) != one.cycle + self._geometry.c2c_latency:
            raise Fault(f"{one.name}: arrives at {one.out.at(out_at)}")
        self._put(one.out, self._take(one.burst))
        self.counts["link"] += one.vectors

    def _result(self, name: str) -> Values:
        """A result put together from its tiles."""
        shape = self._schedule.shapes[name]
        found = np.full((shape[0] if len(shape) == 3 else 1, *shape[-2:]), np.nan, dtype=np.float32)
        for (group, row, column), place in self._schedule.results[name].items():
            values = self._at(place, (self._cycles,) * len(place.banks), 1).values
            found[group, row : row + values.shape[0], column : column + values.shape[1]] = values
        return found.reshape(shape)

    def _claims(self) -> Iterator[tuple[str, int, int]]:
        """Every resource that an instruction occupies: name, first cycle, cycles."""
        for one in self._schedule.instructions:
            yield from _claims(one, self._geometry)


def _begins(one: Instruction, geometry: Geometry) -> tuple[int, int]:
    """The cycle at which an instruction acts, and its turn among those of one cycle: memory is read last."""
    match one:
        case Read():
            return min(one.burst.at(position) for position in one.place.positions), 5
        case Write():
            return min(one.burst.at(position) for position in one.place.positions), 4
        case Load() | Multiply():
            return one.burst.at(one.burst.flow * geometry.mxm_at), 1
        case _:
            return one.cycle, 2


def _claims(one: Instruction, geometry: Geometry) -> Iterator[tuple[str, int, int]]:
    chip = f"chip {one.burst.chip if isinstance(one, Read | Write | Send) else one.chip}"
    if isinstance(one, Read | Write):
        early = geometry.read if isinstance(one, Read) else 0
        turn = isinstance(one, Write) and one.in_turn
        for number, (bank, position) in enumerate(zip(one.place.banks, one.place.positions, strict=True)):
            shift = number // len(one.burst.streams) * one.place.words if turn else 0
            yield (
                f"{chip}/bank {bank}",
                one.burst.at(position) - early + shift,
                one.place.words if turn else one.burst.length,
            )
    elif isinstance(one, Load | Multiply):
        cycle = one.burst.at(one.burst.flow * geometry.mxm_at)
        for plane in one.planes:
            unit = "load" if isinstance(one, Load) else "MXM"
            yield f"{chip}/{unit} {plane}", cycle, one.burst.length
    elif isinstance(one, Compute):
        for unit in one.unit:
            yield f"{chip}/{unit}", one.cycle, one.cycles
    else:
        yield f"link {one.link[0]}-{one.link[1]}", one.cycle, one.burst.length
    for burst in _given(one):
        for half in burst.halves:
            for stream in burst.streams:
                yield f"chip {burst.chip}/stream {burst.flow:+d} {half:+d} {stream}", burst.centre, burst.length


def _given(one: Instruction) -> tuple[Burst, ...]:
    match one:
        case Read():
            return (one.burst,)
        case Multiply() | Send():
            return (one.out,)
        case Compute():
            return one.gives
        case _:
            return ()


def _check(claims: Iterator[tuple[str, int, int]]) -> dict[str, int]:
    """Busy cycles of every resource; raises Fault where two instructions occupy one at one cycle."""
    by_name: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for name, start, length in claims:
        by_name[name].append((start, length))
    busy = {}
    for name, spans in by_name.items():
        spans.sort()
        for (start, length), (following, _) in pairwise(spans):
            if start + length > following:
                raise Fault(f"{name} is asked for twice at cycle {following}")
        busy[name] = sum(length for _, length in spans)
    return busy
