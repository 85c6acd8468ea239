"""Context parallelism: the tokens of every sequence divided over the chips of a group.

Prefill: a chip runs its part of the new tokens through all layers, and attention of its queries over the keys of all.
Parts are cut in zig-zag, an early and a late piece of the sequence each, so that causal attention takes every chip
equally long. Keys and values travel round a ring (Liu et al., arXiv:2310.01889, section 3), or where there are more of
them the queries do and partial results come back (pass-KV and pass-Q, Yang et al., arXiv:2411.01783, section 3.4).
Decode: a chip holds its part of every cache; all run the whole step but for attention, whose partial results are
combined by their log-sum-exp (Helix, Bhatia et al., arXiv:2507.07120, section 2; vLLM's decode context parallelism).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from silmark.graph import Array, Attention, Graph, Scan
from silmark.mapping.plan import Plan
from silmark.mapping.support import probe
from silmark.models import Model
from silmark.workloads import Step

_SUM_BYTES = 4.0
"""A log-sum-exp per query and head, in 32 bits."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What attention over a divided context sends: pattern and payload as in `fabric.collective_time`.

    Attributes:
        hidden: travels while attention computes, and costs only what lasts longer.
        open: waits for results of attention, or attention for it.
    """

    hidden: tuple[tuple[str, Array], ...]
    open: tuple[tuple[str, Array], ...]


def lower(model: Model, step: Step, plan: Plan) -> Graph:
    """Operators of one chip of a context group: its part of a prompt, all of a decode; attention says how it is cut."""
    if plan.cp == 1:
        return model.lower(step)
    decode = step.phase == "decode"
    new = step.new if decode else np.ceil(step.new / plan.cp)
    # The last part: what is made of every token in sight (keys of latent attention) is made on every chip.
    graph = model.lower(Step(step.phase, step.seqs, new, step.past + step.new - new))
    return tuple(
        replace(op, new=step.new, past=step.past, ways=plan.cp, whole_queries=decode)
        if isinstance(op, Attention)
        else op
        for op in graph
    )


def undividable(model: Model, plan: Plan) -> str | None:
    """Why the context of a model cannot be divided as planned, None if it can."""
    if plan.cp == 1:
        return None
    if model.kind != "decoder":
        return f"context parallelism divides the tokens of decoders; this is a {model.kind}"
    ops = probe(model)
    if any(isinstance(op, Scan) for op in ops):
        return "a recurrent state runs through a whole sequence: context parallelism cannot divide it"
    if any(isinstance(op, Attention) and op.selected is not None for op in ops):
        return "an indexer chooses among all tokens of a sequence: context parallelism would divide its choice"
    return None


def own(op: Attention) -> Attention:
    """What one chip computes of attention over a divided context; the operator itself where it is not divided."""
    if op.ways == 1:
        return op
    if op.whole_queries:
        held = np.maximum(0.0, op.held() - op.new)
        return replace(op, past=np.ceil(held / op.ways), window=None, ways=1, whole_queries=False)
    new = np.ceil(op.new / op.ways)
    # An early and a late piece: the mean query of a chip sees as much as that of the sequence.
    return replace(op, new=new, past=op.past + (op.new - new) / 2, ways=1)


def exchanges(op: Attention, plan: Plan) -> tuple[Exchange, ...]:
    """The ways in which chips may exchange what attention over a divided context needs."""
    width = plan.precision.activation_bytes
    results = op.heads * op.v_dim * width
    if op.whole_queries:
        sums = op.seqs * op.new * (op.heads * op.ways * _SUM_BYTES)
        return (Exchange((), (("all-gather", sums), ("all-reduce", op.seqs * op.new * results))),)
    # A window needs the neighbours of both pieces only.
    keys = op.past + op.new if op.window is None else np.minimum(op.past + op.new, 2.0 * op.window)
    pass_kv = op.seqs * keys * (op.kv_width * op.kv_bytes(plan.precision.kv_bytes))
    pass_q = op.seqs * op.new * (op.heads * op.qk_dim * width)
    back = op.seqs * op.new * (results * (op.ways - 1) / op.ways)
    return (
        Exchange((("all-gather", pass_kv),), ()),
        Exchange((("all-gather", pass_q),), (("all-to-all", back),)),
    )
