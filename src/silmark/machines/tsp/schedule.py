"""List scheduling: every burst at the first cycle at which all that it needs is free, in order of the program.

One call places one thing that cannot be taken apart: a weight tile on its way to an array; rows of activations through
arrays with their sums, their meeting in the VXM and the write of what comes out; vectors through the VXM or an SXM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from silmark.machines.tsp.floor import Floor, Out, Plane, Tile
from silmark.machines.tsp.geometry import Geometry
from silmark.machines.tsp.instructions import (
    Burst,
    Compute,
    Instruction,
    Load,
    Multiply,
    Read,
    Values,
    Work,
    Write,
)
from silmark.machines.tsp.lines import Line
from silmark.machines.tsp.resources import Candidate, Need, NoRoom, place


@dataclass(slots=True)
class _Part:
    """Needs of one burst among others, and where its choices will be found."""

    first: int
    tile: Tile | None
    flow: int
    halves: tuple[int, ...]
    offset: int


class Scheduler:
    """Places instructions on the floors of one or several chips."""

    def __init__(self, geometry: Geometry, chips: int) -> None:
        self.geometry = geometry
        self.floors = tuple(Floor(geometry, chip) for chip in range(chips))
        self.links = {(a, b): Line() for a in range(chips) for b in range(chips) if a != b}
        self.instructions: list[Instruction] = []
        self.cycles = 0

    def _taken(self, floor: Floor, tile: Tile, target: int, offset: int, rows: int) -> tuple[_Part, list[Need]]:
        """Needs of reading a tile towards the VXM (target 0) or the outer end of a half."""
        flow = target or -tile.half
        halves = (tile.half,) if target in (0, tile.half) else (tile.half, target)
        width = len(tile.banks)
        part = _Part(0, tile, flow, halves, offset)
        streams = Need(floor.path(flow, halves, high=True), offset, rows, count=width)
        return part, [streams, *floor.reading(tile, flow, offset, rows)]

    def _given(self, floor: Floor, out: Out, half: int, flow: int, offset: int) -> list[Need]:
        """Needs of writing a tile on one half: streams first, then banks."""
        streams = Need(floor.path(flow, (half,), high=True), offset, out.rows, count=out.width)
        if out.words:
            return [streams, *floor.writing_in_turn(half, flow, offset, out.words)]
        return [streams, *floor.writing(half, flow, offset, out)]

    def _read(self, floor: Floor, name: str, part: _Part, chosen: list[Candidate], base: int, rows: int) -> Burst:
        tile = part.tile
        assert tile is not None
        burst = floor.burst(part.flow, chosen, base + part.offset, rows, part.halves)
        self.instructions.append(Read(name, tile.place, burst))
        last = max(burst.at(bank.position) for bank in tile.banks) + rows
        tile.last_read = max(tile.last_read, last)
        return burst

    def _write(self, name: str, out: Out, chosen: list[list[Candidate]], burst: Burst, half: int) -> Tile:
        floor = self.floors[burst.chip]
        banks = [one for ones in chosen for one in ones]
        share = out.words
        starts = [burst.at(one.bank.position) + n * share for n, one in enumerate(banks) if one.bank is not None]
        tile = floor.written(banks, starts, half, share or out.rows, out.key)
        self.instructions.append(Write(name, tile.place, burst, in_turn=share > 0))
        self._until(max(tile.since) + tile.length - 1)
        return tile

    def _until(self, cycle: int) -> None:
        self.cycles = max(self.cycles, cycle)

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
        part = _Part(0, tile, flow, halves, 0)
        burst = self._read(floor, name, part, chosen[0], base, length)
        self.instructions.append(Load(name, chip, tuple(plane.number for plane in planes), burst))
        for plane in planes:
            plane.holds, plane.ready = tile.key, base + at + length + self.geometry.install
        self._until(base + at + length)

    def multiply(
        self,
        name: str,
        chip: int,
        rows: int,
        operands: Sequence[tuple[Tile, Sequence[Plane], int]],
        before: Tile | None,
        outs: Sequence[Out],
        operations: int,
        work: Work,
        exact: bool,
    ) -> list[Tile]:
        """Rows through several arrays at once, their sums added in the VXM to what was summed before, results written.

        Args:
            name, chip, rows: of the product.
            operands: per array: activations, planes that hold its weights, multiply-adds of one row.
            before: sums of earlier parts of the depth.
            outs: tiles to write.
            operations: of the VXM on each vector.
            work: sums before and sums of each array -> values of `outs`.
            exact: 8-bit.
        """
        floor, geometry = self.floors[chip], self.geometry
        at, there = geometry.mxm_at, geometry.mxm
        middle = at + there + at  # from the row's arrival at the MXM, which is at offset 0 + at, back to the VXM
        parts: list[_Part] = []
        needs: list[Need] = []
        sums: list[int] = []
        earliest = 0

        def add(part: _Part, more: list[Need]) -> None:
            part.first = len(needs)
            parts.append(part)
            needs.extend(more)

        if before is not None:
            add(*self._taken(floor, before, 0, middle, rows))
            earliest = before.centre_from(-before.half, geometry.read) - middle
        for tile, planes, _ in operands:
            half = planes[0].half
            add(*self._taken(floor, tile, half, 0, rows))
            earliest = max(earliest, tile.centre_from(half, geometry.read), *(p.ready - at for p in planes))
            needs.extend(Need((Candidate((plane.busy,)),), at, rows) for plane in planes)
            sums.append(len(needs))
            needs.append(Need(floor.path(-half, (half,), high=True), middle, rows, count=4))
        base, chosen, written, alus = self._end(floor, needs, earliest, middle, rows, outs, operations)
        takes = []
        for part in parts[: 1 if before is not None else 0]:
            takes.append(self._read(floor, name, part, chosen[part.first], base, rows))
        for part, index, (_, planes, work_) in zip(parts[len(takes) :], sums, operands, strict=True):
            burst = self._read(floor, name, part, chosen[part.first], base, rows)
            out = floor.burst(-part.flow, chosen[index], base + middle, rows, (part.flow,))
            numbers = tuple(plane.number for plane in planes)
            self.instructions.append(Multiply(name, chip, numbers, burst, out, work_ * rows, exact))
            takes.append(out)
            for plane in planes:
                if plane.started < base + at:
                    plane.started = base + at
                plane.free = max(plane.free, base + at + rows)
        return self._finish(name, chip, base + middle, rows, takes, outs, alus, operations, work, chosen, written)

    def vector(
        self,
        name: str,
        chip: int,
        tiles: Sequence[Tile],
        outs: Sequence[Out],
        operations: int,
        work: Work,
        earliest: int = 0,
        rows: int = 0,
    ) -> tuple[list[Tile], int]:
        """Tiles side by side through a chain of ALUs; also the cycle behind the last vector, for what follows."""
        floor, geometry = self.floors[chip], self.geometry
        needs: list[Need] = []
        parts = []
        rows = rows or tiles[0].length
        for tile in tiles:
            part, more = self._taken(floor, tile, 0, 0, rows)
            part.first = len(needs)
            parts.append(part)
            needs += more
            earliest = max(earliest, tile.centre_from(-tile.half, geometry.read))
        base, chosen, written, alus = self._end(floor, needs, earliest, 0, rows, outs, operations)
        takes = [self._read(floor, name, part, chosen[part.first], base, rows) for part in parts]
        made = self._finish(name, chip, base, rows, takes, outs, alus, operations, work, chosen, written)
        return made, base + rows + operations * geometry.vxm

    def _end(
        self,
        floor: Floor,
        needs: list[Need],
        earliest: int,
        middle: int,
        rows: int,
        outs: Sequence[Out],
        operations: int,
    ) -> tuple[int, list[list[Candidate]], list[tuple[int, int]], int]:
        """Adds ALUs and writes to the needs, and places all; a full half makes room for the other."""
        alus = len(needs)
        ways = tuple(Candidate((line,), tag=number) for number, line in enumerate(floor.alus))
        common = [*needs, Need(ways, middle, rows, count=max(1, min(operations, len(ways))))]
        leaves = middle + operations * self.geometry.vxm
        first = floor.next_half()
        for half in (first, -first):
            everything, written = list(common), []
            for out in outs:
                written.append((len(everything), half))
                everything += self._given(floor, out, half, half, leaves)
            try:
                base, chosen = place(everything, earliest)
            except NoRoom:
                if half != first:
                    raise
                continue
            return base, chosen, [*written, (len(everything), half)], alus
        raise NoRoom

    def _finish(
        self,
        name: str,
        chip: int,
        cycle: int,
        rows: int,
        takes: Sequence[Burst],
        outs: Sequence[Out],
        alus: int,
        operations: int,
        work: Work,
        chosen: list[list[Candidate]],
        written: list[tuple[int, int]],
    ) -> list[Tile]:
        """The VXM's instruction and the writes behind it."""
        floor, delay = self.floors[chip], operations * self.geometry.vxm
        gives, tiles = [], []
        for out, (first, half), (end, _) in zip(outs, written[:-1], written[1:], strict=True):
            burst = floor.burst(half, chosen[first], cycle + delay, out.rows, (half,))
            gives.append(burst)
            tiles.append(self._write(name, out, chosen[first + 1 : end], burst, half))
        units = tuple(f"VXM {one.tag}" for one in chosen[alus])
        self.instructions.append(Compute(name, chip, units, 0, cycle, rows, tuple(takes), tuple(gives), delay, work))
        self._until(cycle + rows + delay)
        return tiles

    def permute(self, name: str, chip: int, tiles: Sequence[Tile], outs: Sequence[Out], work: Work) -> list[Tile]:
        """Tiles one after the other into an SXM, and the same values in another layout out of it.

        What leaves is taken to wait for the last vector that comes in, which holds for a transposition only.
        """
        first = self.floors[chip].next_half()
        for half in (first, -first):
            try:
                return self._permute(name, chip, half, tiles, outs, work)
            except NoRoom:
                continue
        raise NoRoom

    def _permute(
        self, name: str, chip: int, half: int, tiles: Sequence[Tile], outs: Sequence[Out], work: Work
    ) -> list[Tile]:
        floor, at = self.floors[chip], self.geometry.sxm_at
        held: dict[int, Values] = {}
        unit, latest = f"SXM {'E' if half > 0 else 'W'}", 0

        for order, tile in enumerate(tiles):

            def keep(values: Sequence[Values], which: int = order) -> Sequence[Values]:
                held[which] = values[0]
                return ()

            part, needs = self._taken(floor, tile, half, 0, tile.length)
            needs.append(Need((Candidate((floor.sxm[half],)),), at, tile.length))
            base, chosen = place(needs, tile.centre_from(half, self.geometry.read))
            burst = self._read(floor, name, part, chosen[0], base, tile.length)
            self.instructions.append(
                Compute(name, chip, (f"{unit} in",), half * at, base + at, tile.length, (burst,), (), 0, keep)
            )
            latest = max(latest, base + at + tile.length)
        made = []
        for number, out in enumerate(outs):
            needs = self._given(floor, out, half, -half, at)
            needs.append(Need((Candidate((floor.sxm_out[half],)),), 0, out.rows))
            base, chosen = place(needs, latest + self.geometry.sxm)
            burst = floor.burst(-half, chosen[0], base + at, out.rows, (half,))

            def give(_: Sequence[Values], which: int = number) -> Sequence[Values]:
                return (work([held[n] for n in range(len(held))])[which],)

            self.instructions.append(
                Compute(name, chip, (f"{unit} out",), half * at, base, out.rows, (), (burst,), 0, give)
            )
            made.append(self._write(name, out, chosen[1:-1], burst, half))
        return made
