"""FP16 products and FP16 sums inside a core, FP16 sums over cores (wafer)."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.errors import BadValue
from silmark.numerics.arrays import on_numpy, unwarned
from silmark.numerics.base import Array


@dataclass(frozen=True, slots=True)
class Halves:
    """Every product and every sum rounded to FP16; cores add their sums pairwise, then pairs of pairs.

    A core multiplies and adds with `@fmach` and `@faddh` and partial sums travel as FP16 (WaferLLM, OSDI 2025,
    arXiv:2502.04563). Sums of two FP16 values in float32, rounded to FP16, are sums rounded once: float32 has more
    than 2 * 11 + 2 bits (Figueroa 1995); a fused product and sum need float64 for that. Whether the multiply-add rounds
    once or twice is not stated there.

    Attributes:
        each: elements of the sum that one core holds; WaferLLM spreads 4,096 over 420 to 750 cores.
        fused: whether a core's product is added without a rounding of its own.
    """

    each: int = 8
    fused: bool = False

    def __post_init__(self) -> None:
        if self.each < 1:
            raise BadValue("each", self.each, "at least one element per core")

    @property
    def name(self) -> str:
        """Names the share of a core."""
        return f"fp16 in cores of {self.each}, fp16 tree"

    @unwarned
    def __call__(self, left: Array, right: Array) -> Array:
        """In the order of the elements."""
        from silmark.numerics.sums.kernels import batched, halves  # noqa: PLC0415

        return on_numpy(lambda a, b: batched(halves, a, b, self.each, self.fused), left, right)
