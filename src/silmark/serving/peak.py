"""The largest working set of a pass: what an engine finds when it tries its largest step before it serves."""

from __future__ import annotations

import numpy as np

from silmark.graph import Attention, Elementwise, Experts, Gemm, Op
from silmark.step import StepModel
from silmark.workloads import Step


def activations(model: StepModel, tokens: int) -> float:
    """Bytes alive at the worst operator of a pass of so many prompt tokens, on one chip.

    An operator needs its inputs and outputs, beside the residual stream and the hidden state that pass it by.
    """
    width = model.plan.precision.activation_bytes
    share = -(-tokens // model.plan.cp)
    streams = 2.0 * share * model.model.hidden * width
    worst = max((_alive(op, width) for op in model.sharded(Step.prefill(1.0, float(tokens)))), default=0.0)
    return streams + worst


def logits(model: StepModel, sequences: int) -> float:
    """Logits of so many sequences: all chips of a group hold those of the whole vocabulary."""
    return float(sequences) * model.model.vocab


def _alive(op: Op, width: float) -> float:
    match op:
        case Gemm():
            return float(np.max(op.m)) * op.groups * (op.k + op.n) * width
        case Experts():
            rows = float(np.max(op.m)) * op.top_k
            return rows * (max(op.hidden, 2 * op.inner) + op.inner + op.hidden) * width
        case Elementwise():
            return float(np.max(op.m)) * (op.read + op.write) * width
        case Attention():
            return float(np.max(op.seqs * op.new)) * op.heads * (op.qk_dim + 2 * op.v_dim) * width
    return 0.0
