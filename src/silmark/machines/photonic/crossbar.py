"""A core of Lightmatter's processors: vector modulators, a cell per weight, lines of photocurrent, converters.

What a core gives is `AnalogTile` of `silmark.numerics` on one tile. Each core is a die of its own, with its own errors
of lines; between calibrations their gains walk.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import cast

import numpy as np

from silmark.machines.photonic.instructions import Tile
from silmark.machines.run import Array
from silmark.numerics.analog import AnalogTile
from silmark.numerics.base import Prepared

_DIES = 1 << 16
"""Cores that a die number of the user stands for."""
_STEPS_PER_HOUR = 1000
"""Drift is followed in steps of 3.6 s."""


@dataclass(frozen=True, slots=True)
class _Held:
    """Weights in cells, and the core as it was when they were written."""

    core: AnalogTile
    weights: Prepared


class Crossbar:
    """The cores of one processor."""

    def __init__(self, arithmetic: AnalogTile, rows: int, columns: int, die: int) -> None:
        """`die` says which processor was made."""
        self._rows, self._columns = rows, columns
        lines = replace(arithmetic.lines, count=columns, arrays=1)
        one = replace(arithmetic, tile=rows, lines=lines)
        self.core = cache(lambda core, hours: replace(one, seed=die * _DIES + core, hours=hours))

    def install(self, core: int, tile: Tile, operand: Array, hours: float) -> object:
        """Codes and scales of a tile."""
        made = self.core(core, round(hours * _STEPS_PER_HOUR) / _STEPS_PER_HOUR)
        return _Held(made, made.prepare(np.ascontiguousarray(operand[tile.bounds(self._rows, self._columns)])))

    def fire(self, held: object, vectors: Array, seed: int) -> Array:
        """Products through the core's lines, rounded to bf16 as they leave the converter."""
        there = cast("_Held", held)
        return np.asarray(there.core.matmul(vectors, there.weights, seed=seed))
