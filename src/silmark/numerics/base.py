"""What every number format and every arithmetic offers.

A format says which values there are; an arithmetic says how a chip multiplies and adds them. Values are float32
arrays of numpy or torch, whatever the chip stores: a quantised array holds only values that the format has.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from silmark.errors import BadValue

Array = Any
"""A numpy array or a torch tensor; results are of the argument's kind and lie on its device."""

Namespace = Any
"""The array API of one of the two, from array-api-compat."""

Ties = Literal["even", "away", "zero", "truncate"]
"""Where a value halfway between two goes: to the even code, away from zero, to zero. With `truncate` every value
goes to zero, halfway or not, as where hardware drops bits."""

Overflow = Literal["saturate", "nan", "inf"]
"""What a value beyond the largest becomes: the largest, not a number, or infinite."""

MostNegative = Literal["clamp", "keep"]
"""Whether two's complement's extra code, -2^(bits-1), is used (`keep`) or left out, so that ranges are symmetric."""

ELEMENT, ROW, TENSOR = 1, 0, -1
"""`NumberFormat.block` without a shared scale, with one per whole row, with one for the whole tensor."""

VECTOR_KINDS = ("softmax", "norm", "activation", "residual", "embedding")
"""Operators whose results an arithmetic rounds on their own."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a chip would store.

    Attributes:
        codes: the elements' bit patterns, of the shape that was encoded. uint8 up to eight bits (two's complement
            where the format is), int32 above.
        scales: what blocks share. Each array has one entry, or one per part, for each block along `axis`; what an
            entry holds is the format's business: codes of a scale format (uint8) or float32.
        axis: axis along which elements share scales.
        whole: what all blocks share beside, a float32, in formats whose scales have two levels.
    """

    codes: Array
    scales: tuple[Array, ...]
    axis: int
    whole: Array | None = None


@dataclass(frozen=True, kw_only=True)
class NumberFormat(ABC):
    """One number format: which values there are, and which of them a float32 becomes.

    Attributes:
        name: key in `numerics.formats`.
        ties: see `Ties`.
        overflow: see `Overflow`; where a format has no such code, encoding finds the nearest it has to say: NaN
            without infinity, zero without NaN.
        most_negative: see `MostNegative`; formats with sign and magnitude have no such code.
    """

    name: str
    ties: Ties = "even"
    overflow: Overflow = "saturate"
    most_negative: MostNegative = "clamp"

    def __post_init__(self) -> None:
        for field, kind in (("ties", Ties), ("overflow", Overflow), ("most_negative", MostNegative)):
            if getattr(self, field) not in get_args(kind):
                raise BadValue(field, getattr(self, field), f"one of {', '.join(get_args(kind))}")

    @property
    @abstractmethod
    def bits(self) -> float:
        """Stored bits per element, the block's scales included (those of rows and tensors count nothing)."""

    @property
    def block(self) -> int:
        """Elements along the axis that share a scale; `ELEMENT`, `ROW`, `TENSOR`."""
        return ELEMENT

    @abstractmethod
    def encode(self, x: Array, axis: int = -1) -> Encoded:
        """Codes and scales of x; elements along `axis` share scales."""

    @abstractmethod
    def decode(self, encoded: Encoded) -> Array:
        """The float32 values that codes and scales stand for."""

    @abstractmethod
    def quantize(self, x: Array, axis: int = -1) -> Array:
        """`decode(encode(x, axis))` in one pass: a new array, x stays as it is.

        NaN stays NaN and poisons what it shares a scale with, as an infinite value does.
        """

    def overwrite(self, x: Array) -> Array:
        """`quantize` of an array that nothing else needs: the result may lie in its memory.

        Memory of another large array costs more than rounding: the system clears it page by page.
        """
        return self.quantize(x)

    def switched(
        self, *, ties: Ties | None = None, overflow: Overflow | None = None, most_negative: MostNegative | None = None
    ) -> Self:
        """The same format with other switches; those that are not named stay."""
        return dataclasses.replace(
            self,
            ties=ties or self.ties,
            overflow=overflow or self.overflow,
            most_negative=most_negative or self.most_negative,
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """Weights as an arithmetic wants them, to be used many times.

    Attributes:
        values: (..., k, n) float32: what the arithmetic multiplies by; dequantised values unless `scales` says
            otherwise.
        scales: what the product of codes is multiplied with, broadcast against it: None, or (..., groups, n)
            where `values` holds integer codes.
        arithmetic: name of the arithmetic that made it.
        extra: what an arithmetic keeps beside (programmed conductances, calibrations).
    """

    values: Array
    scales: Array | None
    arithmetic: str
    extra: Any = None


class Arithmetic(ABC):
    """How a chip multiplies matrices and rounds what it computes beside them.

    Attributes:
        name: key in `numerics.arithmetic`.
        left, right: formats of activations and of weights.
        out: format in which results of a matrix product leave the unit.
        accumulate: name of the rule by which products are summed.
    """

    name: str
    left: NumberFormat
    right: NumberFormat
    out: NumberFormat
    accumulate: str

    @abstractmethod
    def prepare(self, weights: Array) -> Prepared:
        """Weights (..., k, n) quantised along k, once."""

    @abstractmethod
    def matmul(self, left: Array, weights: Prepared | Array, *, seed: int = 0) -> Array:
        """(..., m, k) times (..., k, n), float32 values that `out` has.

        Args:
            left: activations; quantised along k here.
            weights: prepared once, or as they are.
            seed: what noise is drawn from; digital arithmetics have none and ignore it.
        """

    @abstractmethod
    def vector(self, x: Array, kind: str) -> Array:
        """Rounds the result of an operator that is no matrix product, one of `VECTOR_KINDS`."""
