"""What the cores of one region do when: every instruction of a program on side x side cores, one after the other.

Two layouts. By rows (MeshGEMV): a row of values lies along one axis and is repeated along the other; a product sums
over the axis of its left operand, and its result lies along the other one. By tiles (MeshGEMM and its likes): rows are
spread over one axis, columns over the other. Heads lie beside each other, on squares of the region.

Products that read one tensor are formed together, and their sums travel together, as in WaferLLM's kernels (q, k and v;
up and gate).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.machines.lowering import Instruction, MatMul, Move, Vector
from silmark.machines.run import Event
from silmark.machines.vectors import operations
from silmark.machines.wafer.core import Core, wavelets
from silmark.machines.wafer.execute import Product
from silmark.machines.wafer.layout import Extent, extents, inputs_of, live, squares
from silmark.machines.wafer.products import MESH_COLOURS, Cost, by_rows, cut, mesh
from silmark.machines.wafer.reductions import Way, colours, cycles, traffic

MULTIPLY, SUMS, TILES, VECTORS, LAYOUT = "multiply-adds", "sums", "tiles", "vectors", "layout"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a program is laid out.

    Attributes:
        side: cores per side of the region.
        product: algorithm of all products.
        way, levels: of sums over cores.
        together: steps of products by tiles begin on all cores at once.
    """

    side: int
    product: Product
    way: Way = "tree"
    levels: int = 2
    together: bool = False

    @property
    def rows(self) -> bool:
        """Whether values lie by rows, not by tiles."""
        return self.product == "meshgemv"

    @property
    def colours(self) -> int:
        """Colours that routers tell apart; without products by rows sums run along one axis only."""
        if self.side == 1:
            return 0
        sums = colours(self.way, self.levels)
        return 2 * sums if self.rows else MESH_COLOURS[self.product] + sums


@dataclass
class Schedule:
    """What happens.

    Attributes:
        plan: layout.
        now: cycles so far.
        events: of the region, all cores doing the same.
        busy: cycles of each kind.
        multiply_adds, operations: done by all cores, padding and repeated rows included; other vector operations.
        links: wavelets over each link of a line, per axis x and y, both directions together, summed over the lines.
        bytes: of the fullest core.
    """

    plan: Plan
    now: float = 0.0
    events: list[Event] = field(default_factory=list)
    busy: dict[str, float] = field(default_factory=dict)
    multiply_adds: float = 0.0
    operations: float = 0.0
    links: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    bytes: float = 0.0

    @property
    def cycles(self) -> int:
        """Whole cycles."""
        return ceil(self.now)

    @property
    def crossings(self) -> float:
        """Wavelets times hops."""
        return float(sum(load.sum() for load in self.links.values()))

    def add(self, kind: str, name: str, duration: float) -> None:
        """The next thing that the region does."""
        if duration <= 0:
            return
        start = int(self.now)
        self.now += duration
        self.busy[kind] = self.busy.get(kind, 0.0) + duration
        self.events.append(Event(kind, name, start, int(self.now) - start))


def schedule(
    core: Core, instructions: Sequence[Instruction], inputs: Mapping[str, tuple[int, ...]], plan: Plan
) -> Schedule:
    """All instructions on one region.

    Args:
        core: any core.
        instructions: of the program.
        inputs: shapes of inputs, caches and weights.
        plan: layout.
    """
    sizes = extents(instructions, inputs)
    made = _Maker(core, instructions, sizes, plan)
    made.run()
    made.schedule.bytes = live(instructions, sizes, inputs, plan.side, rows=plan.rows) + made.buffers
    return made.schedule


