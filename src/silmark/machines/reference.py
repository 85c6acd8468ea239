"""The float64 reference of a program, and how far a machine's results lie from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.machines.lowering import Lowered, MatMul, lower
from silmark.machines.program import Program
from silmark.machines.run import Array
from silmark.machines.semantics import execute

_Exact = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Distance:
    """How far results lie from the reference, over all outputs.

    Attributes:
        snr_db: power of the reference over power of the difference; None where nothing differs.
        largest: largest absolute difference over the root mean square of the reference.
    """

    snr_db: float | None
    largest: float


def outputs(program: Program, lowered: Lowered | None = None) -> dict[str, _Exact]:
    """The program's outputs in float64; of a graph, which is sampled and not computed, none."""
    if program.shape is None:
        return {}
    lowered = lower(program) if lowered is None else lowered
    exact = replace(lowered, tensors={name: value.astype(np.float64) for name, value in lowered.tensors.items()})
    tensors = execute(exact, _multiply, lambda _, x: x)
    return {name: tensors[name] for name in lowered.outputs}


def _multiply(instruction: MatMul, tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    return np.asarray(tensors[instruction.left] @ tensors[instruction.right])


def distance(found: Mapping[str, Array], exact: Mapping[str, _Exact]) -> Distance:
    """Compares outputs of the same names."""
    signal = noise = largest = 0.0
    for name, right in exact.items():
        difference = found[name] - right
        signal += float(np.sum(right * right))
        noise += float(np.sum(difference * difference))
        largest = max(largest, float(np.abs(difference).max()))
    count = sum(right.size for right in exact.values())
    return Distance(
        snr_db=10 * math.log10(signal / noise) if noise > 0 and signal > 0 else None,
        largest=largest / math.sqrt(signal / count) if signal > 0 else largest,
    )
