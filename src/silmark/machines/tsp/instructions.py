"""What the chip is told: each instruction at its cycle, on its streams. Nothing waits; nothing is decided at run time.

A burst is a run of vectors on adjacent cycles. Its `centre` is the cycle at which its first vector passes the middle of
the chip, or would: at position p it is there at centre + flow * p. Two bursts of one stream collide where their centres
overlap on the same half, whatever their position.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

Values = NDArray[Any]
Work = Callable[[Sequence[Values]], Sequence[Values]]


@dataclass(frozen=True, slots=True)
class Burst:
    """Vectors on the move.

    Attributes:
        chip: on which.
        flow: EAST or WEST.
        streams: that carry it side by side, a byte of each element on each, or rows of a weight tile.
        centre: see the module.
        length: cycles.
        halves: of the chip that it passes.
    """

    chip: int
    flow: int
    streams: tuple[int, ...]
    centre: int
    length: int
    halves: tuple[int, ...]

    def at(self, position: int) -> int:
        """The cycle at which its first vector is at a position."""
        return self.centre + self.flow * position


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tile lies: banks by number with their positions, an address in each, words in each."""

    chip: int
    banks: tuple[int, ...]
    positions: tuple[int, ...]
    addresses: tuple[int, ...]
    words: int


@dataclass(frozen=True, slots=True)
class Read:
    """A tile of memory onto streams."""

    name: str
    place: Place
    burst: Burst


@dataclass(frozen=True, slots=True)
class Write:
    """Streams into memory. In turn: one bank after the other takes its share of the rows, not all at once."""

    name: str
    place: Place
    burst: Burst
    in_turn: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """A tile of weights from streams into a matrix array (the planes it consists of)."""

    name: str
    chip: int
    planes: tuple[int, ...]
    burst: Burst


@dataclass(frozen=True, slots=True)
class Multiply:
    """Rows from a stream through an array whose weights were loaded at `loaded`; sums leave on `out`."""

    name: str
    chip: int
    planes: tuple[int, ...]
    burst: Burst
    out: Burst
    multiply_adds: int
    exact: bool
    """Whole numbers: 8-bit codes into 32-bit sums; else 16-bit floats into one rounding to float32."""


@dataclass(frozen=True, slots=True)
class Compute:
    """Vectors meet in the VXM, or pass an SXM.

    Attributes:
        unit: tracks that it occupies: ALUs by number, or an SXM.
        position: of the unit.
        cycle: at which the first vectors are there, and for how many.
        takes, gives: bursts; the first vector of every `gives` leaves `delay` cycles later.
        work: values of what is taken -> values of what is given.
    """

    name: str
    chip: int
    unit: tuple[str, ...]
    position: int
    cycle: int
    cycles: int
    takes: tuple[Burst, ...]
    gives: tuple[Burst, ...]
    delay: int
    work: Work


@dataclass(frozen=True, slots=True)
class Send:
    """A tile from one chip's streams over a link onto another's."""

    name: str
    link: tuple[int, int]
    cycle: int
    burst: Burst
    out: Burst
    vectors: int


Instruction = Read | Write | Load | Multiply | Compute | Send


@dataclass(frozen=True, slots=True)
class Schedule:
    """A compiled program.

    Attributes:
        instructions: in any order; each knows its cycle.
        cycles: until the last superlane of the last result can be read, known before anything runs.
        memory: what lies in memory before the run: place -> values.
        results: tensor -> where its tiles lie in the end: (group, row, column) of the first element -> place.
        shapes: of the results: groups, rows, columns, and the tensor's own shape.
        memory_bytes: the most of one chip's memory that was ever taken.
    """

    instructions: tuple[Instruction, ...]
    cycles: int
    memory: dict[Place, Values]
    results: dict[str, dict[tuple[int, int, int], Place]]
    shapes: dict[str, tuple[int, ...]]
    memory_bytes: int
