"""Matrix products: m, n, k in a data type, timed inside an engine's layer (aiconfigurator)."""

from __future__ import annotations

from silmark.calibration.gpu_gemm import COPIES
from silmark.graph import Array
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, gemm

COLUMNS = frozenset({"system", "engine", "gemm_dtype", "m", "n", "k", "kernel_source"})


def predict(table: Columns) -> Draft:
    """Seconds of every row."""
    m, n, k = (table.number(name) for name in "mnk")

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        system, engine, dtype, kernel = key
        chip = alias("hardware", system)
        took = gemm(chip, alias("precisions", dtype), m[rows], n[rows], k[rows], COPIES, f"{engine}:{dtype}:{kernel}")
        return chip, f"gemm/{dtype}/{engine}/{kernel}", took

    return by_group(table, ("system", "engine", "gemm_dtype", "kernel_source"), group)
