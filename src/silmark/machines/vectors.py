"""How many operations a vector unit spends on an operation: counted in the formulas of `semantics`."""

from __future__ import annotations

from collections.abc import Mapping

from silmark.machines.lowering import Operation, Vector

_COUNTS: Mapping[Operation, tuple[int, int]] = {
    "softmax": (5, 1),  # scale, maximum, difference, sum, quotient; exponential
    "rms-norm": (4, 0),  # square, sum, times the inverse root, times the learned weight
    "layer-norm": (6, 0),  # mean and difference besides
    "silu": (3, 1),  # one plus, quotient, product; exponential
    "gelu": (8, 1),
    "multiply": (1, 0),
    "add": (1, 0),
    "rotary": (3, 0),  # two products and a sum
}
"""Per element of the result: additions, multiplications and the like; exponentials."""


def operations(vector: Vector, exponential: float) -> float:
    """Operations of all elements together.

    Args:
        vector: the instruction.
        exponential: operations that one exponential takes.
    """
    plain, exponentials = _COUNTS[vector.operation]
    return vector.elements * (plain + exponentials * exponential)
