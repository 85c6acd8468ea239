"""Fits element-wise kernels on GPUs: residual adds on A100 and A40, fused norms and activations on RTX 4090.

vidur's norms and activations (vLLM of 2023) reach a third to a half of the memory's bandwidth, the same kernels of
2025 all of it; the fit takes the newer ones and the residual table shows the older.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from silmark.calibration import robust, rows
from silmark.calibration.gpu_gemm import chip_facts
from silmark.calibration.robust import Fit, Group, fit
from silmark.chips.mechanisms.gpu import stream_rates
from silmark.graph import Array

START = {
    "elementwise.kernel_cycles": 2000.0, "elementwise.memory_share": 0.9, "elementwise.cache_share": 0.5,
    "elementwise.resident_share": 0.3,
}  # fmt: skip
BOUNDS = {
    "elementwise.memory_share": (0.4, 1.0), "elementwise.cache_share": (0.05, 2.0),
    "elementwise.resident_share": (0.01, 1.0),
}  # fmt: skip
_BYTES = 2.0
_SIZES = {
    "meta-llama/Llama-2-70b-hf": (8192, 28672),
    "meta-llama/Llama-2-7b-hf": (4096, 11008),
    "meta-llama/Meta-Llama-3-8B": (4096, 14336),
    "meta-llama/Llama-3.1-8B": (4096, 14336),
    "codellama/CodeLlama-34b-Instruct-hf": (8192, 22016),
    "internlm/internlm-20b": (5120, 13824),
}
"""Model -> hidden and inner width, from the models' published configurations."""


def _moved(op: str, model: str, ways: float) -> float:
    """Elements that one token reads and writes."""
    hidden, inner = _SIZES[model]
    passes = {"add": 3, "input_layernorm": 2, "layernorm": 4, "mlp_act": 3, "act_fn": 3}[op]
    return passes * (inner / ways if op in ("mlp_act", "act_fn") else hidden)


def _predict(parameters: Mapping[str, float], chip: str, moved: Array) -> Array:
    facts = chip_facts(chip, "bf16", parameters)
    rates = stream_rates(facts, lambda key: parameters[f"elementwise.{key}"])
    return np.asarray(np.maximum(*rates.seconds(moved)) + rates.fixed)


NEWER = (("ops_mlp_vidur", "op", ("add",)), ("ops_rtx_dense_llmservingsim", "layer", ("layernorm", "act_fn")))
OLDER = (("ops_mlp_vidur", "op", ("input_layernorm", "mlp_act")),)


def groups(tables: tuple[tuple[str, str, tuple[str, ...]], ...] = NEWER) -> list[Group]:
    """Rows of residual adds, root-mean-square norms (fused with the add since 2024) and gated activations."""
    found = []
    for table, column, ops in tables:
        some = [row for row in rows.table(table) if row[column] in ops and row["model"] in _SIZES]
        tokens = "m" if table == "ops_mlp_vidur" else "tokens"
        for (hardware, op), part in rows.grouped(some, "hardware", column).items():
            chip = rows.CHIPS[hardware]
            per_token = np.array([_moved(op, row["model"], float(row["tp"])) for row in part])
            moved = rows.numbers(part, tokens) * per_token * _BYTES
            predict = partial(_predict, chip=chip, moved=moved)
            found.append(Group(chip, f"{chip} {op}", rows.numbers(part, "time_us") * 1e-6, predict))
    return found


def fitted(known: Mapping[str, float]) -> Fit:
    """The fit, given what the fit of matrix products found."""
    return fit(groups(), START, BOUNDS, known)


def left_out(kept: Fit, known: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """The statistics of every chip left out."""
    return robust.left_out(groups(), kept.values, BOUNDS, known)
