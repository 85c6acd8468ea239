"""Binary pictures of digits that the package draws itself: seven segments, 12 x 12 pixels, shifted and speckled."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

SIDE = 12
SPECKLE = 0.01
"""Share of pixels that are flipped at random."""
_LIT = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abfgcd")
_SEGMENTS = {  # rows and columns of each segment of a digit 9 high and 6 wide
    "a": (slice(0, 1), slice(0, 6)),
    "g": (slice(4, 5), slice(0, 6)),
    "d": (slice(8, 9), slice(0, 6)),
    "f": (slice(0, 5), slice(0, 1)),
    "b": (slice(0, 5), slice(5, 6)),
    "e": (slice(4, 9), slice(0, 1)),
    "c": (slice(4, 9), slice(5, 6)),
}
Pictures = npt.NDArray[np.int8]


def template(digit: int, down: int = 1, right: int = 3) -> Pictures:
    """A clean digit, +-1, shape (144,), its upper left corner at (down, right)."""
    picture = np.full((SIDE, SIDE), -1, dtype=np.int8)
    for name in _LIT[digit]:
        rows, columns = _SEGMENTS[name]
        picture[down + rows.start : down + rows.stop, right + columns.start : right + columns.stop] = 1
    return picture.ravel()


def templates() -> tuple[Pictures, npt.NDArray[np.int64]]:
    """Every digit at every place where it is drawn, shape (90, 144), and which digit each is."""
    places = [(down, right) for down in range(3) for right in range(2, 5)]
    pictures = [template(digit, *place) for digit in range(10) for place in places]
    return np.stack(pictures), np.repeat(np.arange(10), len(places))


def draw(count: int, seed: int) -> tuple[Pictures, npt.NDArray[np.int64]]:
    """So many pictures (count, 144) of +-1, and their digits."""
    rng = np.random.default_rng([seed, 1212])
    clean, labels = templates()
    chosen = rng.integers(0, len(clean), count)
    flipped = rng.random((count, SIDE * SIDE)) < SPECKLE
    return np.where(flipped, -clean[chosen], clean[chosen]).astype(np.int8), labels[chosen]


def recognised(pictures: Pictures, most: int = 5) -> tuple[float, float, npt.NDArray[np.int64]]:
    """How far pictures are from clean digits.

    Args:
        pictures: (pictures, 144) of +-1.
        most: pixels by which a digit may differ and still count; 99.7 % of what `draw` makes do not differ by more.

    Returns:
        Share within `most` pixels of some clean digit, mean pixels to the nearest one, and how many are of each digit.
    """
    clean, labels = templates()
    away = (SIDE * SIDE - pictures.astype(np.int32) @ clean.T.astype(np.int32)) // 2
    nearest = away.min(axis=1)
    near = nearest <= most
    counts = np.bincount(labels[away.argmin(axis=1)][near], minlength=10)
    return float(near.mean()), float(nearest.mean()), counts
