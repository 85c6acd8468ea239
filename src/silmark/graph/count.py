"""FLOPs, weights and KV traffic of an operator or graph, counted from its definition alone.

A multiply-add counts two. Source of the attention term: 2 * heads * (qk_dim + v_dim) FLOPs per pair of
query and attended token (Dao et al., arXiv:2307.08691, section 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from silmark.graph.op import Array, Attention, Conv, Elementwise, Experts, Gemm, Gibbs, Graph, Op, Scan

_ZERO = np.zeros(())


@dataclass(frozen=True, slots=True)
class Count:
    """What a graph must do, whatever the chip.

    Attributes:
        matrix_flops: FLOPs of matrix products with stored weights.
        attention_flops: FLOPs of scores and weighted sums (masked pairs not counted).
        other_flops: element-wise, scan and sampling operations.
        weights: distinct weight elements read.
        kv: cache elements read.
    """

    matrix_flops: Array
    attention_flops: Array
    other_flops: Array
    weights: Array
    kv: Array

    def __add__(self, other: Count) -> Count:
        return Count(
            self.matrix_flops + other.matrix_flops,
            self.attention_flops + other.attention_flops,
            self.other_flops + other.other_flops,
            self.weights + other.weights,
            self.kv + other.kv,
        )

    @property
    def flops(self) -> Array:
        """All FLOPs."""
        return self.matrix_flops + self.attention_flops + self.other_flops


def _count_op(op: Op) -> Count:
    matrix = attention = other = weights = kv = _ZERO
    match op:
        case Gemm():
            weights = np.asarray(float(op.groups * op.n * op.k))
            matrix = 2.0 * op.m * weights
        case Experts():
            matrix = 2.0 * op.m * op.top_k * op.weights_per_expert
            weights = op.touched() * op.weights_per_expert
        case Conv():
            weights = np.asarray(float(op.n * op.depth))
            matrix = 2.0 * op.m * op.out_size**2 * weights
        case Attention():
            pairs = op.seqs * op.new * op.span()
            attention = 2.0 * op.heads * (op.qk_dim + op.v_dim) * pairs
            kv = op.seqs * op.cached() * op.kv_width
        case Scan():
            other = op.m * op.token_flops
        case Elementwise():
            other = op.m * float(op.flops)
        case Gibbs():
            other = op.m * float(op.sweeps * op.nodes * (2 * op.degree + 4))
        case _:
            pass
    parts = (np.asarray(x * op.count, dtype=np.float64) for x in (matrix, attention, other, weights, kv))
    return Count(*parts)


def count(graph: Graph | Op) -> Count:
    """Counts one operator or a whole graph; every array has the broadcast shape of the step."""
    ops = graph if isinstance(graph, tuple) else (graph,)
    return reduce(add, (_count_op(op) for op in ops), Count(_ZERO, _ZERO, _ZERO, _ZERO, _ZERO))
