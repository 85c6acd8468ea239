"""Products with a converter per tile, cut into blocks that stay in cache.

The matrix product of one tile (128 rows) and what its converters do to it follow each other on a block of 2^20
outputs. On whole matrices each tile would stream all outputs through main memory several times.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
_BLOCK = 1 << 20
"""Outputs of a block: 4 MiB of products and as much of sums; of 2^18 to 2^20 none was faster (`make bench`)."""
_LEAST = 1 << 16
"""Outputs of a part: converting them takes 12 us, with noise 115; handing them to another thread takes 10 to 20."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What is added before the converters, in codes.

    Attributes:
        table: quantiles of unit deviation.
        keys: (tiles,) counters.
        deviation: (arrays, n) at zero signal.
        slope: added in quadrature per code of signal.
        row_deviation: (tiles, m), added in quadrature to all outputs of a row.
        common: (tiles, m), added to all outputs of a row.
    """

    table: Floats
    keys: NDArray[np.uint32]
    deviation: Floats
    slope: float
    row_deviation: Floats
    common: Floats


@dataclass(frozen=True, slots=True)
class Readout:
    """What stands behind an array's lines.

    Attributes:
        factor: (arrays, n) converter codes per unit of a product of codes; tiles take the arrays in turn.
        offset: (arrays, n) codes.
        limit: the converter's largest code.
        inl: its integral nonlinearity at the peak, in codes.
        column_scale: (tiles, n) value of one code, but for the row's scale.
        row_scale: (tiles, m).
        noise: None where there is none.
    """

    factor: Floats
    offset: Floats
    limit: int
    inl: float
    column_scale: Floats
    row_scale: Floats
    noise: Noise | None


def product(left: Floats, right: Floats, tile: int, readout: Readout) -> Floats:
    """(m, tiles * tile) codes times (tiles * tile, n) codes, each tile through the readout, summed: (m, n) values."""
    m, n = left.shape[0], right.shape[1]
    out = np.empty((m, n), np.float32)
    rows = max(1, min(m, 1024))
    columns = max(1, _BLOCK // rows)
    for row in range(0, m, rows):
        for column in range(0, n, columns):
            where = slice(row, min(row + rows, m)), slice(column, min(column + columns, n))
            out[where] = _block(left[where[0]], right[:, where[1]], tile, readout, where)
    return out


def _block(left: Floats, right: Floats, tile: int, readout: Readout, where: tuple[slice, slice]) -> Floats:
    m, n = left.shape[0], right.shape[1]
    products, sums = np.empty((m, n), np.float32), np.zeros((m, n), np.float32)
    parts = _parts(m, n)
    for number in range(readout.row_scale.shape[0]):
        inside = slice(number * tile, (number + 1) * tile)
        np.matmul(left[:, inside], right[inside], out=products)
        work = partial(_convert, products, sums, readout, number, where)
        waiting = [_pool().submit(work, part) for part in parts[1:]]
        work(parts[0])
        for one in waiting:
            one.result()
    return sums


def _convert(
    products: Floats, sums: Floats, readout: Readout, number: int, where: tuple[slice, slice], part: slice
) -> None:
    """Some rows of a block of one tile through the readout."""
    from silmark.numerics.analog import kernel  # noqa: PLC0415 - numba takes half a second to import

    first_row, first_column = where[0].start + part.start, where[1].start
    rows, columns = slice(first_row, where[0].start + part.stop), where[1]
    noise = readout.noise
    array = number % readout.factor.shape[0]
    of_columns = (
        readout.factor[array, columns],
        readout.offset[array, columns],
        readout.column_scale[number, columns],
        (readout.offset if noise is None else noise.deviation)[array, columns],
    )
    scale = readout.row_scale[number, rows]
    settings = (float(readout.limit), float(readout.inl), 0.0 if noise is None else float(noise.slope))
    if noise is None:
        kernel.digitise(products[part], sums[part], of_columns, scale, settings)
        return
    of_rows = scale, noise.row_deviation[number, rows], noise.common[number, rows]
    place = int(noise.keys[number]), first_row, first_column
    kernel.digitise_noisy(products[part], sums[part], of_columns, of_rows, settings, place, noise.table)


def _parts(rows: int, columns: int) -> list[slice]:
    """Rows shared among threads."""
    count = max(1, min(_threads(), rows, rows * columns // _LEAST))
    edges = [rows * number // count for number in range(count + 1)]
    return [slice(*ends) for ends in pairwise(edges)]


@cache
def _threads() -> int:
    """As many as the linear algebra takes: OMP_NUM_THREADS, else the processors that this process may use."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_threads(), thread_name_prefix="silmark-analog")
