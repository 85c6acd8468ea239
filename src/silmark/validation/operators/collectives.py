"""Collectives inside one node by library and implementation (aiconfigurator).

The message is counted in elements of the stated type, and as the part that one chip keeps: an all-to-all sends
(n - 1) / n of it.
"""

from __future__ import annotations

from dataclasses import replace

from silmark import fabric
from silmark.chips import catalog
from silmark.errors import UnknownName
from silmark.fabric import Link
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
_LIBRARIES = ("NCCL", "oneCCL")
"""Implementations without kernels of the engines' own."""
_EAGER = "_eager"
"""How implementations end that the host launches one by one."""


def link(chip: str, count: int, kernels: bool = False) -> Link:
    """What joins so many chips in their usual nodes; with the engines' own kernels or the library alone."""
    found = catalog.load(chip)
    system = usual(found)
    through = Target(found, system, count).spanning(count, system.chips)
    return replace(through, kernels=kernels and through.kernels)


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
        through = fabric.summing(link(chip, n, kernels=impl not in _LIBRARIES), dtype)
        took = fabric.collective_time(PATTERN[op], payload, n, through)
        if impl.endswith(_EAGER):
            found = catalog.load(chip)
            sustained = found.si("memory.main.achievable", found.si("memory.main.bandwidth"))
            took = fabric.eager(took, payload, sustained)
        wires = "host" if through.through_host else "chips"
        return chip, f"collective/{op}/{impl}/{wires}/{n}", took

    return by_group(table, ("system", "op", "impl", "dtype", "num_gpus"), group)
