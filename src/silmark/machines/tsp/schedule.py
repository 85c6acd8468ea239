"""List scheduling: every burst at the first cycle at which all that it needs is free, in order of the program.

One call places one thing that cannot be taken apart: a weight tile on its way to an array; rows of activations through
arrays with their sums, their meeting in the VXM and the write of what comes out; vectors through the VXM or an SXM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from silmark.machines.tsp.bursts import Part
from silmark.machines.tsp.exchange import Exchange
from silmark.machines.tsp.floor import Floor, Out, Plane, Tile
from silmark.machines.tsp.instructions import (
    Burst,
    Compute,
    Load,
    Multiply,
    Work,
)
from silmark.machines.tsp.resources import Candidate, Need, NoRoom, place

_SUM_BYTES = 4
"""Of a sum on its way from an array."""


@dataclass(frozen=True, slots=True)
class Task:
    """Vectors that meet in the VXM.

    Attributes:
        name: of the instruction that they belong to.
        chip: on which.
        rows: vectors.
        operations: of the chain that each of them passes.
        work: values that meet -> values of each tile that is written.
    """

    name: str
    chip: int
    rows: int
    operations: int
    work: Work


@dataclass(frozen=True, slots=True)
class _Placed:
    """Where a task went: first cycle, choices per need, the need of its ALUs, those of each output's streams."""

    base: int
    chosen: list[list[Candidate]]
    alus: int
    outs: tuple[int, ...]
    half: int


