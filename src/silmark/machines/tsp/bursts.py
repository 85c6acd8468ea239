"""What every schedule is made of: bursts that are read, given and written, and the instructions that say so."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.machines.tsp.floor import Floor, Out, Tile
from silmark.machines.tsp.geometry import Geometry
from silmark.machines.tsp.instructions import Burst, Instruction, Read, Write
from silmark.machines.tsp.lines import Line
from silmark.machines.tsp.resources import Candidate, Need


@dataclass(slots=True)
class Part:
    """Needs of one burst among others, and where its choices will be found."""

    first: int
    tile: Tile | None
    flow: int
    halves: tuple[int, ...]
    offset: int


class Bursts:
    """Floors of one or several chips, and the instructions so far."""

    def __init__(self, geometry: Geometry, chips: int) -> None:
        self.geometry = geometry
        self.floors = tuple(Floor(geometry, chip) for chip in range(chips))
        self.links = {(a, b): Line() for a in range(chips) for b in range(chips) if a != b}
        self.instructions: list[Instruction] = []
        self.cycles = 0

    def _taken(self, floor: Floor, tile: Tile, target: int, offset: int, rows: int) -> tuple[Part, list[Need]]:
        """Needs of reading a tile towards the VXM (target 0) or the outer end of a half."""
        flow = target or -tile.half
        halves = (tile.half,) if target in (0, tile.half) else (tile.half, target)
        width = len(tile.banks)
        part = Part(0, tile, flow, halves, offset)
        streams = Need(floor.path(flow, halves, high=True), offset, rows, count=width)
        return part, [streams, *floor.reading(tile, flow, offset, rows)]

    def _given(self, floor: Floor, out: Out, half: int, flow: int, offset: int) -> list[Need]:
        """Needs of writing a tile on one half: streams first, then banks."""
        streams = Need(floor.path(flow, (half,), high=True), offset, out.rows, count=out.width)
        if out.words:
            return [streams, *floor.writing_in_turn(half, flow, offset, out)]
        return [streams, *floor.writing(half, flow, offset, out)]

    def _read(self, floor: Floor, name: str, part: Part, chosen: list[Candidate], base: int, rows: int) -> Burst:
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
        starts = [
            burst.at(one.bank.position) + n // out.width * share for n, one in enumerate(banks) if one.bank is not None
        ]
        tile = floor.written(banks, starts, half, share or out.rows, out.key)
        self.instructions.append(Write(name, tile.place, burst, in_turn=share > 0))
        self._until(max(tile.since) + tile.length - 1)
        return tile

    @staticmethod
    def _add(needs: list[Need], parts: list[Part], taken: tuple[Part, list[Need]]) -> None:
        """Joins the needs of one burst to those of others."""
        part, more = taken
        part.first = len(needs)
        parts.append(part)
        needs.extend(more)

    def _until(self, cycle: int) -> None:
        self.cycles = max(self.cycles, cycle)
