"""DeepSeek's published tables: fp8 products, alone and grouped, and the exchanges of DeepEP's low-latency mode."""

from __future__ import annotations

import re

import numpy as np

from silmark import fabric
from silmark.chips import catalog
from silmark.errors import UnknownName
from silmark.graph import Array
from silmark.systems import Target
from silmark.systems.catalog import usual
from silmark.validation.operators.collectives import link
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, gemm

COLUMNS = frozenset({"hardware", "op", "groups", "m", "n", "k", "notes"})
_EXCHANGE = re.compile(r"(\d{1,6}) tokens/batch, hidden (\d{1,6}),.*?top-(\d{1,3})(?: *;|$| *;? groups column)")
_BYTES = {"dispatch": 1.0 + 4.0 / 128.0, "combine": 2.0}
"""Per element: fp8 with a scale of four bytes per 128, and bf16."""


def predict(table: Columns) -> Draft:
    """Seconds of every row; m of a grouped product is one group's."""
    m, n, k = (table.number(name) for name in "mnk")

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        hardware, op, groups, notes = key
        chip, count = alias("hardware", hardware), int(groups) if groups.isdecimal() else 0
        if op.startswith("DeepEP"):
            return chip, f"exchange/{op}", np.full(rows.size, exchange(chip, op, notes, count))
        if "gemm" not in op or not count:
            raise UnknownName("operator", op, ("fp8 block gemm", "DeepEP dispatch", "DeepEP combine"))
        kind = "grouped/deepgemm" if "Grouped" in op else "gemm/fp8_block/deepgemm"
        # Grouped products lie side by side: together they are as many rows, each expert's with its own weights.
        took = gemm(chip, "fp8", m[rows] * 1.0, n[rows] * count, k[rows])
        return chip, kind, took

    return by_group(table, ("hardware", "op", "groups", "notes"), group)


def exchange(chip: str, op: str, notes: str, count: int) -> float:
    """Seconds of a dispatch or combine among `count` chips: an all-to-all of every token's choices."""
    said = _EXCHANGE.search(notes)
    phase = next((name for name in _BYTES if name in op), None)
    if said is None or phase is None:
        raise UnknownName("exchange", op, _BYTES, hint="its notes give tokens, hidden width and top-k")
    tokens, hidden, chosen = (float(number) for number in said.groups())
    found = catalog.load(chip)
    system = usual(found)
    through = link(chip, count) if count <= system.chips else Target(found, system, count).link("out")
    payload = np.asarray([tokens * hidden * chosen * _BYTES[phase]])
    return float(fabric.collective_time("all-to-all", payload, count, through)[0])
