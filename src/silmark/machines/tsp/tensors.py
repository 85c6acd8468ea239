"""Tensors as tiles: how each is cut, and in which forms its consumers want it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from silmark.machines.lowering import Instruction, Lowered, MatMul, Move, Vector
from silmark.machines.tsp.floor import Tile
from silmark.machines.tsp.numbers import CHUNK, Values

Form = str
VECTOR, CODES, HALVES_, RIGHT = "vector", "codes", "halves", "right"
"""fp16 elements on two streams; 8-bit codes on one; fp16 elements, an array's depth of them, on one; weights."""
_SMALL = 256
_LARGE = 4096

Key = tuple[int, int, int]
"""Group, first row, first column."""


@dataclass(slots=True)
class Tensor:
    """A tensor on the chip.

    Attributes:
        name: of the program.
        groups, rows, columns: a matrix has one group.
        shape: as the program has it.
        chip: that holds it.
        tiles: per form, by group, first row and first column.
        uses: instructions that still have to read it.
    """

    name: str
    groups: int
    rows: int
    columns: int
    shape: tuple[int, ...]
    chip: int
    uses: int = 0
    tiles: dict[Form, dict[Key, Tile]] = field(default_factory=dict)

    def moving(self) -> Form:
        """The form that an SXM takes: codes where these are all that there is."""
        return CODES if VECTOR not in self.tiles else VECTOR

    def blocks(self) -> Iterator[tuple[int, int]]:
        """First row and rows of each block: four or a multiple of four, so that four arrays share long tensors."""
        if self.rows < _SMALL:
            yield 0, self.rows
            return
        count = 4 * -(-self.rows // _LARGE)
        size = -(-self.rows // count)
        for first in range(0, self.rows, size):
            yield first, min(size, self.rows - first)

    def release(self) -> None:
        """Counts one reader less; behind the last one the memory is free."""
        self.uses -= 1
        if self.uses == 0:
            for tiles in self.tiles.values():
                for tile in tiles.values():
                    tile.release()


def pieces(form: Form, lanes: int) -> int:
    """Columns of one tile of a form."""
    return CHUNK if form == HALVES_ else lanes


def width(form: Form) -> int:
    """Bytes side by side on streams."""
    return 2 if form == VECTOR else 1


def wanted(lowered: Lowered, exact: bool) -> dict[str, tuple[Form, ...]]:
    """Forms of every tensor that instructions read or that are results."""
    found: dict[str, set[Form]] = {}

    def want(name: str, form: Form) -> None:
        found.setdefault(name, set()).add(form)

    for one in lowered.instructions:
        if isinstance(one, MatMul):
            want(one.left, CODES if exact and one.stored else HALVES_)
            if not one.stored:
                want(one.right, RIGHT)
        else:
            for name in one.inputs:
                want(name, VECTOR)
    for name in lowered.outputs:
        want(name, VECTOR)
    for merged, name in quantised_early(lowered).items():
        if found[merged] == {CODES}:
            found[name] = {CODES}
    return {name: tuple(sorted(forms)) for name, forms in found.items()}


def quantised_early(lowered: Lowered) -> dict[str, str]:
    """Merged heads -> what they are merged from, where nothing else reads it: an SXM moves codes as it moves all else.

    It computes nothing, so that the VXM makes the codes before.
    """
    read = [name for one in lowered.instructions for name in readers(one, lowered)]
    return {
        one.out: one.inputs[0]
        for one in lowered.instructions
        if isinstance(one, Move) and one.layout == "merge-heads" and read.count(one.inputs[0]) == 1
    }


def readers(one: Instruction, lowered: Lowered) -> tuple[str, ...]:
    """Tensors that an instruction reads and that are no weights of the program."""
    names = (one.left, one.right) if isinstance(one, MatMul) else one.inputs
    return tuple(name for name in dict.fromkeys(names) if name not in lowered.weights)


def stages_of(lowered: Lowered, chips: int) -> list[int]:
    """The chip of every instruction: a pipeline of stages, each with about the same weights."""
    sizes = [lowered.tensors[one.right].size if isinstance(one, MatMul) and one.stored else 0
             for one in lowered.instructions]  # fmt: skip
    total, before, found = max(1, sum(sizes)), 0, []
    for size in sizes:
        found.append(min(chips - 1, (2 * before + size) * chips // (2 * total)))
        before += size
    return found


def stages(one: Vector) -> tuple[int, ...]:
    """Operations of the VXM on each vector, pass by pass; a pass that sums over rows must end before the next begins.

    softmax: scale and maximum; difference, exponential, sum; difference, exponential, scale. Norms: square and sum
    (mean, then difference, square and sum), then scale by the deviation and the learned weight. gelu as its tanh form.
    """
    return {
        "softmax": (2, 3, 3),
        "rms-norm": (2, 3),
        "layer-norm": (1, 3, 4),
        "silu": (4,),
        "gelu": (8,),
        "multiply": (1,),
        "add": (1,),
        "rotary": (3,),
    }[one.operation]


def cut(value: Values, first: int, rows: int, column: int, columns: int) -> Values:
    """A tile of a matrix."""
    return value[first : first + rows, column : column + columns]
