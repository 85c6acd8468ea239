"""What instructions compute, said once: in float64 it is the reference, in float32 what a machine rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.machines.lowering import Instruction, Lowered, MatMul, Move, Vector

_Values = NDArray[Any]
_EPSILON = 1e-5
"""Of norms; Llama's."""
_BASE = 10_000.0
"""Of the rotary embedding's wavelengths (Su et al., arXiv:2104.09864, section 3.4.2)."""

Multiply = Callable[[MatMul, Mapping[str, _Values]], _Values]
Round = Callable[[str, _Values], _Values]
"""Kind of operation and its result -> what the machine keeps of it."""


def execute(lowered: Lowered, multiply: Multiply, rounded: Round) -> dict[str, _Values]:
    """All tensors of a program, by one way to multiply and one way to round.

    Args:
        lowered: instructions with data; the data's type is the type of everything else.
        multiply: a product, given the instruction and all tensors so far.
        rounded: what is kept of a vector operation's result.
    """
    tensors: dict[str, _Values] = dict(lowered.tensors)
    for instruction in lowered.instructions:
        tensors[instruction.out] = apply(instruction, tensors, multiply, rounded)
    return tensors


def apply(instruction: Instruction, tensors: Mapping[str, _Values], multiply: Multiply, rounded: Round) -> _Values:
    """The result of one instruction."""
    match instruction:
        case MatMul():
            return multiply(instruction, tensors)
        case Vector():
            return rounded(instruction.kind, vector(instruction, [tensors[name] for name in instruction.inputs]))
        case Move():
            return move(instruction, [tensors[name] for name in instruction.inputs])


def vector(instruction: Vector, values: Sequence[_Values], first: int = 0) -> _Values:
    """The exact result of a vector operation in the type of its inputs.

    Args:
        instruction: the operation.
        values: its inputs, or the same rows of each.
        first: number of the first of these rows, which tokens' places are counted from.
    """
    x = values[0]
    match instruction.operation:
        case "softmax":
            return _softmax(x, instruction.settings, first)
        case "rms-norm":
            return np.asarray(x / np.sqrt(np.mean(x * x, -1, keepdims=True) + _EPSILON) * values[1])
        case "layer-norm":
            centred = x - x.mean(-1, keepdims=True)
            return np.asarray(centred / np.sqrt(np.mean(centred**2, -1, keepdims=True) + _EPSILON) * values[1])
        case "silu":
            return np.asarray(x * _sigmoid(x))
        case "gelu":  # the tanh form of Hendrycks and Gimpel, arXiv:1606.08415, section 2
            return np.asarray(0.5 * x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3))))
        case "multiply":
            return np.asarray(x * values[1])
        case "add":
            return np.asarray(x + values[1])
        case "rotary":
            return _rotary(x, int(instruction.settings["past"]), int(instruction.settings["new"]), first)


def _sigmoid(x: _Values) -> _Values:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))  # never overflows


def _softmax(x: _Values, settings: Mapping[str, float], first: int) -> _Values:
    """Rows are the new tokens of each query head in turn; token i sees past + i + 1 of the context where causal."""
    x = x * settings["scale"]
    if settings["causal"]:
        past, new = int(settings["past"]), int(settings["new"])
        seen = past + 1 + (first + np.arange(x.shape[-2])) % new
        x = np.where(np.arange(x.shape[-1]) < seen[:, None], x, -np.inf)
    raised = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def _rotary(x: _Values, past: int, new: int, first: int) -> _Values:
    """Halves of a head turn together, as Llama's weights on the hub expect."""
    half = x.shape[-1] // 2
    place = past + (first + np.arange(x.shape[-2])) % new
    angle = place[:, None] * _BASE ** (-np.arange(half) / half)
    cos, sin = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def move(instruction: Move, values: Sequence[_Values]) -> _Values:
    """The values in their new layout, contiguous."""
    x = values[0]
    groups, tokens, width = (instruction.settings[key] for key in ("groups", "tokens", "width"))
    match instruction.layout:
        case "split-heads":
            split = x.reshape(tokens, groups, -1, width).transpose(1, 2, 0, 3)
            return np.ascontiguousarray(split).reshape(groups, -1, width)
        case "merge-heads":
            split = x.reshape(groups, -1, tokens, width)
            return np.ascontiguousarray(split.transpose(2, 0, 1, 3)).reshape(tokens, -1)
        case "transpose":
            return np.ascontiguousarray(x.swapaxes(-1, -2))
        case "append":
            return np.concatenate(values, axis=-2)
