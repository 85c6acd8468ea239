"""How chips sum the products of a matrix product, one file per rule; each takes and gives float32 values."""

from __future__ import annotations

from silmark.numerics.sums.base import Sum
from silmark.numerics.sums.chunked import Chunked
from silmark.numerics.sums.halves import Halves
from silmark.numerics.sums.integers import Integers
from silmark.numerics.sums.limited import Limited
from silmark.numerics.sums.plain import Float32

__all__ = ["Chunked", "Float32", "Halves", "Integers", "Limited", "Sum"]
