"""Sums over the cores of a line: who adds to whom, how long it takes, and which links carry how much.

WaferLLM (OSDI 2025, section 5) names three ways. In a K-tree, cores form groups, K levels of them: in each group the
sums move from both ends to the core in the middle, every core adding its own, and the middle cores form the groups of
the next level. A pipeline is one such group whose root is its end. A ring passes chunks round all cores, twice.
Afterwards every core has the whole sum; in a tree and a pipeline the last root sends it out on a route that each router
both hands to its core and passes on.

Times follow the instructions of the cores. Every instruction handles one stream of wavelets at a steady pace, so that a
stream is known by its first wavelet: the recurrences here are exact, and `simulate` finds the same wavelet by wavelet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from silmark.machines.wafer.core import Core

Way = Literal["tree", "pipeline", "ring"]
WAYS: tuple[Way, ...] = ("tree", "pipeline", "ring")
Values = NDArray[np.float32]


def colours(way: Way, levels: int) -> int:
    """Colours along one axis.

    A tree has two per direction and level, since every core both takes and passes on, and one per direction to send
    the sums out; a ring of two-hop neighbours sends, takes and lets pass (WaferLLM's layouts).
    """
    return {"tree": 4 * levels + 2, "pipeline": 6, "ring": 3}[way]


@dataclass(frozen=True, slots=True)
class Chain:
    """One group: sums move along `above` and `below`, far end first, and meet in `root`, those from above first."""

    root: int
    above: tuple[int, ...]
    below: tuple[int, ...]

    @property
    def sides(self) -> tuple[tuple[int, ...], ...]:
        """Those that have cores, in the order in which they are added."""
        return tuple(side for side in (self.above, self.below) if side)


@cache
def tree(length: int, levels: int) -> tuple[tuple[Chain, ...], ...]:
    """Groups of all levels; those of one level are as nearly equal as whole cores allow."""
    nodes = list(range(length))
    found = []
    for left in range(levels, 0, -1):
        size = max(1, round(len(nodes) ** (1 - 1 / left)))
        bounds = [len(nodes) * group // size for group in range(size + 1)]
        level = []
        for begin, end in pairwise(bounds):
            middle = begin + (end - begin) // 2
            level.append(Chain(nodes[middle], tuple(nodes[end - 1 : middle : -1]), tuple(nodes[begin:middle])))
        found.append(tuple(level))
        nodes = [chain.root for chain in level]
    return tuple(found)


def pipeline(length: int) -> tuple[tuple[Chain, ...], ...]:
    """One group with its root at the end."""
    return ((Chain(length - 1, (), tuple(range(length - 1))),),)


def levels_of(way: Way, length: int, levels: int) -> tuple[tuple[Chain, ...], ...]:
    """Groups of a tree or a pipeline."""
    return tree(length, levels) if way == "tree" else pipeline(length)


def ring(length: int) -> tuple[int, ...]:
    """Cores in an order in which neighbours, the last and the first too, are at most two hops apart."""
    return (*range(0, length, 2), *range(length - 1 - length % 2, 0, -2))


@cache
def cycles(core: Core, way: Way, length: int, count: int, levels: int = 2, *, spread: bool = True) -> float:
    """Cycles until the sums are there.

    Args:
        core: of the mesh.
        way: how.
        length: cores of the line.
        count: wavelets of each core's vector.
        levels: of a tree.
        spread: every core gets the sums; else the last root, or in a ring every core its part.
    """
    if length == 1:
        return 0.0
    if way == "ring":
        return _round(core, length, count, spread=spread)
    ready = [0.0] * length
    root = 0
    for level in levels_of(way, length, levels):
        for chain in level:
            root = chain.root
            for side in chain.sides:
                ready[root] = max(ready[root], _arrival(core, side, root, ready)) + core.stage
                ready[root] += core.passing(count)
    if not spread:
        return ready[root]
    ends = []
    leaves = ready[root]
    for distance in (root, length - 1 - root):
        if distance:
            leaves += core.stage
            ends.append(leaves + distance * core.hop + core.stage + core.passing(count))
            leaves += core.passing(count)
    return max(ends)


def _arrival(core: Core, side: Sequence[int], root: int, ready: Sequence[float]) -> float:
    """When the first wavelet of a chain reaches its root."""
    first = ready[side[0]] + core.stage
    for before, here in pairwise(side):
        first = max(ready[here], first + core.hop * abs(here - before)) + core.stage
    return first + core.hop * abs(root - side[-1])


def _round(core: Core, length: int, count: int, *, spread: bool) -> float:
    """A ring: each core sends its chunk, then takes, adds and passes chunks, and takes whole sums and passes them."""
    order = np.asarray(ring(length))
    hops = core.hop * np.abs(order - np.roll(order, 1))
    chunk = max(1, -(-count // length))
    first = np.full(length, core.stage)
    turns = 2 * (length - 1) if spread else length - 1
    for _ in range(turns):
        first = np.maximum(first + core.passing(chunk), np.roll(first, 1) + hops) + core.stage
    return float(first.max() + core.passing(chunk))


def traffic(way: Way, length: int, count: int, levels: int = 2, *, spread: bool = True) -> NDArray[np.int64]:
    """Wavelets over each link of the line, both directions together: (length - 1)."""
    loads = np.zeros(max(length - 1, 0), np.int64)
    if length == 1:
        return loads
    if way == "ring":
        order, chunk = ring(length), max(1, -(-count // length))
        turns = 2 * (length - 1) if spread else length - 1
        for here, there in zip(order, (*order[1:], order[0]), strict=True):
            loads[min(here, there) : max(here, there)] += turns * chunk
        return loads
    for level in levels_of(way, length, levels):
        for chain in level:
            for side in chain.sides:
                for here, there in pairwise((*side, chain.root)):
                    loads[min(here, there) : max(here, there)] += count
    loads += count if spread else 0
    return loads


@cache
def additions(way: Way, length: int, levels: int) -> tuple[int, NDArray[np.int64]]:
    """The core that has the sum in the end, and who adds to whom in turn: (additions, 2), of a tree or a pipeline."""
    pairs: list[tuple[int, int]] = []
    root = 0
    for level in levels_of(way, length, levels):
        for chain in level:
            root = chain.root
            for side in chain.sides:
                pairs += pairwise((*side, root))
    return root, np.asarray(pairs, np.int64).reshape(-1, 2)


def reduce(values: Values, way: Way, levels: int) -> Values:
    """The sum of FP16 values (cores, elements), added in the order in which it moves; `values` is used up."""
    from silmark.machines.wafer.kernels import add, meet  # noqa: PLC0415 - numba

    if way != "ring":
        root, pairs = additions(way, len(values), levels)
        meet(values, pairs)
        return np.asarray(values[root])
    order = ring(len(values))
    out = np.empty(values.shape[1], np.float32)
    for chunk, columns in enumerate(np.array_split(np.arange(values.shape[1]), len(values))):
        # Chunk c begins at the c-th core of the ring and goes once round.
        moving = values[order[chunk]][columns]
        for turn in range(1, len(values)):
            moving = add(moving, values[order[(chunk + turn) % len(values)]][columns])
        out[columns] = moving
    return out
