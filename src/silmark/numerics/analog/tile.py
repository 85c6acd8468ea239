"""AnalogTile: a product of matrices in arrays of analog cells with a converter at every output.

The equations are those of adaptive block floating point (ABFP, arXiv:2205.06287). For output j of a vector x, with k
cut into tiles of n rows:

    s_w = bf16(max |w|), s_x = bf16(max |x|)                          of a column and of the vector in each tile
    w~, x~ = codes of b_w and b_x bits of w / s_w and x / s_x         (symmetric, ties to even)
    y~ = Q_by(clip(G sum(w~ x~) / n + noise, -1, 1)) n / G            G: gain of the amplifier before the converter
    y_j = sum over tiles of bf16(y~ s_w s_x)                          added digitally

Products of codes are whole numbers that float32 holds exactly, so that neither the library nor the order of sums shows
in the result: numpy and torch give the same bytes. Cells with errors of their own hold no whole numbers; that still
holds, as both compute with the same library.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadValue
from silmark.numerics import formats
from silmark.numerics.analog.blocks import Noise, Readout, product
from silmark.numerics.analog.errors import Cells, Converter, Drift, Lines, checked_hours
from silmark.numerics.analog.noise import checked, keys, quantiles
from silmark.numerics.arrays import as_float32
from silmark.numerics.base import VECTOR_KINDS, Arithmetic, Array, Namespace, NumberFormat, Prepared
from silmark.numerics.formats.abfp import abfp

Floats = NDArray[np.float32]
_NOISE, _COMMON = 5, 6
"""Streams of a run's seed."""


