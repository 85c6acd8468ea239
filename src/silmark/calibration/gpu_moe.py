"""Fits routed experts on GPUs: public timings of fused expert kernels on A100, H100 and B200.

Only rows with balanced routing on at most eight ranks enter the fit. With a skewed distribution the table gives the
slowest rank's time without that rank's load; and beyond eight ranks most of what two of the three engines do is to
walk over tokens that other ranks own, which a dispatch (a collective of its own here) avoids.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from silmark.calibration import rows
from silmark.calibration.gpu_gemm import chip_facts
from silmark.calibration.robust import Fit, Group, fit, left_out
from silmark.chips.mechanisms.gpu_experts import expert_rates, experts
from silmark.formats import Precision
from silmark.graph import Array, Experts

FORMATS_OF = {
    "bfloat16": Precision.of("bf16"),
    "fp8": Precision.of("fp8"),
    "fp8_block": Precision.of("fp8"),
    "nvfp4": Precision.of("fp4"),
    "int4_wo": Precision.of("int4:bf16"),
    "w4a16_mxfp4": Precision.of("mxint4:bf16"),
    "w4a8_mxfp4_mxfp8": Precision.of("mxint4:fp8"),
}
"""Data type of a row -> precision (MXFP4 and a 4-bit integer with a scale per 32 take the same room)."""
START = {
    "experts.flop_share": 0.5, "experts.tile_area": 2000.0, "experts.memory_share": 0.9, "experts.tile_cycles": 600.0,
    "experts.launches": 15.0, "experts.row_traffic": 2.0, "experts.overlap": 0.5,
}  # fmt: skip
BOUNDS = {
    "experts.flop_share": (0.1, 1.2), "experts.memory_share": (0.5, 1.0), "experts.overlap": (0.01, 1.0),
    "experts.launches": (3.0, 25.0), "experts.row_traffic": (0.5, 5.0),
}  # fmt: skip

_RANKS = 8


def _predict(parameters: Mapping[str, float], chip: str, op: Experts, precision: Precision) -> Array:
    facts = chip_facts(chip, precision.compute, parameters)
    rates = expert_rates(facts, lambda key: parameters[f"experts.{key}"], precision.compute, precision.weight_bytes)
    memory, compute, overhead = experts(rates, op)
    return np.maximum(memory, compute) + overhead


def groups() -> list[Group]:
    """Rows with balanced routing on few ranks."""
    table = [
        row
        for row in rows.table("ops_moe_aiconfigurator")
        if row["distribution"] == "balanced" and int(row["moe_ep_size"]) <= _RANKS
    ]
    found = []
    for key, some in rows.grouped(table, "system", "engine", "moe_dtype", "kernel_source").items():
        system, engine, dtype, kernel = key
        chip = rows.CHIPS[system]
        ranks = rows.numbers(some, "moe_ep_size")
        op = Experts(
            name="row",
            m=rows.numbers(some, "num_tokens"),
            experts=rows.numbers(some, "num_experts") / ranks,  # type: ignore[arg-type]
            top_k=rows.numbers(some, "topk") / ranks,  # type: ignore[arg-type]
            hidden=rows.numbers(some, "hidden_size"),  # type: ignore[arg-type]
            inner=rows.numbers(some, "inter_size") / rows.numbers(some, "moe_tp_size"),  # type: ignore[arg-type]
            gated="nongated" not in kernel,
        )
        predict = partial(_predict, chip=chip, op=op, precision=FORMATS_OF[dtype])
        found.append(Group(chip, f"{chip} experts {engine} {dtype}", rows.numbers(some, "time_us") * 1e-6, predict))
    return found


def run(known: Mapping[str, float]) -> tuple[Fit, dict[str, dict[str, float]]]:
    """The fit and the statistics of every chip left out, given what the fit of matrix products found."""
    own = groups()
    kept = fit(own, START, BOUNDS, known)
    return kept, left_out(own, kept.values, BOUNDS, known)
