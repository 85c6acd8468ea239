"""What happens when: products wave by wave on the arrays, vector operations, exchanges; made of whole cycles.

Instructions run one after another, each dispatched. A tile enters its array one row per cycle while the vectors of the
tile before pass (its weights lie beside the array); a vector passes in as many cycles as it has bits. A wave therefore
takes the longer of the two. Partial sums of a column's chains are added by the vector unit as they leave the arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from math import ceil

import numpy as np
from numpy.typing import NDArray

from silmark.machines.dimc.geometry import Geometry
from silmark.machines.dimc.links import RESULT, Exchange, all_gather, all_reduce
from silmark.machines.dimc.placement import Placed, place, tile_bytes
from silmark.machines.lowering import Instruction, MatMul, Move, Vector
from silmark.machines.run import Event
from silmark.machines.vectors import operations

VECTORS, MAIN, LINKS = "vector units", "LPDDR", "links"


class Schedule:
    """The lines of the timeline as they fill.

    Attributes:
        now: until when everything so far takes.
        events, busy: what vector units, links and memories did, and cycles of it; of arrays the events of each quad.
        arrays: cycles that each group of cores was busy, (chiplets, groups).
        held: bytes of weights of each group.
        placed: products by name.
        dispatched: instructions, each of which waits for its dispatch.
        issued: multiply-adds of all chiplets, padding included.
        vector_operations: of all chiplets.
        main_bytes: from main memory.
        sent: bytes over each level of links.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self.now = 0
        self.events: list[Event] = []
        self.busy: dict[str, int] = {}
        self.arrays = np.zeros((geometry.chiplets, geometry.groups), np.int64)
        self.held = np.zeros((geometry.chiplets, geometry.groups))
        self.placed: dict[str, Placed] = {}
        self.dispatched = 0
        self.issued = 0
        self.vector_operations = 0.0
        self.main_bytes = 0.0
        self.sent = [0.0] * len(geometry.levels)
        self._first = 0

    @property
    def core_bytes(self) -> float:
        """Weights of the fullest group, per core."""
        return float(self.held.max()) / self.geometry.chain

    def utilisation(self) -> dict[str, float]:
        """Busy share of every unit; of a quad, the mean of its groups."""
        shares = {unit: busy / self.now for unit, busy in self.busy.items()}
        for chiplet, groups in enumerate(self.arrays):
            for quad, part in enumerate(np.array_split(groups, self.geometry.quads)):
                shares[quad_name(chiplet, quad)] = float(part.mean()) / self.now
        return shares

    def note(self, track: str, name: str, start: int, cycles: int) -> None:
        """Something that a unit did."""
        if cycles:
            self.events.append(Event(track, name, start, cycles))
            self.busy[track] = self.busy.get(track, 0) + cycles

    def place(self, one: MatMul, room: float, *, input_is_cut: bool) -> Placed:
        """Places a product behind the one before."""
        placed = place(self.geometry, one, input_is_cut=input_is_cut, room=room, first=self._first)
        self._first = (self._first + int(placed.chains[0].sum())) % self.geometry.groups
        self.placed[one.name] = placed
        if one.stored:
            self.held += placed.chains * placed.length * tile_bytes(self.geometry)
        return placed

    def compute(self, name: str, cycles: NDArray[np.int64]) -> None:
        """Groups of cores work for so many cycles each, from now on."""
        self.arrays += cycles
        for chiplet, groups in enumerate(cycles):
            for quad, part in enumerate(np.array_split(groups, self.geometry.quads)):
                if part.max():
                    self.events.append(Event(quad_name(chiplet, quad), name, self.now, int(part.max())))

    def exchange(self, name: str, what: Exchange) -> None:
        """Chiplets wait for each other."""
        self.note(LINKS, name, self.now, what.cycles)
        self.now += what.cycles
        self.sent = [a + b for a, b in zip_longest(self.sent, what.sent, fillvalue=0.0)]


def quad_name(chiplet: int, quad: int) -> str:
    """As timeline and floor plan call it."""
    return f"chiplet {chiplet}/quad {quad}"


