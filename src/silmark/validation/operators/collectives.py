"""Collectives inside one node by library and implementation (aiconfigurator).

The message is counted in elements of the stated type, and as the part that one chip keeps: an all-to-all sends
(n - 1) / n of it.
"""

from __future__ import annotations

import numpy as np

from silmark.chips import catalog
from silmark.errors import UnknownName
from silmark.fabric import PATTERNS, Link
from silmark.fabric.terms import beyond_pair, library, seconds
from silmark.fabric.topology import shape
from silmark.formats import get
from silmark.graph import Array
from silmark.systems import Target
from silmark.systems.catalog import usual
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group

COLUMNS = frozenset({"system", "library", "op", "impl", "dtype", "num_gpus", "message_elements"})
PATTERN = {
    "all_reduce": "all-reduce",
    "all_gather": "all-gather",
    "reduce_scatter": "reduce-scatter",
    "alltoall": "all-to-all",
    "send_recv": "send",
}
_SHOTS = ("all_reduce_one_shot", "all_reduce_two_shot")
"""Kernels that engines bring along; the communication libraries do not have them."""


def link(chip: str, count: int) -> Link:
    """The link inside the usual node of so many chips."""
    found = catalog.load(chip)
    return Target(found, usual(found), count).link("up")


def collective(pattern: str, payload: Array, count: int, through: Link, own_kernels: bool) -> Array:
    """Seconds by the fastest algorithm of the library, or with the engines' own kernels."""
    if count < 2:
        return np.full(payload.shape, np.nan)
    lies = shape(through.topology, count, through.size, through.dimensions, beyond_pair())
    offered = library(through.library)
    times = [
        seconds(payload, through, offered[name], algorithm.factor(count, lies), algorithm.steps(count, lies))
        for name, algorithm in PATTERNS[pattern].items()
        if name in offered and algorithm.available(count, through) and (own_kernels or name not in _SHOTS)
    ]
    return np.asarray(np.minimum.reduce(times))


def predict(table: Columns) -> Draft:
    """Seconds of every row."""
    elements = table.number("message_elements")

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        system, op, impl, dtype, count = key
        chip = alias("hardware", system)
        if op not in PATTERN or not count.isdecimal():
            raise UnknownName("collective", f"{op} of {count}", PATTERN)
        n = int(count)
        payload = elements[rows] * get(alias("precisions", dtype)).bytes
        if op == "alltoall":
            payload = payload * (n - 1) / n
        own = impl not in ("NCCL", "oneCCL")
        through = link(chip, n)
        wires = "switch" if through.topology == "switch" else "host"
        return chip, f"collective/{op}/{impl}/{wires}/{n}", collective(PATTERN[op], payload, n, through, own)

    return by_group(table, ("system", "op", "impl", "dtype", "num_gpus"), group)
