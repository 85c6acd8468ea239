"""Systolic arrays fed by a statically compiled program: TPU, Gaudi, Trainium, Maia, SN40L, Sohu, MatX.

A weight-stationary array of R rows and C columns holds an R x C tile of the weights while rows of
activations stream through, one per cycle (Kung 1982; for the TPU: Jouppi et al., ISCA 2017, section 2, and
"How to Scale Your Model", chapter TPUs: bf16[8,128] @ bf16[128,128] takes 8 cycles). Both weight
dimensions are padded to the array, rows to the compiler's 8. The cycle follows from the peak, since a full
array does 2 R C operations per cycle; so the clock that a vendor quotes does not enter twice.

The constants come from public operator timings on one TPU v6e (`data/calibration/systolic.toml`).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from silmark.chips import coefficients
from silmark.chips.mechanisms.base import AbstractMechanism, Cost, Placement, Resource, slowest, sparse
from silmark.chips.spec import Chip
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.graph import Array, Attention, Boundary, Conv, Elementwise, Experts, Gemm, Gibbs, Op, Scan

_ROW = 8  # rows of one vector register: the static compiler pads token counts to it


def _padded(rows: Array) -> Array:
    """Rows as the program runs them: whole registers."""
    return np.ceil(rows / _ROW) * _ROW


class Systolic(AbstractMechanism):
    """Weight-stationary matrix arrays, a vector unit and a software-managed on-die memory."""

    family: ClassVar[str] = "systolic"
    runs: ClassVar[frozenset[str]] = frozenset(
        {"gemm", "attention", "experts", "conv", "scan", "elementwise", "boundary", "gibbs"}
    )

    def __init__(self, chip: Chip, precision: Precision, placement: Placement) -> None:
        super().__init__(chip, precision, placement)
        self._read_arrays()
        self._read_memory()
        vector = self.fact(
            "peak.vector", "vector", default=self.coefficient("vector.peak_share", "vector") * self._peak
        )
        self._vector = vector * self.coefficient("vector.share", "vector")
        self._exposed = self.coefficient("gemm.exposed_input", "memory")
        self._fixed = self.coefficient("operator.fixed", "overhead")
        kernel = self._kernel()
        self._block = self.coefficient(f"{kernel}.query_block", "vector")
        self._score = self.coefficient("attention.score_operations", "vector") / self._vector
        self._sequence = self.coefficient(f"{kernel}.sequence", "overhead")

    def _kernel(self) -> str:
        """Attention kernel of the chip's stack.

        Its vendor's own where that was measured, else one that pads no queries (static batches, as on Gaudi).
        """
        own = f"attention.{self.chip.vendor.lower()}"
        return own if f"{own}.query_block" in coefficients.load(self.family) else "attention.static"

    def _read_arrays(self) -> None:
        """Shapes of the arrays (splits included) and their sustained rates."""
        fmt = self.precision.compute
        sixteen = next((f for f in ("bf16", "fp16") if f in self.chip.formats), fmt)
        self._peak = self.fact(f"peak.{fmt}", "compute")
        self._rate = self._sustained(fmt)
        self._attention_rate = self._sustained(sixteen)
        self._rows = self.fact("compute.rows", "compute", default=128)
        self._columns = self.fact("compute.columns", "compute", default=128)
        self._arrays = self.fact("compute.arrays", "compute", default=1)
        splits = int(self.fact("compute.splits", "compute", default=1))
        self._splits = [2**i for i in range(max(1, splits).bit_length()) if 2**i <= max(1, splits)]
        self._install = self.coefficient("gemm.install", "compute")

    def _sustained(self, fmt: str) -> float:
        """Matrix rate of a long product: a share of the peak, at most the best that anybody measured."""
        peak = self.fact(f"peak.{fmt}", "compute")
        best = self.fact(f"achievable.{fmt}", "compute", default=peak)
        return min(best, peak * self.coefficient("gemm.share", "compute"))

    def _read_memory(self) -> None:
        """Bandwidths of main and on-die memory and what the latter may hold between operators."""
        share = self.coefficient("memory.share", "memory")
        on_die = "memory.sram" if "memory.sram.capacity" in self.chip.figures else "memory.cache"
        capacity = self.fact(f"{on_die}.capacity", "sram", default=0.0)
        if "memory.main.bandwidth" in self.chip.figures:
            self._main = self.fact("memory.main.bandwidth", "memory") * share
        else:
            self._main = self.fact("memory.sram.bandwidth", "memory") * share
        # Peak bandwidth of the on-die memory is rarely published: what was measured is a multiple of main's.
        gained = self._main * self.coefficient("staging.gain", "sram")
        self._sram = max(self._main, min(self.fact(f"{on_die}.bandwidth", "sram", default=gained), gained))
        # Weights placed on the die are read at its own rate where that is known.
        self._resident = max(self._main, self.fact(f"{on_die}.bandwidth", "sram", default=gained) * share)
        self._stage = capacity * self.coefficient("staging.capacity_share", "sram")

    def cost(self, op: Op) -> Cost:
        """Time and energy of one operator, all its instances."""
        match op:
            case Gemm():
                weights = self._weight_bytes(op.weight_bits) * op.n * op.k * op.groups
                moved = op.m * ((op.n + op.k) * op.groups * self.precision.activation_bytes)
                first = op.m * (op.k * op.groups * self.precision.activation_bytes)
                parts = self._product(self._passes(op.m, op.n, op.k, op.groups), weights, moved, first)
            case Experts():
                parts = self._experts(op)
            case Conv():
                parts = self._conv(op)
            case Attention():
                parts = dict(sparse(op, self._attention))
            case Scan():
                parts = self._scan(op)
            case Elementwise():
                moved = op.m * ((op.read + op.write) * self.precision.activation_bytes)
                vector = op.m * (op.flops / self._vector)
                parts = slowest(self._fixed, vector=vector, **self._moved(moved))
            case Boundary():  # one static program per step: nothing happens at its seams
                parts = {"overhead": np.zeros(np.shape(op.m))}
            case Gibbs():
                parts = self._gibbs(op)
            case _:
                raise BadValue("operator", op.kind, f"one of {', '.join(sorted(self.runs))}")
        return self.finish(op, parts)

    def _weight_bytes(self, bits: float | None) -> float:
        return self.precision.weight_bytes if bits is None else bits / 8

    def _moved(self, activations: Array) -> dict[str, Array]:
        """Seconds for activations: on the die while they fit beside the prefetched weights, else main."""
        staged = activations <= self._stage
        return {
            "memory": np.where(staged, 0.0, activations / self._main),
            "sram": np.where(staged, activations / self._sram, 0.0),
        }

    def _passes(self, m: Array, n: int, k: int, groups: float | Array = 1) -> Array:
        """Seconds of the arrays for [m, k] @ [k, n], the best split of a splittable array taken.

        Tiles either go to different arrays (whole waves of them) or every tile's rows are shared out to
        all arrays; the compiler takes the faster. A tile occupies its array for the streamed rows, or for
        the installation of the next tile where that takes longer; filling and draining happens once.
        """
        best: Array | None = None
        rows = _padded(m)
        for split in self._splits:
            r, c, arrays = self._rows / split, self._columns / split, self._arrays * split * split
            cycle = 2.0 * r * c * arrays / self._rate
            tiles = np.ceil(k / r) * np.ceil(n / c) * groups
            install = r * self._install
            waves = np.ceil(tiles / arrays) * np.maximum(rows, install)
            shared = tiles * np.maximum(_padded(m / arrays), install)
            seconds = (np.minimum(waves, shared) + r + c) * cycle
            best = seconds if best is None else np.minimum(best, seconds)
        assert best is not None
        return best

    def _product(self, compute: Array, weights: float | Array, moved: Array, first: Array) -> dict[Resource, Array]:
        """Parts of a matrix product: weights are prefetched while the arrays run.

        Args:
            compute: seconds of the arrays.
            weights: bytes of weights.
            moved: bytes of all activations.
            first: bytes of the activations that go in.
        """
        seconds = self._moved(moved)
        if self.placement.weights == "main":
            seconds["memory"] = seconds["memory"] + weights / self._main
        else:
            seconds["sram"] = np.maximum(seconds["sram"], weights / self._resident)  # other banks, other ports
        parts = slowest(self._fixed, compute=compute, **seconds)
        # The program waits for a share of the input before the arrays start; that time hides behind nothing.
        parts["memory"] = parts["memory"] + first * (self._exposed / self._main)
        return parts

    def _experts(self, op: Experts) -> dict[Resource, Array]:
        """Grouped products: every touched expert streams its own rows (the mean of uniform routing)."""
        touched = np.maximum(op.touched(), 1e-9)
        rows = op.m * op.top_k / touched
        ups = 2 if op.gated else 1
        compute = self._passes(rows, op.inner, op.hidden, touched * ups)
        compute = compute + self._passes(rows, op.hidden, op.inner, touched)
        weights = op.touched() * (op.weights_per_expert * self._weight_bytes(op.weight_bits))
        per_pair = op.top_k * self.precision.activation_bytes
        moved = op.m * (per_pair * (2 * op.hidden + (ups + 1) * op.inner))
        return self._product(compute, weights, moved, op.m * (per_pair * op.hidden))

    def _conv(self, op: Conv) -> dict[Resource, Array]:
        """Convolution as a product over patches that the load path gathers on the fly."""
        outputs = op.m * float(op.out_size**2)
        compute = self._passes(outputs, op.n // op.groups, op.depth, op.groups)
        weights = float(op.n * op.depth) * self.precision.weight_bytes
        first = op.m * (op.in_size**2 * op.k * self.precision.activation_bytes)
        moved = first + op.m * (op.out_size**2 * op.n * self.precision.activation_bytes)
        return self._product(compute, weights, moved, first)

    def _attention(self, op: Attention) -> dict[Resource, Array]:
        """Attention: softmax on the vector unit, products on the arrays and cache reads overlap.

        Each score costs a fixed number of vector operations (exponential, mask, running maximum and
        rescaling). A kernel for ragged batches pads the queries of a sequence to a block, so that decode
        computes many scores in vain: on TPU v6e that, and not the cache, sets the time.
        """
        span = op.span()
        pairs = op.seqs * np.maximum(op.new, self._block) * span
        vector = pairs * (op.heads * self._score)
        r = self._rows / self._splits[-1]
        widths = np.ceil(op.qk_dim / r) * r + np.ceil(op.v_dim / r) * r
        rows = np.maximum(op.new * (op.heads / op.kv_heads), _ROW) * op.kv_heads
        compute = op.seqs * rows * span * (2.0 * widths / self._attention_rate)
        cache = op.seqs * op.cached() * (op.kv_width * op.kv_bytes(self.precision.kv_bytes))
        queries = op.seqs * op.new * (op.heads * (op.qk_dim + op.v_dim) * self.precision.activation_bytes)
        seconds = self._moved(queries)
        if self.placement.kv == "main":
            seconds["memory"] = seconds["memory"] + cache / self._main
        else:
            seconds["sram"] = np.maximum(seconds["sram"], cache / self._resident)
        return slowest(self._fixed + op.seqs * self._sequence, compute=compute, vector=vector, **seconds)

    def _scan(self, op: Scan) -> dict[Resource, Array]:
        """Chunked state-space scan (Dao and Gu, arXiv:2405.21060, section 6).

        Products inside a chunk run on the arrays, the recurrence itself (chunk 1) on the vector unit; the
        state crosses memory twice.
        """
        state = op.seqs * (2 * op.elements * op.state_bytes(self.precision.activation_bytes))
        per_token = op.heads * (2 * op.head_dim + 2 * op.state)
        seconds = self._moved(op.m * (per_token * self.precision.activation_bytes))
        seconds["memory"] = seconds["memory"] + state / self._main
        if op.chunk <= 1:
            return slowest(self._fixed, vector=op.m * (op.token_flops / self._vector), **seconds)
        r = self._rows / self._splits[-1]
        narrow = r / min(r, op.chunk, op.state, op.head_dim)  # products narrower than the array waste it
        flops = 2.0 * op.heads * (op.chunk * (op.state + op.head_dim) + 2 * op.head_dim * op.state) + op.delta_flops
        vector = _padded(op.m) * (op.heads * (op.chunk + op.head_dim) / self._vector)
        compute = _padded(op.m) * max(flops * narrow / self._attention_rate, op.token_flops / self._peak)
        return slowest(self._fixed, compute=compute, vector=vector, **seconds)

    def _gibbs(self, op: Gibbs) -> dict[Resource, Array]:
        """Block Gibbs sampling: every update gathers its neighbours' states and couplings from memory.

        The bytes per edge are those measured on GPUs with the same library (thrml, compiled by XLA): nobody
        published such a run on a systolic machine, and its vector unit alone would flatter it.
        """
        traffic = coefficients.load("gpu")["gibbs.bytes_per_edge"]
        updates = op.m * float(op.sweeps * op.nodes)
        moved = updates * (self.note("calibration.gpu.gibbs.bytes_per_edge", traffic, "memory") * op.degree)
        vector = updates * ((2.0 * op.degree + 4.0) / self._vector)
        launches = np.full(np.shape(op.m), self._fixed * op.sweeps * op.colours)
        return slowest(launches, memory=moved / self._main, vector=vector)