def schedule(geometry: Geometry, instructions: Sequence[Instruction], *, streamed: bool = False) -> Schedule:
    """The schedule of a program.

    Args:
        geometry: the system.
        instructions: in order.
        streamed: weights come from main memory instead of lying in the SRAM.
    """
    made = Schedule(geometry)
    stored = sum(isinstance(one, MatMul) and one.stored for one in instructions)
    room = 0.0 if streamed else _spare(geometry, instructions) / max(stored, 1)
    cut: set[str] = set()  # tensors of which every chiplet has some columns only
    for one in instructions:
        if not isinstance(one, Move):  # other addresses for the same values
            made.dispatched += 1
            made.now += geometry.dispatch
        match one:
            case MatMul():
                _product(made, one, room, one.left in cut, streamed=streamed and one.stored)
                if made.placed[one.name].cut != "rows":
                    cut.add(one.out)
            case Vector():
                shared = any(name in cut for name in one.inputs)
                work = operations(one, geometry.exponential) / (geometry.chiplets if shared else 1)
                cycles = ceil(work / geometry.vector)
                made.note(VECTORS, one.name, made.now, cycles)
                made.now += cycles
                made.vector_operations += work * geometry.chiplets
                cut |= {one.out} if shared else set()
            case Move():
                cut |= {one.out} if any(name in cut for name in one.inputs) else set()
    return made


def activations(geometry: Geometry, instructions: Sequence[Instruction]) -> float:
    """Bytes of a group's stash that the largest product needs for its inputs and results, none of them cut."""
    sizes = [one.batch * one.m * (one.k + one.n) for one in instructions if isinstance(one, MatMul)]
    return max(sizes, default=0) * RESULT / geometry.groups


def _spare(geometry: Geometry, instructions: Sequence[Instruction]) -> float:
    """Bytes of a core that weights may be copied into: what one copy of all of them and activations leave."""
    stored = [one for one in instructions if isinstance(one, MatMul) and one.stored]
    tiles = sum(ceil(one.k / geometry.rows) * ceil(one.n / geometry.columns) for one in stored)
    held = ceil(tiles / geometry.chiplets / geometry.cores) * tile_bytes(geometry)
    return max(0.0, geometry.core_bytes - held - activations(geometry, instructions) / geometry.chain)


def _product(made: Schedule, one: MatMul, room: float, input_is_cut: bool, *, streamed: bool) -> None:
    """Runs a product, and the exchange that its cut asks for."""
    geometry = made.geometry
    placed = made.place(one, room, input_is_cut=input_is_cut)
    if placed.cut == "entries" and one.batch < geometry.chiplets:
        # Neighbours share a head: each needs all of its keys or values.
        made.exchange(f"{one.name} gather", all_gather(geometry.levels[:1], one.k * one.n))
    wave = max(geometry.rows, placed.vectors * geometry.vector_cycles)
    lead = 0 if one.stored else geometry.rows  # computed weights enter when they are there, stored ones before
    passed = placed.waves * wave + (placed.waves > 0) * (lead + (placed.length - 1) * geometry.hop)
    made.compute(one.name, passed)
    passing = int(passed.max())
    if streamed:
        bytes_ = placed.spread * tile_bytes(geometry)
        arriving = ceil(bytes_ / geometry.chiplets / geometry.main)
        made.note(MAIN, one.name, made.now, arriving)
        made.main_bytes += bytes_
        passing = max(passing, arriving + wave)
    adds = one.m * geometry.columns * placed.width * (placed.per_column - 1)
    adding = ceil(adds / geometry.vector)
    made.note(VECTORS, f"{one.name} sum", made.now + lead + geometry.vector_cycles, adding)
    made.now += max(passing, lead + geometry.vector_cycles + adding)
    made.issued += placed.spread * one.m * geometry.rows * geometry.columns
    made.vector_operations += adds * geometry.chiplets
    if placed.cut == "rows" and geometry.levels:
        made.exchange(f"{one.name} all-reduce", all_reduce(geometry.levels, one.m * one.n))