@dataclass(frozen=True, kw_only=True)
class AnalogTile(Arithmetic):
    """See the module.

    Attributes:
        name: key in `numerics.arithmetic`.
        tile: rows of an array.
        gain: G.
        weight, input, output: the converters: b_w, b_x, b_y.
        lines, cells, drift: errors of one die; `seed` says which die.
        hours: since it was calibrated or programmed.
        digital: format of what is computed beside the arrays.
        accumulate: how tiles are summed.
    """

    name: str
    tile: int
    gain: float
    weight: Converter
    input: Converter
    output: Converter
    lines: Lines
    cells: Cells = field(default_factory=Cells)
    drift: Drift = field(default_factory=Drift)
    hours: float = 0.0
    seed: int = 0
    digital: str = "bf16"
    accumulate: str = "tiles rounded to bf16, summed in fp32"

    def __post_init__(self) -> None:
        checked(self.seed)
        checked_hours(self.hours)
        if not 1 <= self.tile <= 65536:
            raise BadValue("tile", self.tile, "1 to 65536 rows")
        if not 1e-3 <= self.gain <= 1e6:
            raise BadValue("gain", self.gain, "a gain from 0.001 to 1e6")

    @property
    def left(self) -> NumberFormat:  # type: ignore[override]
        """Codes of the input converter, one bf16 scale per tile."""
        return abfp(self.input.bits, self.tile)

    @property
    def right(self) -> NumberFormat:  # type: ignore[override]
        """Codes of the weight converter, one bf16 scale per column of a tile."""
        return abfp(self.weight.bits, self.tile)

    @property
    def out(self) -> NumberFormat:  # type: ignore[override]
        """Sums leave in float32."""
        return formats.get("fp32")

    def prepare(self, weights: Array) -> Prepared:
        """What the cells hold (in codes; (..., tiles * tile, n)) and scales (..., tiles, n)."""
        xp, given = as_float32(weights, "weights")
        if given.ndim < 2:
            raise BadValue("weights", tuple(given.shape), "a matrix, or a stack of them")
        values = on_host(given)
        k, n = values.shape[-2:]
        tiles = -(-k // self.tile)
        held = np.empty((*values.shape[:-2], tiles * self.tile, n), np.float32)
        scales = np.empty((*values.shape[:-2], tiles, n), np.float32)
        for number, where in enumerate(np.ndindex(values.shape[:-2])):
            codes, scales[where] = self._codes(np.ascontiguousarray(values[where].T), self.weight)
            held[where] = self._held(np.ascontiguousarray(codes.T), number)
        return Prepared(back(xp, held, given), back(xp, scales, given), self.name, (self, k))

    def matmul(self, left: Array, weights: Prepared | Array, *, seed: int = 0) -> Array:
        """See `Arithmetic.matmul`; `seed` draws the noise of this run, the die's own `seed` its errors."""
        prepared = weights if isinstance(weights, Prepared) else self.prepare(weights)
        xp, given = as_float32(left, "left")
        self._check(given, prepared)
        x, held, scales = on_host(given), on_host(prepared.values), on_host(prepared.scales)
        if held.ndim == 2:  # one matrix for all: one product of many rows
            out = self._product(x.reshape(prod(x.shape[:-1]), x.shape[-1]), held, scales, seed, 0)
            return back(xp, out.reshape(*x.shape[:-1], held.shape[-1]), given)
        stack = np.broadcast_shapes(x.shape[:-2], held.shape[:-2])
        x, held, scales = (np.broadcast_to(one, (*stack, *one.shape[-2:])) for one in (x, held, scales))
        out = np.empty((*stack, x.shape[-2], held.shape[-1]), np.float32)
        for number, where in enumerate(np.ndindex(stack)):
            out[where] = self._product(x[where], held[where], scales[where], seed, number)
        return back(xp, out, given)

    def vector(self, x: Array, kind: str) -> Array:
        """Computed digitally beside the arrays."""
        if kind not in VECTOR_KINDS:
            raise BadValue("kind", kind, f"one of {', '.join(VECTOR_KINDS)}")
        return formats.get(self.digital).quantize(x)

    def _check(self, left: Array, prepared: Prepared) -> None:
        maker, k = prepared.extra if isinstance(prepared.extra, tuple) else (None, None)
        if maker != self:
            raise BadValue("weights", prepared.arithmetic, f"weights prepared by this {self.name}, of the same die")
        if left.ndim < 2 or left.shape[-1] != k:
            raise BadValue("left", tuple(left.shape), f"a matrix whose last axis is {k}, as the weights have")

    def _codes(self, x: Floats, converter: Converter) -> tuple[Floats, Floats]:
        """Codes of rows (m, tiles * tile) and scales (tiles, m)."""
        from silmark.numerics.analog import kernel  # noqa: PLC0415 - numba takes half a second to import

        tiles = -(-x.shape[1] // self.tile)
        codes = np.zeros((x.shape[0], tiles * self.tile), np.float32)
        scales = np.zeros((tiles, x.shape[0]), np.float32)
        kernel.encode_rows(x, self.tile, float(converter.limit), float(converter.inl), codes, scales)
        return codes, scales

    def _held(self, codes: Floats, number: int) -> Floats:
        """What cells of this die hold of the codes of its `number`-th matrix."""
        if self.cells.exact and self.drift.law != "power":
            return codes
        die = self.seed + number
        limit = np.float32(self.weight.limit)
        return self.drift.cells(self.cells.programmed(codes / limit, die), self.hours, die) * limit

    def _product(self, x: Floats, held: Floats, scales: Floats, seed: int, number: int) -> Floats:
        codes, row_scale = self._codes(np.ascontiguousarray(x), self.input)
        gain, offset, deviation = self.lines.drawn(self.seed)
        gain = gain * self.drift.gains(gain.shape, self.hours, self.seed)
        line = np.arange(held.shape[1]) % self.lines.count
        limit = self.output.limit
        per_unit = limit * self.gain / self.tile  # converter codes per unit of sum(w~ x~)
        readout = Readout(
            factor=np.asarray((gain * (per_unit / self.weight.limit / self.input.limit))[:, line], np.float32),
            offset=np.asarray((limit * offset)[:, line], np.float32),
            limit=limit,
            inl=self.output.inl,
            column_scale=np.ascontiguousarray(scales / np.float32(per_unit)),
            row_scale=row_scale,
            noise=self._noise(codes, row_scale.shape[0], (limit * deviation)[:, line], per_unit, (seed, number)),
        )
        return product(codes, held, self.tile, readout)

    def _noise(
        self, codes: Floats, tiles: int, deviation: NDArray[np.float64], per_unit: float, run: tuple[int, int]
    ) -> Noise | None:
        """Noise before the converters, in their codes; None for a die that has none."""
        if not self.lines.noisy and not self.cells.read:
            return None
        from silmark.numerics.analog import kernel  # noqa: PLC0415 - numba takes half a second to import

        row_deviation = np.zeros((tiles, codes.shape[0]), np.float32)
        if self.cells.read:  # independent errors of a column's weights add up to one of the output
            length = np.linalg.norm(codes.reshape(codes.shape[0], tiles, self.tile), axis=2).T / self.input.limit
            row_deviation[...] = self.cells.read * per_unit * length
        counters = keys(run[0], tiles, _NOISE, run[1], self.seed)
        common = np.zeros_like(row_deviation)
        if self.lines.common:
            for key, deviates in zip(keys(run[0], tiles, _COMMON, run[1], self.seed), common, strict=True):
                kernel.draw_rows(int(key), quantiles("normal"), deviates)
            common *= np.float32(self.lines.common * self.output.limit)
        return Noise(
            table=quantiles(self.lines.shape),
            keys=counters,
            deviation=np.asarray(deviation, np.float32),
            slope=self.lines.noise_slope,
            row_deviation=row_deviation,
            common=common,
        )


def on_host(x: Array) -> Floats:
    """A float32 array as numpy sees it, sharing memory where it lies in the main memory."""
    values = x if isinstance(x, np.ndarray) else np.asarray(x.detach().cpu())
    return np.ascontiguousarray(values, np.float32)


def back(xp: Namespace, values: Floats, like: Array) -> Array:
    """The array in the library and on the device of another."""
    return values if isinstance(like, np.ndarray) else xp.asarray(values, device=like.device)
