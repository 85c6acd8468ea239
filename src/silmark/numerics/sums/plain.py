"""float32 sums in the order of the linear algebra library; no chip publishes its own."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.numerics.base import Array


@dataclass(frozen=True, slots=True)
class Float32:
    """Products exact where operands have twelve bits or less, sums rounded to float32."""

    name: str = "fp32"

    def __call__(self, left: Array, right: Array) -> Array:
        """The library's product."""
        return left @ right
