"""CPUs: products that stream their weights and then compute on few wide cores, behind a large cache.

A GPU hides memory behind thousands of threads, so its product takes the larger of compute and memory, cut into tiles
and waves over a hundred units. A core hides little: BLAS libraries copy panels of the weights into the cache and
multiply from there (Goto and van de Geijn, ACM TOMS 34(3), 2008, section 4), so copying and computing mostly add up;
a handful of cores makes no waves; and one library may reach half of another's rate in one format and all of it in
another (MKL and oneDNN on one AMD core: 0.2 to 0.9 of the peak). Hence, per product and format:

    stream  = weight bytes / (bandwidth * share) + rows of the weight matrix * restart
    compute = 2 * max(m, block) * n * k / (peak * share)
    time    = max(stream, compute) + overlap * min(stream, compute) + fixed

One row (m = 1) runs as a matrix-vector product, which streams faster by a gain; `restart` is what the prefetcher
loses at every row of the weights; `block` are the rows below which the kernel gains nothing. Attention follows
PyTorch's CPU kernel of the FlashAttention scheme (Dao, arXiv:2307.08691): blocks of queries, 32 of a short prompt to
256 of a long one, each computed against all keys up to its last, at a rate that grows with the block.

The packaged parameters are assumed (`data/calibration/cpu.toml`); `silmark calibrate host` fits them to the user's
own machine, and its file then stands in for them.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from silmark.chips import coefficients
from silmark.chips.mechanisms.base import AbstractMechanism, Cost, Placement, Resource, slowest, sparse
from silmark.chips.spec import Chip
from silmark.errors import BadValue
from silmark.formats import FORMATS, Precision
from silmark.graph import Array, Attention, Boundary, Conv, Elementwise, Experts, Gemm, Gibbs, Op, Scan

_SHORTEST, _LONGEST, _PART = 32.0, 256.0, 0.25
"""Queries of a block: a quarter of the prompt between these bounds (the kernel steps through 32, 64 and 256)."""


class Cpu(AbstractMechanism):
    """Processors with vector or matrix units per core."""

    family: ClassVar[str] = "cpu"
    runs: ClassVar[frozenset[str]] = frozenset(
        {"gemm", "attention", "experts", "conv", "scan", "elementwise", "boundary", "gibbs"}
    )

    def __init__(self, chip: Chip, precision: Precision, placement: Placement) -> None:
        super().__init__(chip, precision, placement)
        self._name = name = precision.compute
        self._peak = self.fact(f"peak.{name}", "compute")
        self._main = self.fact("memory.main.bandwidth", "memory")
        self._cache = self.fact("memory.cache.bandwidth", "sram")
        self._kept = self.fact("memory.cache.capacity", "sram") * self.coefficient("cache.share", "sram")
        self._launch = self.fact("compute.launch", "overhead")
        self._vector = self.fact("peak.vector", "vector") * self._of("elementwise.flop_share", "vector")
        self._read_products()
        self._read_attention()
        self._pass = self._launch + self.coefficient("elementwise.fixed", "overhead")
        self._step = self.coefficient("step.fixed", "overhead")

    def _read_products(self) -> None:
        self._rate = self._peak * self._of("gemm.flop_share", "compute")
        self._panel = self._main * self._of("gemm.panel_share", "memory")
        self._single = self._panel * self._of("gemm.vector_gain", "memory")
        self._restart = self.coefficient("gemm.restart", "memory")
        self._block = self._of("gemm.block")  # matters to products of few rows only: no width of the compute time
        self._overlap = self.coefficient("gemm.overlap", "memory")
        self._product_s = self._launch + self.coefficient("gemm.fixed", "overhead")

    def _read_attention(self) -> None:
        fp32 = self.fact("peak.fp32", "compute", default=self._peak)
        self._prefill_rate = fp32 * self._of("attention.prefill_share", "compute")
        self._decode_rate = fp32 * self._of("attention.decode_share", "compute")
        self._half_block = self.coefficient("attention.half_block", "compute")
        self._kv = self._main * self.coefficient("attention.stream_share", "memory")
        self._attention_s = self._launch + self.coefficient("attention.fixed", "overhead")

    def coefficient(self, key: str, *bounds: Resource) -> float:
        """A fitted parameter: the one of this machine where it was measured, else the family's."""
        own = f"calibration.{self.family}.{key}"
        if own in self.chip.figures:
            return self.note(own, self.chip.figures[own], *bounds)
        return super().coefficient(key, *bounds)

    def _of(self, key: str, *bounds: Resource) -> float:
        """A parameter of the plan's compute format where that was measured, else of any format."""
        group, _, rest = key.partition(".")
        own = f"{group}.{self._name}.{rest}"
        known = f"calibration.{self.family}.{own}" in self.chip.figures or own in coefficients.load(self.family)
        return self.coefficient(own if known else key, *bounds)

    def cost(self, op: Op) -> Cost:
        """See AbstractMechanism."""
        element = self.precision.activation_bytes
        match op:
            case Gemm():
                weight = self._weight(op.weight_bits)
                parts = self._product(op.m, op.n, op.k, weight, op.groups, op.m * ((op.n + op.k) * op.groups * element))
            case Experts():
                parts = self._experts(op)
            case Conv():
                # Implicit product over gathered patches (Chetlur et al., arXiv:1410.0759).
                moved = op.m * ((op.in_size**2 * op.k + op.out_size**2 * op.n) * element)
                rows, weight = op.m * float(op.out_size**2), self._weight(None)
                parts = self._product(rows, op.n // op.groups, op.depth, weight, op.groups, moved)
            case Attention():
                parts = dict(sparse(op, self._attention))
            case Elementwise():
                moved = op.m * ((op.read + op.write) * element)
                fixed = self._pass if op.flops else self._launch  # a copy is one call
                parts = slowest(fixed, vector=op.m * (op.flops / self._vector), **self._moved(moved))
            case Scan():
                parts = self._scan(op)
            case Gibbs():
                parts = self._gibbs(op)
            case Boundary():
                parts = {"overhead": np.full(np.shape(op.m), self._step if op.scope == "step" else 0.0)}
            case _:
                raise BadValue("operator", op.kind, f"one of {', '.join(sorted(self.runs))}")
        return self.finish(op, parts)

    def _weight(self, bits: float | None) -> float:
        return self.precision.weight_bytes if bits is None else bits / 8

    def _moved(self, moved: Array) -> dict[str, Array]:
        """Seconds for activations: what the cache cannot keep crosses the main memory, everything the cache."""
        return {"memory": np.maximum(moved - self._kept, 0.0) / self._main, "sram": moved / self._cache}

    def _product(
        self,
        m: Array,
        n: int,
        k: int,
        weight: float,
        groups: Array | float,
        moved: Array,
        launches: Array | float = 1.0,
    ) -> dict[Resource, Array]:
        """Parts of `groups` products `[m, k] @ [k, n]`; what hides behind the longer part does not appear.

        Args:
            m: rows of each.
            n, k: outputs and depth.
            weight: bytes of one weight.
            groups: products side by side.
            moved: bytes of the activations of all of them.
            launches: library calls that they take.
        """
        panel = weight * float(n) * k / self._panel
        single = weight * float(n) * k / self._single
        stream = groups * (np.where(m <= 1, single, panel) + n * self._restart)
        stream = stream + self._moved(moved)["memory"]
        rows = np.where(m <= 1, m, np.maximum(m, self._block))
        compute = groups * rows * (2.0 * n * k / self._rate)
        parts = slowest(launches * self._product_s, memory=stream, compute=compute)
        hidden = self._overlap * np.minimum(stream, compute)
        parts["memory"] = parts["memory"] + np.where(stream < compute, hidden, 0.0)
        parts["compute"] = parts["compute"] + np.where(stream < compute, 0.0, hidden)
        return parts

    def _experts(self, op: Experts) -> dict[Resource, Array]:
        """Every touched expert is a product of its own, one after another (the mean of uniform routing)."""
        touched = np.maximum(op.touched(), 1e-9)
        rows = op.m * op.top_k / touched
        element, weight, ups = self.precision.activation_bytes, self._weight(op.weight_bits), 2 if op.gated else 1
        pairs = op.m * op.top_k * element
        up = self._product(
            rows, ups * op.inner, op.hidden, weight, touched, pairs * (op.hidden + ups * op.inner), touched
        )
        down = self._product(rows, op.hidden, op.inner, weight, touched, pairs * (op.hidden + op.inner), touched)
        return {name: up[name] + down[name] for name in up}

    def _attention(self, op: Attention) -> dict[Resource, Array]:
        """Scores, softmax and weighted sum, one task per sequence and head; the cache comes from main memory."""
        width = 2.0 * op.heads * (op.qk_dim + op.v_dim)
        decode = op.seqs * (op.cached() if op.window is None else op.span()) * (width / self._decode_rate)
        block = np.minimum(op.new, np.clip(op.new * _PART, _SHORTEST, _LONGEST))
        # A causal block is computed against all keys up to its last query: half a block more than the mask leaves.
        padded = op.span() + ((block - 1.0) / 2.0 if op.causal else 0.0)
        rate = self._prefill_rate * (block / (block + self._half_block))
        prefill = np.maximum(op.seqs * op.new * padded * (width / rate), decode)
        compute = np.where(op.new <= 1, decode, prefill)
        cache = op.seqs * op.cached() * (op.kv_width * op.kv_bytes(self.precision.kv_bytes))
        return slowest(self._attention_s, memory=cache / self._kv, compute=compute)

    def _scan(self, op: Scan) -> dict[Resource, Array]:
        """Mamba-2's SSD (Dao and Gu, arXiv:2405.21060, section 6): the state once, a token's products in chunks."""
        state, element = op.elements, self.precision.activation_bytes
        held = op.state_bytes(element)
        tokens = op.heads * (2.0 * op.head_dim) + 2.0 * op.state
        memory = op.seqs * (2.0 * state * held / self._main) + self._moved(op.m * (tokens * element))["memory"]
        if op.chunk <= 1:
            return slowest(self._pass, memory=memory, vector=op.m * (op.token_flops / self._vector))
        inside = op.chunk * float(op.heads * (op.head_dim + op.state))
        flops = op.m * (4.0 * state + inside + op.delta_flops)
        return slowest(self._pass, memory=memory, compute=flops / self._prefill_rate)

    def _gibbs(self, op: Gibbs) -> dict[Resource, Array]:
        """Block Gibbs sampling: every update gathers its neighbours, from the cache while the graph fits there."""
        updates = op.m * float(op.sweeps * op.nodes)
        edge = FORMATS["fp32"].bytes * 2  # a coupling and a neighbour's state
        moved = updates * (edge * op.degree)
        launches = np.full(np.shape(op.m), self._pass * op.sweeps * op.colours)
        vector = updates * ((2.0 * op.degree + 4.0) / self._vector)
        return slowest(launches, sram=moved / self._cache, vector=vector)
