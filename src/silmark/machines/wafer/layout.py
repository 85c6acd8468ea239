"""Which part of every tensor lies on one core, and how much of that at one time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt

from silmark.machines.lowering import Instruction, MatMul, Move, Vector
from silmark.machines.wafer.core import HALF_BYTES


@dataclass(frozen=True, slots=True)
class Extent:
    """Sizes of a tensor.

    Attributes:
        groups: heads, which lie on squares of their own.
        rows, columns: of each.
        spread: a right operand, which lies over both axes in either layout.
    """

    groups: int
    rows: int
    columns: int
    spread: bool = False

    def on_core(self, side: int, *, rows: bool) -> int:
        """Elements on one core of a square; by rows every row is repeated along one axis."""
        down = self.rows if rows and not self.spread else ceil(self.rows / side)
        return down * ceil(self.columns / side)

    def bytes(self, side: int, *, rows: bool) -> int:
        """On one core of a region of so many cores per side."""
        inner, turns = squares(side, self.groups)
        return HALF_BYTES * turns * self.on_core(inner, rows=rows)


def squares(side: int, groups: int) -> tuple[int, int]:
    """Cores per side of the square of one head, and how many heads each square serves in turn."""
    inner = side // min(side, ceil(sqrt(groups)))
    return inner, ceil(groups / (side // inner) ** 2)


def extents(instructions: Sequence[Instruction], inputs: Mapping[str, tuple[int, ...]]) -> dict[str, Extent]:
    """Sizes of all tensors; caches are of three axes."""
    found: dict[str, Extent] = {}
    for name, shape in inputs.items():
        groups, rows = (shape[0], shape[1]) if len(shape) == 3 else (1, shape[0] if len(shape) == 2 else 1)
        found[name] = Extent(groups, rows, shape[-1], spread=len(shape) == 3)
    for one in instructions:
        match one:
            case MatMul():
                found[one.out] = Extent(one.batch, one.m, one.n)
            case Vector():
                groups = found[one.inputs[0]].groups
                found[one.out] = Extent(groups, one.rows // groups, one.columns)
            case Move():
                found[one.out] = _moved(one)
        if isinstance(one, MatMul) and not one.stored:
            found[one.right] = replace(found[one.right], spread=True)
    return found


def _moved(one: Move) -> Extent:
    groups, tokens, width = (one.settings[key] for key in ("groups", "tokens", "width"))
    match one.layout:
        case "split-heads":
            return Extent(groups, one.elements // groups // width, width)
        case "merge-heads":
            return Extent(1, tokens, one.elements // tokens)
        case "transpose":
            return Extent(groups, width, one.elements // groups // width, spread=True)
        case "append":
            return Extent(groups, one.elements // groups // width, width, spread=True)


def live(
    instructions: Sequence[Instruction],
    sizes: Mapping[str, Extent],
    inputs: Mapping[str, tuple[int, ...]],
    side: int,
    *,
    rows: bool,
) -> int:
    """Most bytes that a core holds at one time: inputs, weights and caches always, results until they are last read.

    New keys and values lie behind the cached ones, and transposed keys where the keys did.
    """
    last = {name: index for index, one in enumerate(instructions) for name in inputs_of(one)}
    stored = {one.right for one in instructions if isinstance(one, MatMul) and one.stored}
    always = sum(
        replace(sizes[name], spread=sizes[name].spread or name in stored).bytes(side, rows=rows) for name in inputs
    )
    held: dict[str, int] = {}
    most = always
    for index, one in enumerate(instructions):
        if isinstance(one, Move) and one.layout in ("append", "transpose"):
            held[one.out] = held.get(one.inputs[-1], 0)
            held.pop(one.inputs[-1], None)
        else:
            held[one.out] = sizes[one.out].bytes(side, rows=rows)
        most = max(most, always + sum(held.values()))
        for name in inputs_of(one):
            if last[name] == index:
                held.pop(name, None)
    return most


def inputs_of(one: Instruction) -> tuple[str, ...]:
    """Tensors that an instruction reads."""
    return (one.left, one.right) if isinstance(one, MatMul) else one.inputs
