"""Digital arithmetic: both operands rounded to formats, products summed by a rule, the sum rounded once more."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from array_api_compat import array_namespace

from silmark.errors import BadValue
from silmark.numerics.arrays import as_float32
from silmark.numerics.base import VECTOR_KINDS, Arithmetic, Array, NumberFormat, Prepared
from silmark.numerics.sums import Float32, Sum


@dataclass(frozen=True, kw_only=True)
class Digital(Arithmetic):
    """See `Arithmetic`.

    Attributes:
        sums: the rule by which products are summed.
        vectors: formats of `VECTOR_KINDS`; `out` where a kind is not listed.
    """

    name: str
    left: NumberFormat
    right: NumberFormat
    out: NumberFormat
    sums: Sum = field(default_factory=Float32)
    vectors: dict[str, NumberFormat] = field(default_factory=dict)

    @property
    def accumulate(self) -> str:  # type: ignore[override]
        """Name of the rule."""
        return self.sums.name

    def prepare(self, weights: Array) -> Prepared:
        """See `Arithmetic.prepare`."""
        matrix("weights", weights)
        return Prepared(self.right.quantize(weights, axis=-2), None, self.name)

    def matmul(self, left: Array, weights: Prepared | Array, *, seed: int = 0) -> Array:
        """See `Arithmetic.matmul`."""
        prepared = weights if isinstance(weights, Prepared) else self.prepare(weights)
        check(self, left, prepared)
        if not (prod(left.shape) and prod(prepared.values.shape)):
            return as_float32(left)[1] @ prepared.values  # zeros, or nothing; there is nothing to find a scale by
        return self.out.overwrite(self._product(left, prepared))

    def _product(self, left: Array, prepared: Prepared) -> Array:
        """A new array, to be rounded to `out`."""
        return self.sums(self.left.quantize(left, axis=-1), prepared.values)

    def vector(self, x: Array, kind: str) -> Array:
        """See `Arithmetic.vector`."""
        if kind not in VECTOR_KINDS:
            raise BadValue("kind", kind, f"one of {', '.join(VECTOR_KINDS)}")
        return self.vectors.get(kind, self.out).quantize(x)


def check(arithmetic: Arithmetic, left: Array, prepared: Prepared) -> None:
    """Raises BadValue where a product cannot be formed."""
    if prepared.arithmetic != arithmetic.name:
        raise BadValue("weights", prepared.arithmetic, f"weights prepared by {arithmetic.name}")
    matrix("left", left)
    if left.shape[-1] != prepared.values.shape[-2]:
        raise BadValue("left", tuple(left.shape), f"a last axis of {prepared.values.shape[-2]}, as the weights have")
    if array_namespace(left) is not array_namespace(prepared.values):
        raise BadValue("left", type(left).__name__, f"an array of the weights' kind, {type(prepared.values).__name__}")


def matrix(name: str, x: Array) -> None:
    """Raises BadValue where x is no matrix of real numbers."""
    as_float32(x, name)
    if x.ndim < 2:
        raise BadValue(name, tuple(x.shape), "a matrix, or a stack of them")