class Scheduler(Exchange):
    """Places instructions on the floors of one or several chips."""

    def load(self, name: str, chip: int, tile: Tile, planes: Sequence[Plane]) -> None:
        """Brings a weight tile into the arrays that hold it together, unless they hold it."""
        if all(plane.holds == tile.key for plane in planes):
            return
        floor, half, length = self.floors[chip], planes[0].half, tile.length
        flow, at = half, self.geometry.mxm_at
        halves = (half,) if tile.half == half else (tile.half, half)
        needs = [
            Need(floor.path(flow, halves), 0, length, count=len(tile.banks)),
            *floor.reading(tile, flow, 0, length),
        ]
        needs += [Need((Candidate((plane.loading,)),), at, length) for plane in planes]
        earliest = max(tile.centre_from(flow, self.geometry.read), *(plane.started - at for plane in planes))
        base, chosen = place(needs, earliest)
        part = Part(0, tile, flow, halves, 0)
        burst = self._read(floor, name, part, chosen[0], base, length)
        self.instructions.append(Load(name, chip, tuple(plane.number for plane in planes), burst))
        for plane in planes:
            plane.holds, plane.ready = tile.key, base + at + length + self.geometry.install
        self._until(base + at + length)

    def multiply(
        self,
        task: Task,
        operands: Sequence[tuple[Tile, Sequence[Plane], int]],
        beside: Sequence[Tile],
        outs: Sequence[Out],
        exact: bool,
    ) -> list[Tile]:
        """Rows through several arrays at once, their sums to the VXM, results written.

        Args:
            task: what the VXM does with what is beside, and with the sums: in this order.
            operands: per array: activations, planes that hold its weights, multiply-adds of one row.
            beside: what the VXM takes besides.
            outs: tiles to write.
            exact: 8-bit.
        """
        floor, geometry, rows = self.floors[task.chip], self.geometry, task.rows
        at = geometry.mxm_at
        middle = at + geometry.mxm + at  # from the VXM's position out to the MXM, through it and back
        parts: list[Part] = []
        needs: list[Need] = []
        sums: list[int] = []
        earliest = 0
        apart = self._apart(task, beside, [tile for tile, *_ in operands])
        for tile in apart:
            self._add(needs, parts, self._taken(floor, tile, 0, middle, rows))
            earliest = max(earliest, tile.centre_from(-tile.half, geometry.read) - middle)
        for tile, planes, _ in operands:
            half = planes[0].half
            self._add(needs, parts, self._taken(floor, tile, half, 0, rows))
            earliest = max(earliest, tile.centre_from(half, geometry.read), *(p.ready - at for p in planes))
            needs.extend(Need((Candidate((plane.busy,)),), at, rows) for plane in planes)
            sums.append(len(needs))
            needs.append(Need(floor.path(-half, (half,), high=True), middle, rows, count=_SUM_BYTES))
        placed = self._place(floor, needs, earliest, middle, task, outs)
        base, chosen = placed.base, placed.chosen
        bursts = [self._read(floor, task.name, part, chosen[part.first], base, rows) for part in parts]
        takes = bursts[: len(apart)]
        _release_copies(beside, apart)
        for burst, index, (_, planes, work) in zip(bursts[len(takes) :], sums, operands, strict=True):
            out = floor.burst(-burst.flow, chosen[index], base + middle, rows, (burst.flow,))
            numbers = tuple(plane.number for plane in planes)
            self.instructions.append(Multiply(task.name, task.chip, numbers, burst, out, work * rows, exact))
            takes.append(out)
            for plane in planes:
                plane.started = max(plane.started, base + at)
                plane.free = max(plane.free, base + at + rows)
        return self._finish(task, base + middle, takes, outs, placed)

    def vector(
        self, task: Task, tiles: Sequence[Tile], outs: Sequence[Out], earliest: int = 0
    ) -> tuple[list[Tile], int]:
        """Tiles side by side through a chain of ALUs; also the cycle at which the first vector leaves it."""
        floor, geometry = self.floors[task.chip], self.geometry
        needs: list[Need] = []
        parts: list[Part] = []
        apart = self._apart(task, tiles)
        for tile in apart:
            self._add(needs, parts, self._taken(floor, tile, 0, 0, task.rows))
            earliest = max(earliest, tile.centre_from(-tile.half, geometry.read))
        placed = self._place(floor, needs, earliest, 0, task, outs)
        takes = [
            self._read(floor, task.name, part, placed.chosen[part.first], placed.base, task.rows) for part in parts
        ]
        _release_copies(tiles, apart)
        made = self._finish(task, placed.base, takes, outs, placed)
        return made, placed.base + task.operations * geometry.vxm

    def _apart(self, task: Task, tiles: Sequence[Tile], others: Sequence[Tile] = ()) -> list[Tile]:
        """Tiles that can be read at one time, and with others: what shares a bank is copied first."""
        banks = {bank for other in others for bank in other.place.banks}
        apart = []
        for tile in tiles:
            held = tile
            if banks & set(tile.place.banks):
                out = Out(tile.key, tile.length, len(tile.banks), avoid=frozenset(banks))
                copy = Task(f"{task.name} copy", task.chip, tile.length, 1, list)
                ((held,), _) = self.vector(copy, [tile], [out])
            banks |= set(held.place.banks)
            apart.append(held)
        return apart

    def _place(
        self, floor: Floor, needs: list[Need], earliest: int, middle: int, task: Task, outs: Sequence[Out]
    ) -> _Placed:
        """Adds ALUs and writes to the needs, and places all; where a half is full, what is written goes over."""
        ways = tuple(Candidate((line,), tag=number) for number, line in enumerate(floor.alus))
        common = [*needs, Need(ways, middle, task.rows, count=min(task.operations, len(ways)))]
        leaves = middle + task.operations * self.geometry.vxm
        first = floor.next_half()
        for half in (first, -first):
            everything, starts = list(common), []
            for out in outs:
                starts.append(len(everything))
                everything += self._given(floor, out, half, half, leaves)
            try:
                base, chosen = place(everything, earliest)
            except NoRoom:
                continue
            return _Placed(base, chosen, len(needs), (*starts, len(everything)), half)
        raise NoRoom

    def _finish(
        self, task: Task, cycle: int, takes: Sequence[Burst], outs: Sequence[Out], placed: _Placed
    ) -> list[Tile]:
        """The VXM's instruction and the writes behind it."""
        floor, delay, half = self.floors[task.chip], task.operations * self.geometry.vxm, placed.half
        gives, tiles = [], []
        for out, first, end in zip(outs, placed.outs, placed.outs[1:], strict=False):
            burst = floor.burst(half, placed.chosen[first], cycle + delay, out.rows, (half,))
            gives.append(burst)
            tiles.append(self._write(task.name, out, placed.chosen[first + 1 : end], burst, half))
        units = tuple(f"VXM {one.tag}" for one in placed.chosen[placed.alus])
        self.instructions.append(
            Compute(task.name, task.chip, units, 0, cycle, task.rows, tuple(takes), tuple(gives), delay, task.work)
        )
        self._until(cycle + task.rows + delay)
        return tiles


def _release_copies(tiles: Sequence[Tile], apart: Sequence[Tile]) -> None:
    """Gives back the room of copies that were read instead of tiles."""
    for tile, held in zip(tiles, apart, strict=True):
        if held is not tile:
            held.release()
