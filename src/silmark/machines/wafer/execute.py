"""Products executed on the mesh: tiles lie on cores, move to their neighbours, and meet there.

A matrix is cut into side x side tiles, padded with zeros; tile (i, j) lies on core (i, j). All cores do the same, so
that one step is one operation on the stack of all tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from silmark.machines.wafer.reductions import Way, reduce, ring

Product = Literal["meshgemv", "meshgemm", "cannon", "summa", "allgather"]
PRODUCTS: tuple[Product, ...] = ("meshgemv", "meshgemm", "cannon", "summa", "allgather")
Values = NDArray[Any]
_COLUMNS = 1 << 22
"""Elements of partial sums that are held at one time."""


def multiply(product: Product, left: Values, right: Values, side: int, way: Way, levels: int) -> Values:
    """(m, k) times (k, n), both of FP16 values in float32.

    Args:
        product: algorithm.
        left, right: operands.
        side: cores per side.
        way, levels: of the sums of `meshgemv`.
    """
    if product == "meshgemv":
        return _by_rows(left, right, side, way, levels)
    x, w = tiles(left, side), tiles(right, side)
    sums = np.zeros((side, side, x.shape[2], w.shape[3]), np.float32)
    if product in ("meshgemm", "cannon"):
        _rotate(x, w, sums, ring(side) if product == "meshgemm" else range(side))
    else:
        _broadcast(x, w, sums)
    return whole(sums)[: len(left), : right.shape[1]]


def tiles(matrix: Values, side: int) -> Values:
    """(rows, columns) -> (side, side, rows of a tile, columns of a tile)."""
    rows, columns = (-(-size // side) for size in matrix.shape)
    padded = np.zeros((side * rows, side * columns), np.float32)
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix
    return np.ascontiguousarray(padded.reshape(side, rows, side, columns).swapaxes(1, 2))


def whole(cut: Values) -> Values:
    """The matrix of its tiles."""
    down, across, rows, columns = cut.shape
    return cut.swapaxes(1, 2).reshape(down * rows, across * columns)


def _rotate(x: Values, w: Values, sums: Values, order: Sequence[int]) -> None:
    """Cannon's algorithm on rings of cores, which are the lines of the mesh in any order.

    Row i's left tiles first move i places (the shorter way round), column j's right ones lie j places further already;
    then both move one place per step, so that core (i, j) meets the depth (i + j + step).
    """
    side = len(order)
    places = np.asarray(order)
    rank = np.argsort(places)
    for turn in range(side // 2):
        for direction in (1, -1):
            due = np.minimum(rank, side - rank) > turn
            rows = due & ((rank <= side // 2) == (direction == 1))
            x[rows] = x[rows][:, _next(places, direction)]
    for column in range(side):
        w[places, column] = w[np.roll(places, -rank[column]), column]
    for step in range(side):
        _step(sums, x, w)
        if step < side - 1:
            x[:] = x[:, _next(places, 1)]
            w[:] = w[_next(places, 1)]


def _next(places: NDArray[np.intp], direction: int) -> NDArray[np.intp]:
    """For every core of a line the neighbour on the ring that it takes a tile from."""
    source = np.empty_like(places)
    source[places] = np.roll(places, -direction)
    return source


def _broadcast(x: Values, w: Values, sums: Values) -> None:
    """SUMMA, and a product after gathering: in each step one column's and one row's tiles go to all."""
    side = len(x)
    for step in range(side):
        left = np.broadcast_to(x[:, step : step + 1], x.shape)
        right = np.broadcast_to(w[step : step + 1], w.shape)
        _step(sums, left, right)


def _step(sums: Values, x: Values, w: Values) -> None:
    from silmark.machines.wafer.kernels import accumulate  # noqa: PLC0415 - numba

    stacked = [np.ascontiguousarray(part).reshape(-1, *part.shape[2:]) for part in (x, w)]
    accumulate(sums.reshape(-1, *sums.shape[2:]), *stacked)


def _by_rows(left: Values, right: Values, side: int, way: Way, levels: int) -> Values:
    """Every core multiplies its part of each row with its tile; sums meet over the cores of the depth."""
    from silmark.machines.wafer.kernels import accumulate  # noqa: PLC0415 - numba

    rows, depth = left.shape
    deep = -(-depth // side)
    x = np.zeros((side, rows, deep), np.float32)
    padded = np.zeros((rows, side * deep), np.float32)
    padded[:, :depth] = left
    x[:] = padded.reshape(rows, side, deep).swapaxes(0, 1)
    out = np.empty((rows, right.shape[1]), np.float32)
    wide = max(1, _COLUMNS // (side * rows))
    for begin in range(0, right.shape[1], wide):
        part = right[:, begin : begin + wide]
        w = np.zeros((side * deep, part.shape[1]), np.float32)
        w[:depth] = part
        sums = np.zeros((side, rows, part.shape[1]), np.float32)
        accumulate(sums, x, w.reshape(side, deep, -1))
        out[:, begin : begin + wide] = reduce(sums.reshape(side, -1), way, levels).reshape(rows, -1)
    return out
