"""Deterministic streaming processors (Groq TSP and successors): a schedule fixed at compile time, all on-chip.

Functional slices exchange vectors of 320 lanes over stream registers (Abts et al., ISCA 2020). Nothing
queues: the time of an operator is that of its busiest slice, and slices overlap. What sets the time:

* matrix planes: `rows` x `columns` weights each; sizes are padded to whole planes. A plane is 320 deep for
  8-bit and 160 deep for 16-bit operands (ISCA 2022: 4 passes of [1 x 320][320 x 320] or 2 of
  [1 x 160][160 x 320] per cycle, so 16-bit runs at a quarter of the 8-bit rate);
* stream registers: weights (and cached keys and values, which are the stationary operand of attention) must
  cross them to be installed in a plane. Their bandwidth, not that of the SRAM banks, bounds decoding;
* vector units (VXM) for softmax and everything element-wise.

An operator with fewer rows than it takes to install a plane waits for its weights; the install of the first
plane is hidden by nothing.

Seams of layers: a layer that does not fit one chip is cut, and its chips exchange partial results on a
schedule with slack. That time is fitted on published decoding speeds (`silmark.calibration.streaming`): it
is most of the time of a token on GroqChip 1. It does not shrink with the batch's width nor grow with it.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from silmark.chips.mechanisms.base import AbstractMechanism, Cost, Placement, Resource, slowest, sparse
from silmark.chips.spec import Chip
from silmark.errors import BadValue
from silmark.formats import FORMATS, Precision
from silmark.graph import Array, Attention, Boundary, Conv, Elementwise, Experts, Gemm, Op, Scan


class Streaming(AbstractMechanism):
    """Time and energy of one chip; weights and KV cache always live in its SRAM."""

    family: ClassVar[str] = "streaming"
    splits_layers: ClassVar[bool] = True
    batches_prompts: ClassVar[bool] = False
    runs: ClassVar[frozenset[str]] = frozenset(
        {"gemm", "attention", "experts", "conv", "scan", "elementwise", "boundary"}
    )

    def __init__(self, chip: Chip, precision: Precision, placement: Placement) -> None:
        super().__init__(chip, precision, placement)
        rows = self.fact("compute.rows", "compute", "sram")
        self._columns = self.fact("compute.columns", "compute", "sram")
        wide = next((f for f in ("bf16", "fp16") if f"peak.{f}" in chip.figures), precision.compute)
        self._rate = self.fact(f"peak.{precision.compute}", "compute")
        self._wide_rate = self.fact(f"peak.{wide}", "compute")
        self._depth = self._plane_depth(rows, precision.compute)
        self._wide_depth = self._plane_depth(rows, wide)
        self._streams = self.fact("compute.stream_bandwidth", "sram")
        self._install = self.fact("compute.weight_install", "overhead", default=0.0)
        share = self.coefficient("vector.share_of_matrix", "vector")
        self._vector = self.fact("peak.vector", "vector", default=share * self._rate)
        self._softmax = self.coefficient("attention.softmax_ops", "vector")
        self._exchange = self.coefficient("layer.exchange", "overhead")
        self._usable = self.fact("memory.sram.capacity", "overhead") * self.coefficient(
            "layer.weight_share_of_sram", "overhead"
        )
        self._layer_weights = self.coefficient("layer.weights_per_hidden_squared", "overhead")

    @staticmethod
    def _plane_depth(rows: float, name: str) -> float:
        """Reduction depth of one pass: planes join in pairs, half as deep each, for 16-bit operands."""
        return rows / 2 if FORMATS[name].bits >= 16 else rows

    def cost(self, op: Op) -> Cost:
        """Time and energy of all instances of an operator."""
        match op:
            case Gemm():
                bytes_each = self._weight_bytes(op.weight_bits)
                parts = self._matmul(op.m, op.n, op.k, float(op.groups), bytes_each)
            case Experts():
                parts = self._experts(op)
            case Conv():
                parts = self._matmul(
                    op.m * op.out_size**2, op.n // op.groups, op.depth, float(op.groups), self.precision.weight_bytes
                )
            case Attention():
                parts = dict(sparse(op, self._attention))
            case Scan():
                parts = self._scan(op)
            case Elementwise():
                moved = (op.read + op.write) * self.precision.activation_bytes
                parts = slowest(0.0, vector=op.m * (op.flops / self._vector), sram=op.m * (moved / self._streams))
            case Boundary():
                parts = {"overhead": self._seam(op)}
            case _:
                raise BadValue("operator", op.kind, f"one of {', '.join(sorted(self.runs))} on {self.chip.id}")
        return self.finish(op, parts)

    def _weight_bytes(self, bits: float | None) -> float:
        return self.precision.weight_bytes if bits is None else bits / 8

    def _matmul(self, m: Array, n: int, k: int, groups: Array | float, weight_bytes: float) -> dict[Resource, Array]:
        """Products of m rows with `groups` matrices of k x n, padded to whole planes."""
        padded = _up(n, self._columns) * _up(k, self._depth) * groups
        m = np.asarray(m, dtype=np.float64)
        return slowest(
            self._install,
            compute=m * (2.0 * padded / self._rate),
            sram=np.asarray(padded * (weight_bytes / self._streams)),
        )

    def _experts(self, op: Experts) -> dict[Resource, Array]:
        """Routed experts: rows go through `top_k` of them, the weights of each one touched are installed."""
        up, down = (2 if op.gated else 1), 1
        plane = _up(op.inner, self._columns) * _up(op.hidden, self._depth) * up
        plane += _up(op.hidden, self._columns) * _up(op.inner, self._depth) * down
        m = np.asarray(op.m, dtype=np.float64)
        return slowest(
            self._install,
            compute=m * (2.0 * op.top_k * plane / self._rate),
            sram=op.touched() * (plane * self._weight_bytes(op.weight_bits) / self._streams),
        )

    def _attention(self, op: Attention) -> dict[Resource, Array]:
        """Scores and weighted sum with the cache as stationary operand, in the 16-bit format; softmax on the VXM.

        Per KV head the keys form a matrix of qk_dim x context, the values one of context x v_dim; rows are
        the new tokens times the query heads that share the KV head. Whole planes, masked pairs included.
        """
        context = op.cached().astype(np.float64)
        depth, columns = self._wide_depth, self._columns
        scores = _up(op.qk_dim, depth) * _up(context, columns)
        values = _up(context, depth) * _up(op.v_dim, columns)
        heads = op.seqs * float(op.kv_heads)
        rows = op.new * (op.heads / op.kv_heads)
        pairs = op.seqs * op.new * op.span() * float(op.heads)
        # The cache crosses the streams once; padding lanes are wired to zero and cost no stream.
        cache = op.seqs * context * (op.kv_width * op.kv_bytes(self.precision.kv_bytes))
        return slowest(
            self._install,
            compute=heads * rows * (scores + values) * (2.0 / self._wide_rate),
            sram=cache / self._streams,
            vector=pairs * (self._softmax / self._vector),
        )

    def _scan(self, op: Scan) -> dict[Resource, Array]:
        """Recurrent state on the vector units, its operations per token; loaded and stored once."""
        element = op.state_bytes(self.precision.activation_bytes)
        state = op.seqs * (op.elements * 2.0 * element / self._streams)
        return slowest(0.0, vector=op.m * (op.token_flops / self._vector), sram=state)

    def _seam(self, op: Boundary) -> Array:
        """Slack of the exchanges of one layer: none where a whole layer fits one chip (BERT), else all of it.

        The size of a layer is taken from its width (12 * hidden^2 weights: attention 4, MLP 8), since a
        seam knows nothing else.
        """
        layer = self._layer_weights * float(op.hidden) ** 2 * self.precision.weight_bytes
        cut = op.scope == "layer" and layer > self._usable
        return np.full(np.shape(op.m), self._exchange if cut else 0.0)


def _up(size: Array | float, unit: float) -> Array:
    """Size padded to whole units."""
    return np.asarray(np.ceil(size / unit) * unit, dtype=np.float64)
