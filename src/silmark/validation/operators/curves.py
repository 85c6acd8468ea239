"""What rows of like conditions err by: ln(measured / predicted) as a curve over ln(predicted seconds).

Only kinds of operators whose kernels no fit of the mechanisms knows by name have curves (`FITTED` have none: beside
the fits' own factors they gained less than a hundredth on rows that neither had seen).

Conditions of a row are a path, most general first: "gemm/fp8/vllm/CutlassFP8ScaledMMLinearKernel". A curve is kept for
every path and chip with enough rows, and for every path that several chips have. A row takes the curve of the longest
part of its path that has one: its own chip's, else a sibling's, else a relative's, else that of all chips. A sibling
is of its generation, a relative is any other, and both have a like balance of units, arithmetic and bandwidth: what a
kernel lacks in one regime says nothing about the other. So a kernel that was measured elsewhere lends its launch costs
and efficiency to a new chip, and an unknown kernel of a known engine what that engine's kernels have in common.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
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
"""Balances that differ by more make chips unlike: an operator is bound by memory on one, by its units on the other."""
SEEN, KIN, LIKE, UNSEEN, FAR, FOREIGN = "seen", "kin", "like", "unseen", "far", "foreign"
"""Whom the conditions of a row were measured on: the chip itself; a sibling; the chip, but only others like them; other
chips of its vendor; nobody. FOREIGN: nothing of the vendor's was measured."""
FITTED = frozenset({"gemm", "prefill", "decode", "experts"})
"""Kinds without curves."""


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
def balance(chip: str) -> tuple[float, float]:
    """Logarithms of the 16-bit peak over the memory's bandwidth, and of that over all units' cycles per second.

    The second tells what a kernel is bound by that moves little per instruction: the memory or its units. Chips that
    give no units have no second.
    """
    found = catalog.load(chip)
    peak = found.si(f"peak.{wide_format(found, found.precision)}")
    moved = found.si("memory.main.bandwidth", found.si("memory.sram.bandwidth", 1.0))
    cycles = found.si("compute.units", 1.0) * found.si("compute.clock", moved)
    return math.log(peak / moved), math.log(moved / cycles)


@cache
def relatives(chip: str, others: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Siblings and relatives of a chip among others, nearest in balance first, those of its vendor before strangers."""
    me = catalog.load(chip)

    def apart(other: str) -> float:
        return max(abs(mine - its) for mine, its in zip(balance(chip), balance(other), strict=True))

    def distance(other: str) -> tuple[bool, float, str]:
        return catalog.load(other).vendor != me.vendor, apart(other), other

    near = sorted((other for other in others if other != chip and apart(other) < _UNLIKE), key=distance)
    kin = [o for o in near if me.generation and catalog.load(o).generation == me.generation]
    return tuple(kin), tuple(o for o in near if o not in kin)


def prefixes(path: str) -> Iterator[str]:
    """The path and its general parts, longest first."""
    while path:
        yield path
        path = path.rpartition("/")[0]


def find(curves: Curves, path: str, chip: str) -> str:
    """Name of the curve for a row; empty where nothing like it was measured."""
    kin, others = relatives(chip, measured_chips(curves))
    for part in prefixes(path):
        for owner in (chip, *kin, *others, ""):
            if key(part, owner) in curves:
                return key(part, owner)
    return ""


def evidence(measured: Container[str], chips: tuple[str, ...], path: str, chip: str) -> str:
    """Whom the conditions of a row were measured on.

    Args:
        measured: conditions with the chip that they were measured on, as `key` names them.
        chips: all chips in it.
        path, chip: of the row.
    """
    kin, _ = relatives(chip, chips)
    if key(path, chip) in measured:
        return SEEN
    if any(key(path, owner) in measured for owner in kin):
        return KIN
    if key(path.rpartition("/")[0], chip) in measured:
        return LIKE
    vendor = catalog.load(chip).vendor
    same = [owner for owner in chips if catalog.load(owner).vendor == vendor]
    if not same:
        return FOREIGN
    return UNSEEN if any(key(path, owner) in measured for owner in same) else FAR


def measured_chips(names: Iterable[str]) -> tuple[str, ...]:
    """Chips that own curves or conditions."""
    return tuple(sorted({owner for name in names if (owner := name.partition(" @ ")[2])}))


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
        if path.partition("/")[0] in FITTED:
            continue
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


def conditions(paths: Sequence[str], chips: Sequence[str]) -> dict[str, int]:
    """Rows of every part of a path on every chip, where they are enough to count as measured."""
    chip = np.array(chips)
    found: dict[str, int] = {}
    for path, rows in sorted(_rows_by_prefix(paths).items()):
        for name, count in zip(*np.unique(chip[rows], return_counts=True), strict=True):
            if count >= LEAST_ROWS:
                found[key(path, str(name))] = int(count)
    return found


def shifts(curves: Curves, paths: Sequence[str], chips: Sequence[str], logs: Array) -> Array:
    """What every row's curve adds to ln(predicted seconds); 0 where nothing like the row was measured."""
    found = np.zeros(len(paths))
    for (path, chip), members in by_pair(paths, chips).items():
        name = find(curves, path, chip) if path else ""
        if name:
            found[members] = curves[name](logs[members])
    return found


def evidences(
    measured: Container[str], chips: tuple[str, ...], paths: Sequence[str], owners: Sequence[str]
) -> list[str]:
    """`evidence` of every row; FAR where a row has no path."""
    found = [FAR] * len(paths)
    for (path, chip), members in by_pair(paths, owners).items():
        if path:
            said = evidence(measured, chips, path, chip)
            for row in members:
                found[row] = said
    return found


def by_pair(paths: Sequence[str], chips: Sequence[str]) -> dict[tuple[str, str], list[int]]:
    """Rows by path and chip."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row, pair in enumerate(zip(paths, chips, strict=True)):
        groups.setdefault(pair, []).append(row)
    return groups
