"""Number formats and arithmetics for readers: what each stores, and what it leaves of normally distributed values."""

from __future__ import annotations

import numpy as np

from silmark.numerics import analog, arithmetic, formats
from silmark.numerics.base import ELEMENT, ROW, TENSOR, NumberFormat
from silmark.numerics.scaled import Plain, Shared

_BLOCKS = {ELEMENT: "none", ROW: "row", TENSOR: "tensor"}


def listed_formats() -> tuple[list[str], list[list[str]]]:
    """Header and rows: every format, its size, and the ratio of signal to rounding error.

    The ratio is of 2^20 standard normal values in rows of 1,024, seed 0.
    """
    x = np.random.default_rng(0).standard_normal((1024, 1024), dtype=np.float32)
    header = ["format", "bits per element", "share a scale", "largest element", "signal to error, dB"]
    return header, [_row(number, x) for number in formats.FORMATS.values()]


def _row(number: NumberFormat, x: np.ndarray) -> list[str]:
    error = np.asarray(number.quantize(x) - x, dtype=np.float64)
    ratio = 10 * np.log10(np.mean(x.astype(np.float64) ** 2) / np.mean(error**2)) if error.any() else np.inf
    most = f"{number.grid.top * number.grid.unit:.6g}" if isinstance(number, Plain | Shared) else "codes from zero up"
    return [
        f"`{number.name}`",
        f"{number.bits:.6g}",
        _BLOCKS.get(number.block, str(number.block)),
        most,
        f"{ratio:.1f}" if np.isfinite(ratio) else "exact",
    ]


def listed_arithmetics() -> tuple[list[str], list[list[str]]]:
    """Header and rows: arithmetics that have a name of their own, and how they sum."""
    own = [
        arithmetic.get(name)
        for name in arithmetic.names()
        if name not in formats.FORMATS and name not in analog.names()
    ]
    header = ["arithmetic", "activations", "weights", "sum", "result"]
    return header, [
        [f"`{a.name}`", f"`{a.left.name}`", f"`{a.right.name}`", a.accumulate, f"`{a.out.name}`"] for a in own
    ]
