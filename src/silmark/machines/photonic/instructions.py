"""What the machine executes: installs and vectors of light on its cores, digital work, memory, calibration."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.machines.lowering import Instruction, MatMul, Vector


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of the right operand of a product that fills a core.

    Attributes:
        product: whose operand.
        batch: entry of its batch.
        k, n: number of the tile along depth and width.
    """

    product: MatMul
    batch: int
    k: int
    n: int

    def bounds(self, rows: int, columns: int) -> tuple[slice, slice]:
        """Which part of the operand it is, on cores of so many rows and columns."""
        depth = slice(self.k * rows, min((self.k + 1) * rows, self.product.k))
        return depth, slice(self.n * columns, min((self.n + 1) * columns, self.product.n))


@dataclass(frozen=True, slots=True)
class Fetch:
    """A tile comes from the host's memory."""

    tile: Tile
    start: int
    cycles: int


@dataclass(frozen=True, slots=True)
class Install:
    """A tile is written into the weight cells of a core's plane; in no cycles where it is there before the run."""

    tile: Tile
    core: int
    plane: int
    start: int
    cycles: int


@dataclass(frozen=True, slots=True)
class Fire:
    """Vectors `first` to `last` of a product's left operand pass a core, one per cycle."""

    tile: Tile
    core: int
    plane: int
    first: int
    last: int
    start: int

    @property
    def vectors(self) -> int:
        """How many; each takes a cycle."""
        return self.last - self.first


@dataclass(frozen=True, slots=True)
class Store:
    """Operands and results of an instruction pass the on-package memory."""

    one: Instruction
    start: int
    cycles: int


@dataclass(frozen=True, slots=True)
class Digital:
    """An instruction on the electronic dies."""

    one: Vector | MatMul
    start: int
    cycles: int


@dataclass(frozen=True, slots=True)
class Calibrate:
    """All cores are trimmed; their cells hold nothing afterwards."""

    start: int
    cycles: int


Step = Fetch | Install | Fire | Store | Digital | Calibrate


@dataclass(frozen=True, slots=True)
class Schedule:
    """Steps in the order of issue, in which partial sums are added up, and the predicted cycle of the last result."""

    steps: tuple[Step, ...]
    cycles: int
