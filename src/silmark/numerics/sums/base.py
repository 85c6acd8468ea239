"""What every rule of summation offers."""

from __future__ import annotations

from typing import Protocol

from silmark.numerics.base import Array


class Sum(Protocol):
    """How products are summed."""

    @property
    def name(self) -> str:
        """As `Arithmetic.accumulate` shows it."""
        ...

    def __call__(self, left: Array, right: Array) -> Array:
        """(..., m, k) times (..., k, n), float32 values of their formats' elements; a new array, float32."""
        ...
