"""How a matrix product is folded onto an array, and how many cycles the folds take.

Every dataflow holds one operand still and streams the others past it (Samajdar et al., "SCALE-Sim: Systolic CNN
Accelerator Simulator", arXiv:1811.02883, and "A Systematic Methodology for Characterizing Scalability of DNN
Accelerators using SCALE-Sim", ISPASS 2020, equations 1 to 4): S_R and S_C are the sizes that lie on the array's rows
and columns, T is what streams.

| dataflow | S_R | S_C | T |
|---|---|---|---|
| weight stationary | k | n | m |
| input stationary | k | m | n |
| output stationary | m | n | k |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Dataflow = Literal["weight", "input", "output"]
DATAFLOWS: tuple[Dataflow, ...] = ("weight", "input", "output")


@dataclass(frozen=True, slots=True)
class Folds:
    """A product on one array.

    Attributes:
        rows, columns: of the array, R and C.
        down, across: how often S_R exceeds R and S_C exceeds C, rounded up.
        depth: T, cycles in which operands enter.
    """

    rows: int
    columns: int
    down: int
    across: int
    depth: int

    @property
    def count(self) -> int:
        """Folds of the whole product."""
        return self.down * self.across

    @property
    def alone(self) -> int:
        """Cycles of one fold with nothing overlapped: 2 R + C + T - 2.

        R to shift the still operand in (or the results out), T to stream, R + C - 2 for the skew.
        """
        return 2 * self.rows + self.columns + self.depth - 2

    @property
    def in_turn(self) -> int:
        """Cycles of all folds one after another, as SCALE-Sim counts them."""
        return self.count * self.alone

    def overlapped(self, count: int | None = None) -> int:
        """Cycles of folds whose still operand is double-buffered: the next one enters while this one streams.

        A fold follows the one before after T cycles, or after R where shifting takes longer: a cell's second register
        is free once the wave has passed it, and refilled one row per cycle. Filling and draining happen once.

        Args:
            count: folds that this array gets; None for all.
        """
        folds = self.count if count is None else count
        return (folds - 1) * max(self.depth, self.rows) + self.alone if folds else 0


def fold(dataflow: Dataflow, m: int, n: int, k: int, rows: int, columns: int) -> Folds:
    """Folds of (m, k) times (k, n) on an array."""
    match dataflow:
        case "weight":
            down, across, depth = k, n, m
        case "input":
            down, across, depth = k, m, n
        case "output":
            down, across, depth = m, n, k
    return Folds(rows, columns, -(-down // rows), -(-across // columns), depth)