class _Maker:
    """Walks the instructions once."""

    def __init__(
        self, core: Core, instructions: Sequence[Instruction], sizes: Mapping[str, Extent], plan: Plan
    ) -> None:
        self.core, self.instructions, self.sizes, self.plan = core, instructions, sizes, plan
        self.schedule = Schedule(plan)
        for axis in "xy":
            self.schedule.links[axis] = np.zeros(max(plan.side - 1, 0))
        self.buffers = 0.0
        self.axis: dict[str, str] = {}
        self.formed: set[str] = set()
        self.read = {name for one in instructions for name in inputs_of(one)}

    def run(self) -> None:
        for one in self.instructions:
            match one:
                case MatMul():
                    if one.name not in self.formed:
                        self._products([one, *self._together(one)])
                case Vector():
                    self._vector(one)
                    self.axis[one.out] = self._axis(one.inputs[0])
                case Move():
                    self._move(one)
                    self.axis[one.out] = self._axis(one.inputs[-1])

    def _axis(self, name: str) -> str:
        return self.axis.get(name, "y")

    def _together(self, one: MatMul) -> list[MatMul]:
        """By rows: the other products of stored weights that read the same tensor."""
        if not (self.plan.rows and one.stored):
            return []
        return [
            other
            for other in self.instructions
            if isinstance(other, MatMul) and other.stored and other.left == one.left and other.name != one.name
        ]

    def _products(self, some: Sequence[MatMul]) -> None:
        side, turns = squares(self.plan.side, some[0].batch)
        axis = self._axis(some[0].left)
        for one in some:
            self.formed.add(one.name)
            self.axis[one.out] = "x" if axis == "y" else "y"
            tiles = cut(side, one.m, one.k, one.n)
            rows = one.m if self.plan.rows else tiles.m * side
            self.schedule.multiply_adds += one.batch * rows * tiles.right * side**2
            if self.plan.rows:
                self.schedule.add(MULTIPLY, one.name, turns * by_rows(self.core, side, one.m, one.k, one.n))
            else:
                cost = mesh(self.plan.product, self.core, tiles, together=self.plan.together)
                self._by_tiles(one.name, cost, side, turns)
        if self.plan.rows:
            elements = sum(one.m * ceil(one.n / side) for one in some)
            read = any(one.out in self.read for one in some)
            self._sums("+".join(one.name for one in some), side, turns, axis, elements, spread=read)

    def _by_tiles(self, name: str, cost: Cost, side: int, turns: int) -> None:
        self.schedule.add(MULTIPLY, name, turns * cost.local)
        self.schedule.add(TILES, name, turns * cost.moving)
        self.buffers = max(self.buffers, cost.buffers)
        for axis, load in (("x", cost.left), ("y", cost.right)):
            self._load(axis, np.full(side - 1, load), turns)

    def _sums(self, name: str, side: int, turns: int, axis: str, elements: int, *, spread: bool = True) -> None:
        """Sums over an axis of every square at once."""
        plan, count = self.plan, wavelets(elements)
        took = cycles(self.core, plan.way, side, count, plan.levels, spread=spread)
        self.schedule.add(SUMS, name, turns * took)
        self._load(axis, traffic(plan.way, side, count, plan.levels, spread=spread), turns)

    def _load(self, axis: str, load: NDArray[Any], turns: float) -> None:
        """Loads of the links of one square's line, on all lines of all squares."""
        side, links = len(load) + 1, self.schedule.links[axis]
        for begin in range(0, self.plan.side - side + 1, side):
            links[begin : begin + side - 1] += turns * self.plan.side * load

    def _vector(self, one: Vector) -> None:
        """Element by element on every core; norms and softmax also sum (or compare) over the cores of a row."""
        extent = self.sizes[one.out]
        side, turns = squares(self.plan.side, extent.groups)
        elements = extent.on_core(side, rows=self.plan.rows)
        plain = operations(one, 0) / one.elements
        exponentials = operations(one, 1) / one.elements - plain
        took = plain * self.core.vector(elements) + exponentials * elements * self.core.scalar
        self.schedule.operations += (plain + exponentials) * elements * turns * self.plan.side**2
        self.schedule.add(VECTORS, one.name, turns * took)
        each = extent.rows if self.plan.rows else ceil(extent.rows / side)
        axis = self._axis(one.inputs[0]) if self.plan.rows else "x"
        for _ in range({"softmax": 2, "rms-norm": 1, "layer-norm": 2}.get(one.operation, 0)):
            self._sums(one.name, side, turns, axis, each)

    def _move(self, one: Move) -> None:
        """Another layout.

        New keys and values push the cached ones on by one core (WaferLLM's shift), so that all cores hold equal parts.
        Keys are stored as scores want them, so that a transposition costs nothing. Heads that get squares of their own
        travel there, at most across the region.
        """
        core, side = self.core, self.plan.side
        if one.layout == "append":
            inner, turns = squares(side, self.sizes[one.out].groups)
            moved = self.sizes[one.inputs[1]].on_core(inner, rows=False)
            self.schedule.add(LAYOUT, one.name, turns * (core.stage * 2 + core.hop + core.passing(wavelets(moved))))
            self._load("y", np.full(inner - 1, float(wavelets(moved))), turns)
        elif one.layout != "transpose" and one.settings["groups"] > 1 and side > 1:
            passing = core.passing(wavelets(ceil(one.elements / side)))
            self.schedule.add(LAYOUT, one.name, 2 * core.stage + 2 * (side - 1) * core.hop + passing)
            for axis in "xy":
                self._load(axis, np.full(side - 1, wavelets(one.elements) / side / 2), 1)
