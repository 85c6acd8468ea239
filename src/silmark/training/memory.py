"""Bytes on one chip: states of the optimizer, gradients, activations.

States of mixed-precision Adam: 2 bytes parameter, 2 gradient (4 where gradients are summed in 32 bits), 12 of
32-bit copy and two moments (Rajbhandari et al., arXiv:1910.02054, section 3.1). Activations per layer after
Korthikanti et al., arXiv:2205.05198, equations 1 to 4, term by term from the model's own operators; fused attention
keeps no scores, so the 5 a s / h term appears only without it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from silmark.chips import Chip
from silmark.graph import Attention, Elementwise, Experts, Gemm, Op
from silmark.mapping import Infeasible
from silmark.mapping.memory import usable
from silmark.models import Model
from silmark.training.job import Job, Jobs, Real, Whole, fullest
from silmark.training.work import operators

STATES = 12.0
_SCORE_BYTES = 5.0
"""Per score: softmax output, dropout output, dropout mask (arXiv:2205.05198, section 4.1)."""
_STATISTICS = 0.5
"""Bytes per element-wise input beside the saved value: a dropout mask or statistics, where the paper counts one."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on the fullest chip: parameters, gradients, optimizer states, activations; and what there is.

    Of one job, or arrays of many.
    """

    weights: Real
    gradients: Real
    optimizer: Real
    activations: Real
    capacity: float

    @property
    def parts(self) -> dict[str, Real]:
        """By name, for sentences."""
        return {
            "parameters": self.weights,
            "gradients": self.gradients,
            "optimizer states": self.optimizer,
            "activations": self.activations,
        }

    @property
    def total(self) -> Real:
        """All of them."""
        return self.weights + self.gradients + self.optimizer + self.activations


def memory(model: Model, chip: Chip, job: Job | Jobs, whole: Real) -> Memory:
    """Bytes on the first pipeline stage, which holds the most micro batches, with the layers of the fullest one.

    Args:
        whole: `layers_keep` of the job's tp, cp, micro batch and recomputation.
    """
    own = model.parameters / (job.tp * job.pp) * fullest(max(1, model.layer_count), job)
    divided = [own / np.where(job.zero >= level, job.shards, 1) for level in (3, 2, 1)]
    tier = "main" if "memory.main.capacity" in chip.figures else "sram"
    return Memory(
        weights=divided[0] * job.element_bytes + _gathered(model, job) * (job.zero == 3),
        gradients=divided[1] * job.reduce_bytes,
        optimizer=divided[2] * STATES,
        activations=activations(model, job, whole),
        capacity=usable(chip, tier),
    )


def _gathered(model: Model, job: Job | Jobs) -> Real:
    """Two layers' parameters lie whole on every chip while they are used and the next arrive."""
    return 2.0 * model.parameters / max(1, model.layer_count) / job.tp * job.element_bytes


def activations(model: Model, job: Job | Jobs, whole: Real) -> Real:
    """Bytes kept for the backward pass on the first stage: pp micro batches, (1 + (p-1)/(pv)) L layers interleaved.

    Args:
        whole: see `memory`.
    """
    layers = max(1, model.layer_count)
    tokens = job.micro * job.seq / job.cp
    boundary = tokens * model.hidden * job.element_bytes / np.where(job.sequence_parallel, job.tp, 1)
    borders = job.by_recompute(none=0.0, selective=0.0, alternate=0.0, full=float(layers))
    inside = job.by_recompute(none=1.0, selective=1.0, alternate=0.5, full=1.0 / layers)
    stages = 1.0 + (job.pp - 1) / (job.pp * job.interleave) * (job.interleave > 1)
    flying = np.minimum(job.passes, job.pp) / job.pp
    logits = tokens * model.vocab / job.tp * 4.0 * (job.pp == 1)
    return (boundary * borders + whole * inside) * fullest(layers, job) * stages * flying + logits


def layers_keep(model: Model, job: Job, micro: Whole | None = None) -> Real:
    """Bytes that all layers of a replica keep of one micro batch where nothing is computed again but attention.

    Args:
        micro: micro batches in place of the job's own.
    """
    inside = tuple(f"{block.name}." for _, block in model.blocks)
    graph = operators(model, job, micro)
    return sum((_kept(op, job) for op in graph if op.name.startswith(inside)), start=0.0)


def _kept(op: Op, job: Job) -> Real:
    """Bytes that an operator's backward pass needs, all its instances on one chip."""
    width = job.element_bytes
    match op:
        case Gemm():
            # With sequence parallelism each chip keeps its share of a gathered input and gathers it again.
            shared = job.tp if job.sequence_parallel and op.split == "column" else 1
            return op.m * op.k * op.groups * width * op.count / shared
        case Attention():
            elements = op.seqs * op.new * (op.heads * op.qk_dim + op.kv_width)
            kept = not job.flash and job.recompute != "selective"
            scores = op.seqs * op.new**2 * op.heads * _SCORE_BYTES if kept else 0.0
            return (elements * width + scores) * op.count
        case Experts():
            ups = 3 if op.gated else 2
            return op.m * op.top_k * (op.hidden + ups * op.inner) * width * op.count
        case Elementwise():
            # A norm reads value and residual and keeps one; an activation keeps what it reads.
            read = op.read if op.write < op.read else op.read / 2
            return op.m * read * (width + _STATISTICS) * op.count
    return 0.0


def too_much(model: Model, job: Job, chip: Chip, need: Memory) -> Infeasible | None:
    """The reason why the job does not fit, with the part that takes most and what would help; None if it fits."""
    if need.total <= need.capacity:
        return None
    parts = {name: float(size) for name, size in need.parts.items()}
    worst = max(parts, key=lambda name: parts[name])
    if worst == "activations":
        remedy = "a smaller micro batch or --recompute full"
    else:
        remedy = "more chips, or more tp or pp" if job.zero == 3 else "more tp or pp, or --zero 3"
    listed = ", ".join(f"{name} {size / 1e9:.3g}" for name, size in parts.items())
    return Infeasible(
        f"training takes {need.total / 1e9:.3g} GB per chip ({listed}), {chip.id} has {need.capacity / 1e9:.3g} GB; "
        f"{worst} take most: {remedy}"
    )
