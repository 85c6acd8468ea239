"""Model FLOPs of a training step, as MFU and HFU count them.

Chowdhery et al. (PaLM, arXiv:2204.02311, appendix B): 6 N + 12 L H Q T per token - N parameters, L layers, H heads
of width Q, T tokens per sequence; causal masks are not taken off. HFU adds what is computed a second time.
"""

from __future__ import annotations

import numpy as np

from silmark.graph import Attention, Scan
from silmark.models import Model
from silmark.training.job import Job
from silmark.workloads import Step


def attention_width(model: Model) -> float:
    """Sum over layers of heads times head width: L H Q, windows not counted."""
    total = 0.0
    for op in model.lower(Step.forward(1, 1)):
        if isinstance(op, Attention):
            total += op.count * op.heads * (op.qk_dim + op.v_dim) / 2
        elif isinstance(op, Scan):
            total += op.count * op.heads * op.state / 4  # 6 FLOPs per state element and pass, spread over one token
    return total


def active(model: Model) -> float:
    """N of the formula: learned elements of one token's path; tables of learned vectors count as in the sources."""
    routed = model.active_parameters < 0.75 * model.parameters
    return float(model.active_parameters if routed else model.parameters)


def per_token(model: Model, seq: int) -> float:
    """Model FLOPs per token, forward and backward."""
    return 6.0 * active(model) + 12.0 * attention_width(model) * seq


def hardware_per_token(model: Model, job: Job) -> float:
    """The same with what is recomputed: a third more for whole layers, one forward pass of attention, or half."""
    base, scores = per_token(model, job.seq), 4.0 * attention_width(model) * job.seq
    again = {"none": 0.0, "selective": scores, "alternate": active(model), "full": base / 3}
    return float(np.asarray(base + again[job.recompute]))
