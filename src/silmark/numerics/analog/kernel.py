"""The inner loops of analog products, compiled: converters, noise by counters, sums in bf16.

A converter per tile of 128 rows makes k / 128 passes over all outputs. Here each of them is one pass over a block that
caches hold: scale, add noise, clip, round, scale back, round to bf16, add.

Noise is a function of (key, row, column), a hash that picks one of the quantiles of its distribution. It therefore does
not depend on how a product is cut into blocks or threads, and takes a sixth of the time of drawing normal deviates.
"""

from __future__ import annotations

import numpy as np
from numpy import float32, uint32
from numpy.typing import NDArray

from silmark.numerics.jit import compiled

_Float = NDArray[np.float32]
_Columns = tuple[_Float, _Float, _Float, _Float]
_Settings = tuple[float, float, float]

QUANTILE_BITS = 12
"""Bits of a hash that pick a quantile: 4,096 of them, which reach to 3.7 (normal) and 5.1 (logistic) deviations."""
_SHIFT = uint32(32 - QUANTILE_BITS)
_COLUMN_STEP = uint32(0x9E3779B1)  # odd: columns of one row have different hashes
_ONE = float32(1)  # a bare 1 would make everything around it float64
_INL_PEAK = float32(3 * 3**0.5 / 2)  # u (1 - u^2) is largest at 1 / sqrt 3, where this makes it one


@compiled
def mixed(value: np.uint32) -> np.uint32:
    """A hash of 32 bits in which every bit depends on every bit (two rounds of xor, shift and odd factors)."""
    h = uint32(uint32(value ^ uint32(value >> uint32(16))) * uint32(0x7FEB352D))
    h = uint32(uint32(h ^ uint32(h >> uint32(15))) * uint32(0x846CA68B))
    return uint32(h ^ uint32(h >> uint32(16)))


@compiled
def draw_rows(key: int, table: _Float, deviations: _Float) -> None:
    """One deviate per row, into `deviations`."""
    for row in range(deviations.size):
        deviations[row] = table[uint32(mixed(uint32(uint32(key) ^ mixed(uint32(row)))) >> _SHIFT)]


@compiled
def encode_rows(x: _Float, tile: int, limit: float, inl: float, codes: _Float, scales: _Float) -> None:
    """Codes of rows that share one bf16 scale per tile: `round(x / (scale / limit))`.

    Args:
        x: (m, k) values.
        tile: elements that share a scale.
        limit: largest code.
        inl: integral nonlinearity at its peak, in codes.
        codes: (m, tiles * tile), of which the first k columns are written.
        scales: (tiles, m).
    """
    bits, found = x.view(np.uint32), scales.view(np.uint32)
    width = x.shape[1]
    for row in range(x.shape[0]):
        for number in range(scales.shape[0]):
            start, stop = number * tile, min(number * tile + tile, width)
            top = uint32(0)
            for column in range(start, stop):
                top = max(top, uint32(bits[row, column] & uint32(0x7FFFFFFF)))
            # To bf16, ties to even; NaN where a value is not finite, nothing below the smallest normal number.
            odd = uint32(uint32(top >> uint32(16)) & uint32(1))
            whole = uint32(uint32(top + uint32(0x7FFF) + odd) & uint32(0xFFFF0000))
            if top >= uint32(0x7F800000):
                whole = uint32(0x7FC00000)
            found[number, row] = whole if whole >= uint32(0x0C800000) else uint32(0)  # 2^-102
            scale = scales[number, row]
            step = scale / float32(limit) if scale != 0 else float32(1)
            for column in range(start, stop):
                code = np.rint(x[row, column] / step)
                code = min(max(code, float32(-limit)), float32(limit))
                if inl != 0:
                    share = code / float32(limit)
                    code += float32(inl) * _INL_PEAK * share * (_ONE - share * share)
                codes[row, column] = code


@compiled
def _add_rounded(line: _Float, bits: NDArray[np.uint32], sums: _Float) -> None:
    """Adds a line to sums, each element rounded to bf16 (ties to even); `bits` is the same memory."""
    for column in range(line.size):
        u = bits[column]
        bits[column] = uint32(u + uint32(0x7FFF) + uint32(uint32(u >> uint32(16)) & uint32(1))) & uint32(0xFFFF0000)
    for column in range(line.size):
        sums[column] += line[column]


@compiled
def digitise(products: _Float, sums: _Float, columns: _Columns, row_scale: _Float, settings: _Settings) -> None:
    """One tile's products through a converter without noise, added to the sums of the tiles before.

    Args:
        products, sums: (rows, columns).
        columns: of each column: converter codes per unit of product; offset in codes; value of one code, but for the
            row's scale; noise in codes, which is not read here.
        row_scale: (rows,).
        settings: the largest code; integral nonlinearity at its peak in codes; growth of noise, not read here.
    """
    factor, offset, column_scale, _ = columns
    top, inl = float32(settings[0]), float32(settings[1])
    line = np.empty(products.shape[1], np.float32)
    bits = line.view(np.uint32)
    for row in range(products.shape[0]):
        scale = row_scale[row]
        for column in range(products.shape[1]):
            level = min(max(products[row, column] * factor[column] + offset[column], -top), top)
            if inl != 0:
                share = level / top
                level += inl * _INL_PEAK * share * (_ONE - share * share)
            line[column] = np.rint(level) * column_scale[column] * scale
        _add_rounded(line, bits, sums[row])


@compiled
def digitise_noisy(
    products: _Float,
    sums: _Float,
    columns: _Columns,
    rows: tuple[_Float, _Float, _Float],
    settings: _Settings,
    counter: tuple[int, int, int],
    table: _Float,
) -> None:
    """`digitise` with noise before the converter.

    Args:
        products, sums, columns, settings: as above; noise grows in quadrature with the signal.
        rows: of each row: scale; a further deviation of all its outputs, in codes; a noise that they share, in codes.
        counter: key of this tile; where the block lies in the whole product (row, column): noise belongs to an output.
        table: quantiles of the noise, of unit deviation.
    """
    factor, offset, column_scale, deviation = columns
    row_scale, row_deviation, common = rows
    top, inl, slope = float32(settings[0]), float32(settings[1]), float32(settings[2])
    line = np.empty(products.shape[1], np.float32)
    bits = line.view(np.uint32)
    for row in range(products.shape[0]):
        scale, shared = row_scale[row], common[row]
        more = row_deviation[row] * row_deviation[row]
        start = mixed(uint32(uint32(counter[0]) ^ mixed(uint32(counter[1] + row))))
        for column in range(products.shape[1]):
            picked = mixed(uint32(start + uint32(uint32(counter[2] + column) * _COLUMN_STEP)))
            signal = products[row, column] * factor[column]
            own, growth = deviation[column], slope * signal
            noise = table[uint32(picked >> _SHIFT)] * np.sqrt(own * own + growth * growth + more)
            level = min(max(signal + offset[column] + shared + noise, -top), top)
            if inl != 0:
                share = level / top
                level += inl * _INL_PEAK * share * (_ONE - share * share)
            line[column] = np.rint(level) * column_scale[column] * scale
        _add_rounded(line, bits, sums[row])
