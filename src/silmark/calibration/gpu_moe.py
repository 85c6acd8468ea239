"""Fits routed experts on GPUs: public timings of fused expert kernels on A100, H100 and B200.

A row is one rank. The kernels walk over the routed rows of all ranks where nothing dispatched them before, which the
fit takes into account (`Routing.walked`). With a skewed distribution the table gives the slowest rank's time without
that rank's load; `gpu_routing` estimates the load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from silmark.calibration import rows
from silmark.calibration.gpu_gemm import chip_facts
from silmark.calibration.gpu_tree import LEVELS, LIBRARY, Part, Table
from silmark.calibration.robust import Fit, Group, fit
from silmark.chips.mechanisms.gpu_experts import Routing, expert_rates, experts
from silmark.chips.mechanisms.gpu_routing import balanced, skewed
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
    "experts.launches": 15.0, "experts.row_traffic": 2.0, "experts.overlap": 0.5, "experts.expert_cycles": 50.0,
    "experts.walk_cycles": 0.5,
}  # fmt: skip
BOUNDS = {
    "experts.flop_share": (0.1, 1.2), "experts.memory_share": (0.5, 1.0), "experts.overlap": (0.01, 1.0),
    "experts.launches": (3.0, 25.0), "experts.row_traffic": (0.5, 5.0),
}  # fmt: skip


def _predict(parameters: Mapping[str, float], chip: str, op: Experts, precision: Precision, routing: Routing) -> Array:
    facts = chip_facts(chip, precision.compute, parameters)
    rates = expert_rates(facts, lambda key: parameters[f"experts.{key}"], precision.compute, precision.weight_bytes)
    memory, compute, overhead = experts(rates, op, routing)
    return np.asarray(np.maximum(memory, compute) + overhead)


def routing_of(some: list[rows.Row], distribution: str) -> Routing:
    """Where the tokens of rows of one distribution (`balanced`, `power_law_1.2`) went."""
    tokens, total = rows.numbers(some, "num_tokens"), rows.numbers(some, "num_experts")
    chosen, ranks = rows.numbers(some, "topk"), rows.numbers(some, "moe_ep_size")
    if distribution == "balanced":
        return balanced(tokens, total, chosen, ranks)
    return skewed(tokens, total, chosen, ranks, float(distribution.rpartition("_")[2]))


def tables(part: slice = slice(None)) -> list[Table]:
    """All tables; `part` picks some rows of each."""
    found = []
    keys = ("system", "engine", "moe_dtype", "kernel_source", "distribution")
    for key, whole in rows.grouped(list(rows.table("ops_moe_aiconfigurator")), *keys).items():
        (system, engine, dtype, kernel, distribution), some = key, whole[part]
        if not some:
            continue
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
        predict = partial(
            _predict, chip=chip, op=op, precision=FORMATS_OF[dtype], routing=routing_of(some, distribution)
        )
        label = f"{chip} {dtype} {engine} {kernel}"
        found.append(Table(dtype, engine, kernel, Group(chip, label, rows.numbers(some, "time_us") * 1e-6, predict)))
    return found


def _common(known: Mapping[str, float], some: Sequence[Table]) -> Fit:
    return fit([table.group for table in some], START, BOUNDS, known)


def part(known: Mapping[str, float]) -> Part:
    """Routed experts, given what the fit of matrix products found.

    Kernels for one scheme differ by factors of two to three, so that their pool says little of a generation or a
    scheme: only libraries and kernels get factors, plans without an engine what all tables have in common.
    """
    return Part("experts", tables, partial(_common, known), known, levels=LEVELS[LIBRARY:])
