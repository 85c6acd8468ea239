"""Single operators of LLMCompass's validation: products, softmax, layer norms and GELU."""

from __future__ import annotations

import numpy as np

from silmark.errors import UnknownName
from silmark.graph import Array, Elementwise
from silmark.validation.operators.columns import Columns, Index
from silmark.validation.operators.draft import Draft, alias, by_group, gemm, seconds

COLUMNS = frozenset({"hardware", "op", "dtype", "shape", "m", "n", "k"})
_FLOPS = {"softmax": 6, "layernorm": 6, "gelu": 12}
"""Vector operations per element, counted from the formulas."""


def predict(table: Columns) -> Draft:
    """Seconds of every row."""
    m, n, k = (table.number(name) for name in "mnk")

    def group(key: tuple[str, ...], rows: Index) -> tuple[str, str, Array]:
        hardware, op, dtype = key
        if op.startswith("transformer"):
            raise UnknownName("shape of this operator", op, (), hint="the table does not say which operator a line is")
        chip, formats = alias("hardware", hardware), alias("precisions", dtype)
        if op == "matmul":
            return chip, "llmcompass/product", gemm(chip, formats, m[rows], n[rows], k[rows])
        if op not in _FLOPS:
            raise UnknownName("operator", op, ("matmul", *_FLOPS))
        elements = m[rows] * (np.ones(rows.size) if op == "gelu" else n[rows])
        moved = Elementwise(name=op, m=elements, read=1, write=1, flops=_FLOPS[op])
        return chip, f"llmcompass/element-wise/{op}", seconds(chip, formats, moved)

    return by_group(table, ("hardware", "op", "dtype"), group)


def measured(table: Columns) -> Array:
    """Seconds of public rows; where the file stores a rate it is in 1e9 elements per second."""
    n = np.where(np.array(table.text("op")) == "gelu", 1.0, table.number("n"))
    plotted = table.number("m") * n / (table.number("reported_value") * 1e9)
    return np.where(np.isnan(table.number("time_us")), plotted, table.number("time_us") * 1e-6)
