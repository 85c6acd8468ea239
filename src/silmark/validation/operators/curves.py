"""What rows of like conditions err by: ln(measured / predicted) as a curve over ln(predicted seconds).

Conditions of a row are a path, most general first: "gemm/fp8/vllm/CutlassFP8ScaledMMLinearKernel". A curve is kept for
every path and chip with enough rows, and for every path that several chips have. A row takes the curve of the longest
part of its path that has one: its own chip's, else a sibling's, else that of all chips, else a relative's. A sibling
is of its generation, a relative is any other, and both have a like balance of arithmetic and bandwidth: what a kernel
lacks in one regime says nothing about the other. So a kernel that was measured elsewhere lends its launch costs and
efficiency to a new chip, and an unknown kernel of a known engine what that engine's kernels have in common.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from silmark.chips import catalog
from silmark.chips.mechanisms.gpu_gemm import wide_format
from silmark.graph import Array

LEAST_ROWS = 15
"""Fewer rows make no curve."""
_PER_KNOT = 15
_KNOTS = 6
_UNLIKE = math.log(2.0)
"""Balances that differ by more make chips unlike: an operator is bound by memory on one, by arithmetic on the other."""
_FAR = 2
"""Conditions that differ from which on rows of other chips say little."""
SEEN, KIN, UNSEEN, FAR = "seen", "kin", "unseen", ""
"""The operator on the chip itself; on a sibling, or other operators on the chip; on other chips; nothing like it."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Piecewise linear, constant beyond its ends.

    Attributes:
        at: ln(seconds), increasing.
        shift: ln(measured / predicted) there.
    """

    at: tuple[float, ...]
    shift: tuple[float, ...]

    def __call__(self, logs: Array) -> Array:
        """The shift at ln(predicted seconds)."""
        return np.interp(logs, self.at, self.shift)


Curves = Mapping[str, Curve]


def key(path: str, owner: str = "") -> str:
    """Name of a curve: the path, and the chip whose own it is."""
    return f"{path} @ {owner}" if owner else path


@cache
def balance(chip: str) -> float:
    """Logarithm of the 16-bit peak over the bandwidth of the main memory."""
    found = catalog.load(chip)
    peak = found.si(f"peak.{wide_format(found, found.precision)}")
    return math.log(peak / found.si("memory.main.bandwidth", found.si("memory.sram.bandwidth", 1.0)))


@cache
def relatives(chip: str, others: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Siblings and relatives of a chip among others, nearest in balance first, those of its vendor before strangers."""
    me = catalog.load(chip)

    def distance(other: str) -> tuple[bool, float, str]:
        return catalog.load(other).vendor != me.vendor, abs(balance(other) - balance(chip)), other

    near = sorted((o for o in others if o != chip and abs(balance(o) - balance(chip)) < _UNLIKE), key=distance)
    kin = [o for o in near if me.generation and catalog.load(o).generation == me.generation]
    return tuple(kin), tuple(o for o in near if o not in kin)


def prefixes(path: str) -> Iterator[str]:
    """The path and its general parts, longest first."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def find(curves: Curves, path: str, chip: str) -> tuple[str, str]:
    """Name of the curve for a row and its evidence; empty where nothing like it was measured."""
    kin, others = relatives(chip, measured_chips(curves))
    order = [(chip, SEEN), *((o, KIN) for o in kin), ("", UNSEEN), *((o, UNSEEN) for o in others)]
    for part in prefixes(path):
        for owner, said in order:
            if key(part, owner) in curves:
                return key(part, owner), _evidence(said, path.count("/") - part.count("/"))
    return "", ""


def _evidence(said: str, dropped: int) -> str:
    """Other operators on a chip say less about one than rows of its own; far ones on other chips say little."""
    if said == SEEN:
        return KIN if dropped else SEEN
    return FAR if said == UNSEEN and dropped >= _FAR else said


def measured_chips(curves: Curves) -> tuple[str, ...]:
    """Chips that have curves of their own."""
    return tuple(sorted({owner for name in curves if (owner := name.partition(" @ ")[2])}))


def fit(logs: Array, errors: Array, weights: Array) -> Curve:
    """Weighted medians of the errors in bins of equal weight."""
    order = np.argsort(logs, kind="stable")
    logs, errors, weights = logs[order], errors[order], weights[order]
    count = int(np.clip(logs.size // _PER_KNOT, 1, _KNOTS))
    share = np.cumsum(weights) / np.sum(weights)
    bins = np.minimum((share * count - 1e-9).astype(int), count - 1)
    points: dict[float, float] = {}
    for one in range(count):
        inside = bins == one
        if np.any(inside):
            points[round(median(logs[inside], weights[inside]), 3)] = round(median(errors[inside], weights[inside]), 4)
    return Curve(tuple(points), tuple(points.values()))


def median(values: Array, weights: Array) -> float:
    """Weighted median."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(share, share[-1] / 2)])


def learn(paths: Sequence[str], chips: Sequence[str], logs: Array, errors: Array) -> dict[str, Curve]:
    """All curves that rows support; on a shared path every chip weighs the same.

    Args:
        paths, chips: per row.
        logs: ln(predicted seconds) per row.
        errors: ln(measured / predicted) per row.
    """
    chip = np.array(chips)
    found: dict[str, Curve] = {}
    for path, rows in sorted(_rows_by_prefix(paths).items()):
        names, inverse, counts = np.unique(chip[rows], return_inverse=True, return_counts=True)
        if names.size > 1 and rows.size >= LEAST_ROWS:
            found[path] = fit(logs[rows], errors[rows], 1.0 / counts[inverse])
        for number, name in enumerate(names.tolist()):
            mine = rows[inverse == number]
            if mine.size >= LEAST_ROWS:
                found[key(path, name)] = fit(logs[mine], errors[mine], np.ones(mine.size))
    return found


def _rows_by_prefix(paths: Sequence[str]) -> dict[str, NDArray[np.intp]]:
    found: dict[str, list[int]] = {}
    for row, path in enumerate(paths):
        for part in prefixes(path):
            found.setdefault(part, []).append(row)
    return {path: np.array(rows, dtype=np.intp) for path, rows in found.items()}


def shifts(curves: Curves, paths: Sequence[str], chips: Sequence[str], logs: Array) -> tuple[Array, list[str]]:
    """What every row's curve adds to ln(predicted seconds), and on whom the curve was measured.

    Returns:
        Shifts, 0 where nothing like the row was measured; and per row SEEN, KIN, UNSEEN or "".
    """
    found, evidence = np.zeros(len(paths)), [""] * len(paths)
    groups: dict[tuple[str, str], list[int]] = {}
    for row, pair in enumerate(zip(paths, chips, strict=True)):
        groups.setdefault(pair, []).append(row)
    for (path, chip), members in groups.items():
        name, said = find(curves, path, chip) if path else ("", "")
        if name:
            found[members] = curves[name](logs[members])
        for row in members:
            evidence[row] = said
    return found, evidence
