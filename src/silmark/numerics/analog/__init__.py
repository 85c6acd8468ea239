"""Analog arithmetic: arrays of cells behind converters, with the errors of measured and of assumed hardware.

    >>> from silmark import numerics
    >>> light = numerics.arithmetic.get("lightmatter-2025-silicon")

`presets` reads what is known of a machine, `tile` computes with it, `statistics` says how far the results are off.
"""

from __future__ import annotations

from silmark.numerics.analog.errors import Cells, Converter, Drift, Lines
from silmark.numerics.analog.presets import load, names
from silmark.numerics.analog.statistics import Statistics, sqnr_db, statistics
from silmark.numerics.analog.tile import AnalogTile

__all__ = [
    "AnalogTile",
    "Cells",
    "Converter",
    "Drift",
    "Lines",
    "Statistics",
    "load",
    "names",
    "sqnr_db",
    "statistics",
]
