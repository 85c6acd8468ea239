"""Thermodynamic samplers (Extropic): arrays of probabilistic bits that run chromatic Gibbs sampling, nothing else.

Time and energy of m samples of a graph, per arXiv:2510.23972 (Eq. D12) with reads and writes priced as in
arXiv:2608.01615, Table IV:

    time   = ceil(m / copies) * (sweeps * colours * colour_time + readout)
    energy = m * (cells * sweeps * E_cell + reads * E_read + writes * E_write)

`copies` is how many such graphs fit the chip side by side. A node with more neighbours than a cell has wires
is a chain of cells; a chain of c cells of degree d has c * d - 2 * (c - 1) free wires. Slower mixing of
chains is not modelled: sweeps must come from the model. Couplings and clamps are rewritten at `write_rate` per
cell, which bounds the rate of samples that need writes; whether a clamp is as slow as a coupling is not
published, and the slow reading is taken.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from silmark.chips.mechanisms.base import AbstractMechanism, Cost, Placement, Resource
from silmark.chips.spec import Chip
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.graph import Array, Boundary, Gibbs, Op


class Thermodynamic(AbstractMechanism):
    """Time and energy of one sampling chip.

    An operator that the chip cannot hold is refused: `refuses` gives the reason and `cost` is infinite.
    """

    family: ClassVar[str] = "thermodynamic"
    runs: ClassVar[frozenset[str]] = frozenset({"gibbs", "boundary"})

    def __init__(self, chip: Chip, precision: Precision, placement: Placement) -> None:
        super().__init__(chip, precision, placement)
        self._cells = self.fact("compute.cells", "compute", "sram", "memory")
        self._degree = self.fact("compute.degree", "compute", "sram", "memory")
        self._colour_time = self.fact("compute.colour_time", "compute")
        self._readout = self.fact("compute.readout", "sram", default=0.0)
        self._write_rate = self.fact("compute.write_rate", "memory", default=math.inf)
        self._cell_j = self.fact("energy.cell")
        self._read_j = self.fact("energy.read", default=0.0)
        self._write_j = self.fact("energy.write", default=0.0)

    def cells_per_node(self, degree: int) -> float:
        """Cells of the chain that stands for one node of that many neighbours."""
        if degree <= self._degree:
            return 1.0
        return math.inf if self._degree <= 2 else float(math.ceil((degree - 2) / (self._degree - 2)))

    def copies(self, op: Gibbs) -> int:
        """Graphs that fit the chip side by side; 0 if not even one does."""
        needed = op.nodes * self.cells_per_node(op.degree)
        return 0 if math.isinf(needed) else int(self._cells // needed)

    def refuses(self, op: Op) -> str | None:
        """Why the chip cannot run this operator, or None."""
        if op.kind not in self.runs:
            return f"{self.chip.id} only draws samples; it cannot run {op.kind}"
        if isinstance(op, Gibbs) and self.copies(op) == 0:
            chain = self.cells_per_node(op.degree)
            return (
                f"a graph of {op.nodes} nodes with {op.degree} neighbours needs {op.nodes * chain:.0f} cells, "
                f"{self.chip.id} has {self._cells:.0f}"
            )
        return None

    def cost(self, op: Op) -> Cost:
        """Time and energy of all instances of an operator; infinite if refused (see `refuses`)."""
        if isinstance(op, Boundary):
            return self.finish(op, {"overhead": np.zeros(np.shape(op.m))})
        if not isinstance(op, Gibbs):
            raise BadValue("operator", op.kind, f"one of {', '.join(sorted(self.runs))} on {self.chip.id}")
        m = np.asarray(op.m * op.count, dtype=np.float64)
        copies = self.copies(op)
        if copies == 0:
            refused = np.full(m.shape, math.inf)
            return Cost({"compute": refused}, refused)
        rounds = np.ceil(np.asarray(op.m, dtype=np.float64) / copies) * op.count
        sampling = rounds * (op.sweeps * op.colours * self._colour_time)
        reading = rounds * self._readout if op.reads else np.zeros(m.shape)
        # Rewriting is spread over all cells: each takes `write_rate` changes per second.
        writing = m * (op.writes / (self._cells * self._write_rate))
        cells = op.nodes * self.cells_per_node(op.degree)
        each = cells * op.sweeps * self._cell_j + op.reads * self._read_j + op.writes * self._write_j
        parts: dict[Resource, Array] = {
            "compute": sampling,
            "sram": reading,
            "memory": np.maximum(writing - sampling - reading, 0.0),
        }
        return Cost(parts, m * each)
