"""Collectives inside one node by library and implementation (aiconfigurator).

The message is counted in elements of the stated type, and as the part that one chip keeps: an all-to-all sends
(n - 1) / n of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from silmark import fabric
from silmark.chips import catalog
from silmark.errors import UnknownName
from silmark.fabric import Reach
from silmark.formats import get
from silmark.graph import Array
from silmark.systems import Target
from silmark.systems.catalog import usual
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, Filling, Spread, alias, by_group, whole

COLUMNS = frozenset({"system", "library", "op", "impl", "dtype", "num_gpus", "message_elements"})
PATTERN = {
    "all_reduce": "all-reduce",
    "all_gather": "all-gather",
    "reduce_scatter": "reduce-scatter",
    "alltoall": "all-to-all",
    "send_recv": "send",
}
_LIBRARIES = ("NCCL", "oneCCL")
"""Implementations without kernels of the engines' own."""
_EAGER = "_eager"
"""How implementations end that the host launches one by one."""


def reach(chip: str, count: int, kernels: bool = False, dtype: str = "half") -> Reach:
    """What joins so many chips in their usual nodes; with the engines' own kernels or the library alone."""
    found = catalog.load(chip)
    members = Target(found, usual(found), count).reach(count)
    up = fabric.summing(members.up, dtype)
    return replace(members, up=replace(up, kernels=kernels and up.kernels))


def spread(target: Target, members: Reach, seconds: Callable[[Reach], Array]) -> Spread:
    """What a link of uncertain rate and latency adds: PCIe behind switches, bridges and CPUs that nobody stated."""
    rate, latency = target.figures("up").values()
    best, worst = (
        replace(members, up=replace(members.up, bandwidth_bytes_per_s=fast, latency_s=slow))
        for fast, slow in ((rate.high, latency.low), (rate.low, latency.high))
    )
    middle = seconds(members)
    return Spread(np.log(middle / seconds(best)), np.log(seconds(worst) / middle))


def predict(table: Columns) -> Draft:
    """Seconds of every row."""
    elements = table.number("message_elements")

    def group(key: tuple[str, ...], rows: Index) -> Filling:
        system, op, impl, dtype, count = key
        chip = alias("hardware", system)
        if op not in PATTERN:
            raise UnknownName("collective", op, PATTERN)
        n = whole("num_gpus", count)
        payload = elements[rows] * get(alias("precisions", dtype)).bytes
        if op == "alltoall":
            payload = payload * (n - 1) / n
        members = reach(chip, n, impl not in _LIBRARIES, dtype)
        found = catalog.load(chip)
        sustained = found.si("memory.main.achievable", found.si("memory.main.bandwidth"))

        def seconds(over: Reach) -> Array:
            took = fabric.group_time(PATTERN[op], payload, over)
            return fabric.eager(took, payload, sustained) if impl.endswith(_EAGER) else took

        part = f"collective/{op}/{impl}/{'host' if members.up.through_host else 'chips'}/{n}"
        if not members.up.through_host:
            return chip, part, seconds(members)
        return chip, part, seconds(members), spread(Target(found, usual(found), n), members, seconds)

    return by_group(table, ("system", "op", "impl", "dtype", "num_gpus"), group)
