"""The grid of a sweep: blocks of axes, and the numbering of their points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NAME_AXES = ("models", "on", "precision", "maturity", "attention", "weights_in", "kv_in")
SIZE_AXES = ("tp", "cp", "pp", "ep", "chunk", "dp")
PLAN_AXES = (*NAME_AXES, *SIZE_AXES)
"""What a plan depends on, slowest first; `chunk` and `dp` last, since neighbours in them share a compiled replica."""
POINT_AXES = ("batch", "prompt", "output")
"""What is evaluated as arrays within a plan, slowest first."""
SERVED_AXES = ("policy", "rate")
"""The same where a trace is sent to a simulated server; rate is a number, or "trace" for the trace's own."""

Value = str | int | float


@dataclass(frozen=True, slots=True)
class Cut:
    """One plan as the grid asks for it; None is the usual cut for what is left.

    Attributes:
        model, on, precision: names as typed.
        maturity: own or equal.
        attention: heads or batch.
        weights_in, kv_in: memory tiers, or auto.
        sizes: tp, cp, pp, ep, chunk, dp.
    """

    model: str
    on: str
    precision: str
    maturity: str
    attention: str
    weights_in: str
    kv_in: str
    sizes: Mapping[str, int | None]


class Points(NamedTuple):
    """Points of one plan, arrays of equal size."""

    batch: NDArray[np.float64]
    prompt: NDArray[np.float64]
    output: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Block:
    """A product of axes, each a tuple of values, by name."""

    axes: Mapping[str, tuple[Value, ...]]

    @property
    def point_axes(self) -> tuple[str, ...]:
        """The axes of the points within a plan."""
        return SERVED_AXES if "rate" in self.axes else POINT_AXES

    @property
    def plans(self) -> int:
        """Combinations of the plan's axes."""
        return math.prod(len(self.axes[name]) for name in PLAN_AXES)

    @property
    def points_each(self) -> int:
        """Points of one plan."""
        return math.prod(len(self.axes[name]) for name in self.point_axes)

    def cut(self, index: int) -> Cut:
        """The plan of that number."""
        chosen = {}
        for name in reversed(PLAN_AXES):
            index, at = divmod(index, len(self.axes[name]))
            chosen[name] = self.axes[name][at]
        sizes = {name: None if chosen[name] == "auto" else int(chosen[name]) for name in SIZE_AXES}
        model, on, precision, maturity, attention, weights, cache = (str(chosen[name]) for name in NAME_AXES)
        return Cut(model, on, precision, maturity, attention, weights, cache, sizes)

    def points(self, start: int, stop: int) -> Points:
        """A plan's points in a range of their numbers."""
        shape = tuple(len(self.axes[name]) for name in POINT_AXES)
        places = np.unravel_index(np.arange(start, stop), shape)
        named = zip(POINT_AXES, places, strict=True)
        return Points(*(np.array(self.axes[name], dtype=np.float64)[at] for name, at in named))

    def loads(self, start: int, stop: int) -> list[tuple[str, Value]]:
        """The same where a trace is sent: policies and rates."""
        policies, rates = (self.axes[name] for name in SERVED_AXES)
        return [(str(policies[at // len(rates)]), rates[at % len(rates)]) for at in range(start, stop)]


@dataclass(frozen=True, slots=True)
class Serving:
    """What is sent to simulated servers.

    Attributes:
        trace: as after `--trace`.
        slo: promises, empty for none.
        limit: most requests.
        seed: of all chances.
        digest: of the trace's file; empty where it is generated.
    """

    trace: str
    slo: str = ""
    limit: int | None = None
    seed: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Points of one plan that lie in one shard.

    Attributes:
        block, plan: which plan.
        start, stop: range of the plan's points.
        first: number of the first of them in the whole grid.
    """

    block: Block
    plan: int
    start: int
    stop: int
    first: int


@dataclass(frozen=True, slots=True)
class Grid:
    """What to evaluate and what to keep.

    Attributes:
        blocks: evaluated one after another.
        rows_per_file: points of one shard.
        columns: kept of each point, in the order of the table.
        folder: where the file wants its results, empty if it does not say.
        serving: what is sent to simulated servers; None where points are steady states.
    """

    blocks: tuple[Block, ...]
    rows_per_file: int
    columns: tuple[str, ...]
    folder: str = ""
    serving: Serving | None = None

    @property
    def points(self) -> int:
        """Points of all blocks."""
        return sum(block.plans * block.points_each for block in self.blocks)

    @property
    def plans(self) -> int:
        """Plans of all blocks."""
        return sum(block.plans for block in self.blocks)

    @property
    def shards(self) -> int:
        """Files."""
        return -(-self.points // self.rows_per_file)

    def values(self, axis: str) -> list[Value]:
        """All values of an axis over all blocks, each once."""
        return list(dict.fromkeys(value for block in self.blocks for value in block.axes[axis]))

    def stretches(self, shard: int) -> Iterator[Stretch]:
        """What lies in a shard, plan by plan."""
        start, stop = shard * self.rows_per_file, min(self.points, (shard + 1) * self.rows_per_file)
        before = 0
        for block in self.blocks:
            each, size = block.points_each, block.plans * block.points_each
            at, end = max(start, before), min(stop, before + size)
            while at < end:
                plan, inside = divmod(at - before, each)
                until = min(each, inside + end - at)
                yield Stretch(block, plan, inside, until, at)
                at += until - inside
            before += size

    def as_dict(self) -> dict[str, Any]:
        """What decides the results, as JSON."""
        blocks = [{name: list(values) for name, values in block.axes.items()} for block in self.blocks]
        asked = {"grid": blocks, "rows_per_file": self.rows_per_file, "columns": list(self.columns)}
        return asked if self.serving is None else asked | {"serving": asdict(self.serving)}
