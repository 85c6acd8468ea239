"""Seconds of one micro batch on one chip, by kind of operator, through the chip's mechanism.

Backward: a matrix product [m, k] @ [k, n] becomes [m, n] @ [n, k] for its input and [k, m] @ [m, n] for its weights,
twice the FLOPs; attention takes 2.5 times its forward pass (Dao, arXiv:2307.08691, section 2.3: five products for
two); element-wise operators read the incoming gradient and a saved value for every value they read forward. Without
fused attention the scores cross memory: written, softmax, dropout with its mask, read (arXiv:2205.05198, section 4.1).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from silmark import fabric
from silmark.chips.mechanisms import AbstractMechanism, Placement
from silmark.graph import Attention, Boundary, Collective, Elementwise, Experts, Gemm, Graph, Op
from silmark.mapping import Plan, shard
from silmark.models import Model
from silmark.systems import Target
from silmark.training.job import Job, Real, Whole
from silmark.workloads import Step

ATTENTION_BACKWARD = 2.5
_SOFTMAX_FLOPS = 5  # subtract the maximum, exponential, accumulate, divide, dropout
_DOUBLE = 2.0
_SCORES_READ, _SCORES_WRITTEN = 3, 4
"""Elements moved per score without fused attention: softmax, dropout and the second product read; the first product,
softmax, dropout and mask (with rounding to whole elements) are written."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Seconds of one pass over some operators, by kind; of one job, or arrays of many.

    Attributes:
        matrix: products with weights; experts: those of routed experts.
        attention: scores and sums; stream: element-wise operators; link: exchanges.
    """

    matrix: Real = 0.0
    experts: Real = 0.0
    attention: Real = 0.0
    stream: Real = 0.0
    link: Real = 0.0

    def __add__(self, other: Pass) -> Pass:
        return Pass(
            self.matrix + other.matrix,
            self.experts + other.experts,
            self.attention + other.attention,
            self.stream + other.stream,
            self.link + other.link,
        )

    def scaled(self, factor: Real) -> Pass:
        """All parts times a factor."""
        return Pass(
            self.matrix * factor,
            self.experts * factor,
            self.attention * factor,
            self.stream * factor,
            self.link * factor,
        )


@dataclass(frozen=True, slots=True)
class Work:
    """One micro batch through a whole replica: layers, and what stands before and after them, both directions."""

    forward: Pass
    backward: Pass
    ends_forward: Pass
    ends_backward: Pass


def work(model: Model, target: Target, mechanism: AbstractMechanism, job: Job, micro: Whole | None = None) -> Work:
    """Prices one micro batch of a job.

    Args:
        micro: micro batches of one dimension to price in place of the job's own.
    """
    inside = tuple(f"{block.name}." for _, block in model.blocks)
    layers: list[tuple[Pass, Pass]] = []
    ends: list[tuple[Pass, Pass]] = []
    for op in operators(model, job, micro):
        both = _price(op, target, mechanism, job)
        (layers if op.name.startswith(inside) else ends).append(both)
    return Work(*(_sum(pair[way] for pair in pairs) for pairs in (layers, ends) for way in (0, 1)))


def operators(model: Model, job: Job, micro: Whole | None = None) -> Graph:
    """What one chip of a replica runs forward for one micro batch, all pipeline stages together.

    Context parallelism leaves each chip its share of the tokens and all keys and values: a query shares its
    context's work with the others, so the chip's scores are those of the whole over cp.

    Args:
        micro: micro batches in place of the job's own.
    """
    plan = Plan(precision=job.precision, tp=job.tp, placement=Placement())
    graph = shard(
        model.lower(Step.forward(job.micro if micro is None else micro, job.seq)), plan, last_is_gathered=False
    )
    return tuple(_cut(op, job) for op in graph if not isinstance(op, Boundary))


def _cut(op: Op, job: Job) -> Op:
    """Context and sequence parallelism, and the vocabulary's share of the loss."""
    match op:
        case Attention() if job.cp > 1:
            return replace(op, count=op.count / job.cp)
        case Collective():
            return replace(op, bytes_=op.bytes_ / job.cp)
        case Elementwise(split="none"):
            divided = op.name == "sample" or job.sequence_parallel
            return replace(op, m=op.m / (job.cp * (job.tp if divided else 1)))
        case Attention():
            return op
        case _:
            return replace(op, m=op.m / job.cp)


def _price(op: Op, target: Target, mechanism: AbstractMechanism, job: Job) -> tuple[Pass, Pass]:
    """Seconds forward and backward of one operator, all instances."""
    if isinstance(op, Collective):
        seconds = exchange(op, target, job)
        return Pass(link=seconds), Pass(link=seconds)
    if isinstance(op, Attention) and not job.flash:
        return _unfused(op, mechanism)
    forward = mechanism.cost(op).time_s
    match op:
        case Attention():
            return Pass(attention=forward), Pass(attention=ATTENTION_BACKWARD * forward)
        case Elementwise():
            return Pass(stream=forward), Pass(stream=_DOUBLE * forward)
        case Gemm():
            return Pass(matrix=forward), Pass(matrix=_gradients(op, mechanism))
        case Experts():
            return Pass(experts=forward), Pass(experts=_DOUBLE * forward)
    return Pass(matrix=forward), Pass(matrix=_DOUBLE * forward)


def _unfused(op: Attention, mechanism: AbstractMechanism) -> tuple[Pass, Pass]:
    """Attention as two products over all pairs, masked ones too, with the scores in memory between them."""
    products = mechanism.cost(replace(op, causal=False)).time_s
    seen = round(float(op.past + op.new))
    rows = op.seqs * op.new * float(op.heads)
    scores = Elementwise(
        name=f"{op.name}.scores",
        count=op.count,
        m=rows,
        read=_SCORES_READ * seen,
        write=_SCORES_WRITTEN * seen,
        flops=_SOFTMAX_FLOPS * seen,
    )
    forward = Pass(attention=products + mechanism.cost(scores).time_s)
    return forward, forward.scaled(_DOUBLE)


def _gradients(op: Gemm, mechanism: AbstractMechanism) -> Real:
    """Seconds of the two products of a matrix product's backward pass.

    The weights' gradient has the tokens as its depth, a whole number in operators: one product per micro batch.
    """
    rows = np.maximum(1, np.rint(op.m)).astype(np.int64)
    inputs = mechanism.cost(replace(op, n=op.k, k=op.n)).time_s
    turned = replace(op, m=np.asarray(float(op.k)))
    weights = [mechanism.cost(replace(turned, k=int(depth))).time_s for depth in np.ravel(rows)]
    return inputs + np.reshape(weights, rows.shape)


def exchange(op: Collective, target: Target, job: Job) -> Real:
    """Seconds of a layer's all-reduce; with sequence parallelism a reduce-scatter and an all-gather in its place."""
    reach = target.reach(op.group)
    if op.pattern == "all-reduce" and job.sequence_parallel:
        halves = ("reduce-scatter", "all-gather")
        return sum((fabric.group_time(p, op.bytes_, reach) for p in halves), start=0.0) * op.count
    return fabric.group_time(op.pattern, op.bytes_, reach) * op.count


def _sum(parts: Iterable[Pass]) -> Pass:
    total = Pass()
    for part in parts:
        total = total + part
    return total
