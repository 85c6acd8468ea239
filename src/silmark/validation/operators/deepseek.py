"""DeepSeek's published tables: fp8 products, alone and grouped, and the exchanges of DeepEP."""

from __future__ import annotations

import numpy as np

from silmark.calibration.exchange import Exchange, reach
from silmark.chips import catalog
from silmark.errors import UnknownName
from silmark.fabric import exchange_time, library_of
from silmark.fabric.exchange import low_latency, normal, ways
from silmark.graph import Array
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, gemm, whole
from silmark.validation.operators.infersim import DEEPGEMM

COLUMNS = frozenset({"hardware", "op", "groups", "m", "n", "k", "notes"})


def predict(table: Columns) -> Draft:
    """Seconds of every row; m of a grouped product is one group's."""
    m, n, k = (table.number(name) for name in "mnk")

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        hardware, op, groups, notes = key
        chip, count = alias("hardware", hardware), whole("groups", groups)
        if op.startswith("DeepEP"):
            return chip, f"exchange/{op}", np.full(rows.size, exchange(chip, op, notes, count))
        if "gemm" not in op:
            raise UnknownName("operator", op, ("fp8 block gemm", "DeepEP dispatch", "DeepEP combine"))
        kind = "grouped/deepgemm" if "Grouped" in op else "gemm/fp8_block/deepgemm"
        # Grouped products lie side by side: together they are as many rows, each expert's with its own weights.
        took = gemm(chip, "fp8", m[rows] * 1.0, n[rows] * count, k[rows], engine=DEEPGEMM)
        return chip, kind, took

    return by_group(table, ("hardware", "op", "groups", "notes"), group)


def exchange(chip: str, op: str, notes: str, count: int) -> float:
    """Seconds of a dispatch or combine among `count` chips, by the way that its name says."""
    what = Exchange.of(op, notes)
    payload, members = np.asarray(what.payload), reach(chip, count)
    known = ways(library_of(catalog.load(chip).vendor))
    wanted = "low_latency" if what.latency else "normal"
    if wanted not in known:
        return float(exchange_time(payload, what.copies, members))
    if what.latency:
        return float(low_latency(known[wanted], payload, members, what.wired))
    return float(normal(known[wanted], payload, what.copies, members))
