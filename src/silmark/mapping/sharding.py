"""Tensor, expert and pipeline parallelism: an unsharded graph to what one chip does, with its collectives.

Source of the cuts: Shoeybi et al., arXiv:1909.08053 (column then row, one all-reduce each); Pope et al.,
arXiv:2211.05102 (attention over heads). Where a size does not divide, every chip takes the ceiling: the
padding is real work and is counted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from silmark.formats import FORMATS
from silmark.graph import Array, Attention, Collective, Conv, Elementwise, Experts, Gemm, Graph, Op, Scan
from silmark.mapping.plan import Plan
from silmark.mapping.skew import fullest

_Pattern = Literal["all-reduce", "all-gather", "all-to-all"]
DISPATCHED_BYTES = 1.0 + 4.0 / 128.0
"""Per element that is dispatched in 8 bits: a scale of four bytes per 128 (DeepSeek-V3, arXiv:2412.19437, 3.3.2)."""


def shard(graph: Graph, plan: Plan, last_is_gathered: bool = True) -> Graph:
    """The graph that each chip of a tensor-parallel group runs, collectives included.

    Args:
        graph: unsharded operators of one step.
        plan: tp and ep are applied here; pp adds its sends in `step`, dp changes nothing.
        last_is_gathered: outputs of a column-cut last operator (logits) are gathered on every chip.
    """
    if plan.tp == 1:
        return graph
    if plan.ranks > 1:
        return _ranked(graph, plan)
    width = plan.precision.activation_bytes
    last = _last_matrix(graph) if last_is_gathered else -1
    sharded: list[Op] = []
    for index, op in enumerate(graph):
        sharded.append(_cut(op, plan))
        exchange = _exchange(op, plan, index == last)
        if exchange is not None:
            pattern, elements = exchange
            name = f"{op.name}.{pattern}"
            sharded.append(
                Collective(name=name, count=op.count, pattern=pattern, bytes_=elements * width, group=plan.tp)
            )
    return tuple(sharded)


def _ranked(graph: Graph, plan: Plan) -> Graph:
    """Data-parallel attention: what one chip of the fullest rank runs.

    Everything but the experts is the graph of a smaller tensor-parallel group on its share of the sequences, at
    least one of them. Experts see the tokens of all ranks, which are sent to them (dispatch) and back (combine).
    """
    seqs = next((op.seqs for op in graph if isinstance(op, Attention | Scan)), np.ones(()))
    share = np.maximum(1.0, seqs / plan.ranks) / np.maximum(1.0, seqs)
    own = replace(plan, tp=plan.tp // plan.ranks, ranks=1, ep=1)
    sharded: list[Op] = []
    rest: list[Op] = []
    for op in graph:
        if isinstance(op, Experts):
            sharded += [*shard(tuple(rest), own, last_is_gathered=False), _cut(op, plan)]
            rest = []
            sharded += [_exchanged(op, plan, "dispatch"), _exchanged(op, plan, "combine")]
        else:
            rest.append(_fewer(op, share))
    return (*sharded, *shard(tuple(rest), own))


def _exchanged(op: Experts, plan: Plan, phase: Literal["dispatch", "combine"]) -> Collective:
    """One chip's share of the tokens, a copy per chosen expert; 8-bit products get 8-bit tokens with their scales.

    What the chip with the fullest experts receives, and sends back, sets the time.
    """
    narrow = phase == "dispatch" and FORMATS[plan.precision.compute].bits <= 8
    width = DISPATCHED_BYTES if narrow else plan.precision.activation_bytes
    return Collective(
        name=f"{op.name}.{phase}",
        count=op.count,
        pattern=phase,
        bytes_=np.asarray(op.m * (op.top_k * op.hidden * width / plan.tp * fullest(op, plan))),
        group=plan.tp,
        copies=op.top_k,
    )


def _fewer(op: Op, share: Array) -> Op:
    """The operator on a share of the step's sequences."""
    match op:
        case Attention():
            return replace(op, seqs=np.asarray(op.seqs * share))
        case Scan():
            return replace(op, seqs=np.asarray(op.seqs * share), m=np.asarray(op.m * share))
        case Collective():
            return op
    return replace(op, m=np.asarray(op.m * share))


def _last_matrix(graph: Graph) -> int:
    return max((i for i, op in enumerate(graph) if isinstance(op, Gemm | Conv | Experts)), default=-1)


def _cut(op: Op, plan: Plan) -> Op:
    """What one chip of the group keeps of an operator."""
    tp = plan.tp
    match op:
        case Gemm(split="column", groups=1):
            return replace(op, n=_part(op.n, tp))
        case Gemm(split="column"):
            return replace(op, groups=_part(op.groups, tp))
        case Gemm(split="row"):
            return replace(op, k=_part(op.k, tp))
        case Attention() if plan.attention == "batch":  # an indexer too: it needs the sequence's own keys only
            return replace(op, seqs=np.maximum(1.0, op.seqs / tp))
        case Attention(split="heads"):
            kv_heads = _part(op.kv_heads, tp)
            kv_width = op.kv_width * kv_heads // op.kv_heads
            return replace(op, heads=_part(op.heads, tp), kv_heads=kv_heads, kv_width=kv_width)
        case Experts(split="experts"):
            local = _part(op.experts, plan.ep)
            inner = _part(op.inner, tp // plan.ep)
            return replace(op, experts=local, top_k=op.top_k * local / op.experts * fullest(op, plan), inner=inner)
        case Conv(split="column", groups=1):
            return replace(op, n=_part(op.n, tp))
        case Scan(split="heads"):
            return replace(op, heads=_part(op.heads, tp))
        case Elementwise(split="heads" | "column"):
            return replace(op, read=_part(op.read, tp), write=_part(op.write, tp), flops=_part(op.flops, tp))
    return op


def _exchange(op: Op, plan: Plan, last: bool) -> tuple[_Pattern, Array] | None:
    """The collective that follows a cut operator, and the elements that it carries."""
    match op:
        case Attention(split="heads") if plan.attention == "batch":
            # Queries come divided by heads and leave so: each chip trades its share for whole sequences.
            return "all-to-all", op.seqs * op.new * (op.heads * (op.qk_dim + op.v_dim) / plan.tp)
        case Gemm(split="row", joined=False):
            return "all-reduce", op.m * op.n
        case Gemm(split="column", groups=1) if last:
            return "all-gather", op.m * op.n
        case Experts(split="experts"):
            return "all-reduce", op.m * op.hidden
        case Conv(split="column", groups=1):
            return "all-gather", op.m * op.n * op.out_size**2
    return None


def _part(size: int, ways: int) -> int:
    return -(-size // ways)
