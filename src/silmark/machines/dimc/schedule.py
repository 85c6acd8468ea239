"""What happens when: products wave by wave on the arrays, vector operations, exchanges; made of whole cycles.

Instructions run one after another, each dispatched. A tile enters its array one row per cycle while the vectors of the
tile before pass (its weights lie beside the array); a vector passes in as many cycles as it has bits. A wave therefore
takes the longer of the two. Partial sums of a column's chains are added by the vector unit as they leave the arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from math import ceil

from silmark.machines.dimc.geometry import Geometry
from silmark.machines.dimc.links import RESULT, Exchange, all_gather, all_reduce
from silmark.machines.dimc.placement import Placed, place, tile_bytes
from silmark.machines.lowering import Instruction, MatMul, Move, Vector
from silmark.machines.run import Event
from silmark.machines.vectors import operations

ARRAYS, VECTORS, MAIN = "arrays", "vector", "LPDDR"


@dataclass(slots=True)
class Schedule:
    """The lines of the timeline as they fill; one chiplet stands for all, the busiest.

    Attributes:
        now: until when everything so far takes.
        events, busy: what each unit did, and cycles of it.
        placed: products by name.
        core_bytes: weights of the busiest core.
        row_loads, issued: rows that entered arrays, and multiply-adds that they did, padding included; of all chiplets.
        vector_operations: of all chiplets.
        main_bytes: from main memory.
        sent: bytes over each level of links.
    """

    geometry: Geometry
    now: int = 0
    events: list[Event] = field(default_factory=list)
    busy: dict[str, int] = field(default_factory=dict)
    placed: dict[str, Placed] = field(default_factory=dict)
    core_bytes: float = 0.0
    row_loads: int = 0
    issued: int = 0
    vector_operations: float = 0.0
    main_bytes: float = 0.0
    sent: list[float] = field(default_factory=list)

    def note(self, track: str, name: str, start: int, cycles: int) -> None:
        """Something that a unit did."""
        if cycles:
            self.events.append(Event(track, name, start, cycles))
            self.busy[track] = self.busy.get(track, 0) + cycles

    def exchange(self, name: str, what: Exchange) -> None:
        """Chiplets wait for each other."""
        self.note("links", name, self.now, what.cycles)
        self.now += what.cycles
        self.sent = [a + b for a, b in zip_longest(self.sent, what.sent, fillvalue=0.0)]


def schedule(geometry: Geometry, instructions: Sequence[Instruction], *, streamed: bool = False) -> Schedule:
    """The schedule of a program.

    Args:
        geometry: the system.
        instructions: in order.
        streamed: weights come from main memory instead of lying in the SRAM.
    """
    made = Schedule(geometry, sent=[0.0] * len(geometry.levels))
    stored = sum(isinstance(one, MatMul) and one.stored for one in instructions)
    room = 0.0 if streamed else _spare(geometry, instructions) / max(stored, 1)
    cut: set[str] = set()  # tensors of which every chiplet has some columns only
    for one in instructions:
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
                made.now -= geometry.dispatch  # other addresses for the same values
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
    placed = made.placed[one.name] = place(geometry, one, input_is_cut=input_is_cut, room=room)
    if placed.cut == "entries" and one.batch < geometry.chiplets:
        # Neighbours share a head: each needs all of its keys or values.
        made.exchange(f"{one.name} gather", all_gather(geometry.levels[:1], one.k * one.n))
    wave = max(geometry.rows, placed.vectors * geometry.vector_cycles)
    lead = 0 if one.stored else geometry.rows  # computed weights enter when they are there, stored ones before
    passing = lead + placed.waves * wave + (placed.length - 1) * geometry.hop
    made.note(ARRAYS, one.name, made.now, passing)
    if streamed:
        bytes_ = placed.spread * tile_bytes(geometry)
        arriving = ceil(bytes_ / geometry.chiplets / geometry.main)
        made.note(MAIN, one.name, made.now, arriving)
        made.main_bytes += bytes_
        passing = max(passing, arriving + wave)
    adds = one.m * geometry.columns * placed.width * (placed.chains - 1)
    adding = ceil(adds / geometry.vector)
    made.note(VECTORS, f"{one.name} sum", made.now + lead + geometry.vector_cycles, adding)
    made.now += max(passing, lead + geometry.vector_cycles + adding)
    if one.stored:
        made.core_bytes += placed.tiles * tile_bytes(geometry)
    made.row_loads += placed.spread * placed.copies * geometry.rows
    made.issued += placed.spread * one.m * geometry.rows * geometry.columns
    made.vector_operations += adds * geometry.chiplets
    if placed.cut == "rows" and geometry.levels:
        made.exchange(f"{one.name} all-reduce", all_reduce(geometry.levels, one.m * one.n))
