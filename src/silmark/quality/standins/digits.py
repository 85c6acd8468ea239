"""Images for the small CNN: digits from a bitmap font, moved, scaled, turned, blurred and covered with noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIZE = 16
_FONT = (
    "01110 10001 10011 10101 11001 10001 01110",
    "00100 01100 00100 00100 00100 00100 01110",
    "01110 10001 00001 00010 00100 01000 11111",
    "11111 00010 00100 00010 00001 10001 01110",
    "00010 00110 01010 10010 11111 00010 00010",
    "11111 10000 11110 00001 00001 10001 01110",
    "00110 01000 10000 11110 10001 10001 01110",
    "11111 00001 00010 00100 01000 01000 01000",
    "01110 10001 10001 01110 10001 10001 01110",
    "01110 10001 10001 01111 00001 00010 01100",
)
"""Rows of seven by five dots, 0 to 9."""
_NOISE = 0.2


def digits(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Images (count, 1, 16, 16) of values around 0 to 1, and which digit each shows."""
    draw = np.random.Generator(np.random.PCG64(seed))
    labels = draw.integers(0, 10, count)
    font = np.array([[[float(dot) for dot in row] for row in digit.split()] for digit in _FONT])
    angle, scale = draw.uniform(-0.25, 0.25, count), draw.uniform(1.3, 2.1, count)
    shift, contrast = draw.uniform(-2, 2, (2, count)), draw.uniform(0.6, 1.0, count)
    y, x = (one[None] - (SIZE - 1) / 2 for one in np.mgrid[:SIZE, :SIZE].astype(float))
    y, x = y - shift[0][:, None, None], x - shift[1][:, None, None]
    cos, sin = (part[:, None, None] / scale[:, None, None] for part in (np.cos(angle), np.sin(angle)))
    row, column = cos * y + sin * x + 3, cos * x - sin * y + 2
    images = contrast[:, None, None] * _bilinear(font[labels], row, column)
    images += draw.normal(0, _NOISE, images.shape)
    return images[:, None].astype(np.float32), labels.astype(np.int64)


def _bilinear(
    pictures: NDArray[np.float64], row: NDArray[np.float64], column: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pictures (n, h, w) read between dots at (n, size, size) places; nothing outside."""
    padded = np.pad(pictures, ((0, 0), (1, 1), (1, 1)))
    row, column = np.clip(row + 1, 0, padded.shape[1] - 1.001), np.clip(column + 1, 0, padded.shape[2] - 1.001)
    top, left = row.astype(int), column.astype(int)
    below, right = row - top, column - left
    n = np.arange(len(pictures))[:, None, None]
    upper = padded[n, top, left] * (1 - right) + padded[n, top, left + 1] * right
    lower = padded[n, top + 1, left] * (1 - right) + padded[n, top + 1, left + 1] * right
    return np.asarray(upper * (1 - below) + lower * below)
