"""The time that no step can beat: its FLOPs at the highest peak, its bytes at the highest bandwidth."""

from __future__ import annotations

import numpy as np

from silmark.chips import Chip
from silmark.graph import Array, Attention, Conv, Experts, Gemm, Graph, count
from silmark.mapping import Plan
from silmark.mapping.context import own

_MATRIX = (Gemm, Experts, Conv, Attention)


def floor_s(chip: Chip, plan: Plan, graph: Graph) -> Array:
    """Least seconds of a sharded graph on one chip, whatever its software.

    Upper ends of the chip's figures count; weights that a cache or on-die memory may keep are taken off.
    """
    ops = tuple(own(op) if isinstance(op, Attention) else op for op in graph if isinstance(op, _MATRIX))
    peak, bandwidth = (
        chip.figures.get(key)
        for key in (f"peak.{plan.precision.compute}", f"memory.{plan.placement.weights}.bandwidth")
    )
    least: Array = np.zeros(())
    if peak is not None:
        least = np.asarray(count(ops).flops / peak.high)
    if bandwidth is not None:
        kept = chip.si("memory.cache.capacity", 0.0) + chip.si("memory.sram.capacity", 0.0)
        moved = sum((_bytes(op, plan) for op in ops), np.zeros(()))
        resident = kept if plan.placement.weights == "main" else 0.0
        least = np.maximum(least, (moved - resident) / bandwidth.high)
    return least


def _bytes(op: Gemm | Experts | Conv | Attention, plan: Plan) -> Array:
    work = count(op)
    if isinstance(op, Attention):
        same = plan.placement.kv == plan.placement.weights
        return work.kv * op.kv_bytes(plan.precision.kv_bytes) if same else np.zeros(())
    bits = None if isinstance(op, Conv) else op.weight_bits
    return work.weights * (plan.precision.weight_bytes if bits is None else bits / 8)
