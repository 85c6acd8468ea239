"""GPUs: tiles on many identical units behind a cache and one main memory, operators launched as kernels.

Reads peak and achieved rates, units, clock, cache, memory and launch overhead; the fitted ratios come from
`data/calibration/gpu.toml`, with the factors of generation, number format and engine that `gpu_kernels` picks. The
formulas are in `gpu_gemm`, `gpu_attention` and `gpu_experts`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np

from silmark.chips import coefficients
from silmark.chips.mechanisms.base import AbstractMechanism, Cost, Placement, Resource, slowest
from silmark.chips.mechanisms.gpu_attention import LATENT, absorbed, attention, decode_rates, prefill_rates, repeated
from silmark.chips.mechanisms.gpu_experts import ExpertRates, Routing, expert_rates, experts
from silmark.chips.mechanisms.gpu_gemm import Facts, GemmRates, gemm_rates, gemm_seconds, read_facts, wide_format
from silmark.chips.mechanisms.gpu_kernels import (
    Engine,
    attention_scheme,
    chain,
    clipped,
    expert_scheme,
    factors,
    product_scheme,
)
from silmark.chips.mechanisms.gpu_sparse import SparseRates, chosen, delta, index, scores, sparse_rates
from silmark.chips.spec import Chip
from silmark.errors import BadValue
from silmark.formats import FORMATS, Precision
from silmark.graph import Array, Attention, Boundary, Conv, Elementwise, Experts, Gemm, Gibbs, Op, Scan

_BOUNDS: dict[str, Resource] = {
    "memory_nvidia": "memory", "memory_other": "memory", "memory_share": "memory", "resident_share": "memory",
    "resident_weights": "memory", "resident": "memory", "row_traffic": "memory", "query_traffic": "memory",
    "kv_traffic": "memory", "cache": "sram", "cache_share": "sram", "kernel_cycles": "overhead",
    "quantise_cycles": "overhead", "quantise_row": "overhead", "quantise_traffic": "overhead",
    "launches": "overhead", "merge_cycles": "overhead", "sequence_cycles": "overhead", "expert_cycles": "overhead",
    "walk_cycles": "overhead",
}  # fmt: skip
"""Which resource's time a fitted ratio sets, where that is not the matrix unit's."""
_TILE = 64
"""Outputs of the narrowest tile of a matrix product."""


@dataclass(frozen=True, slots=True)
class StreamRates:
    """Element-wise kernels: B/s of memory and cache, bytes that the cache keeps, seconds per kernel."""

    memory: float
    cache: float
    resident: float
    fixed: float

    def seconds(self, moved: Array) -> tuple[Array, Array]:
        """Times of memory, for what the cache cannot hold, and of the cache, for everything."""
        return np.maximum(moved - self.resident, 0.0) / self.memory, moved / self.cache


def stream_rates(facts: Facts, coefficient: Callable[[str], float]) -> StreamRates:
    """Combines a chip's facts with the fitted ratios of element-wise kernels."""
    return StreamRates(
        memory=facts.memory * coefficient("memory_share"),
        cache=facts.cache * coefficient("cache_share"),
        resident=facts.cache_bytes * coefficient("resident_share"),
        fixed=facts.launch + coefficient("kernel_cycles") / facts.clock,
    )


class Gpu(AbstractMechanism):
    """NVIDIA, AMD and Intel GPUs."""

    family: ClassVar[str] = "gpu"
    runs: ClassVar[frozenset[str]] = frozenset(
        {"gemm", "attention", "experts", "conv", "scan", "elementwise", "boundary", "gibbs"}
    )

    def __init__(self, chip: Chip, precision: Precision, placement: Placement) -> None:
        super().__init__(chip, precision, placement)
        self._wide = wide_format(chip, precision.compute)
        self._engine = Engine.of(placement.engine)
        self._facts = read_facts(chip, self.fact, self._ratio, precision.compute)
        self._operand_bytes = FORMATS[precision.compute].bytes
        self._gemm: dict[float, GemmRates] = {}
        self._experts: dict[float, ExpertRates] = {}
        scheme = attention_scheme(precision.kv_bytes, self._engine)
        latent = Engine(LATENT[0], "", LATENT[1])
        self._attention = (
            decode_rates(self._facts, partial(self._factored, "decode", scheme), self._wide, scheme),
            decode_rates(self._facts, partial(self._factored, "decode", "bfloat16", engine=latent), self._wide, scheme),
            prefill_rates(self._facts, partial(self._factored, "prefill", scheme), self._wide, scheme),
        )
        self._kv_resident = self._facts.cache_bytes * self._factored("decode", scheme, "resident")
        self._vector = self._read_vector()
        self._host = self.coefficient("host.step", "overhead")
        self.request_s = self.coefficient("host.request", "overhead")
        self._streams = stream_rates(self._facts, lambda key: self._ratio(f"elementwise.{key}"))
        self._sparse: SparseRates | None = None
        self._gemm_rates(precision.weight_bytes)

    def cost(self, op: Op) -> Cost:
        """See AbstractMechanism; the formulas per operator are in the helper modules."""
        match op:
            case Gemm():
                return self.finish(op, self._gemm_parts(op))
            case Attention():
                return self._two(op, *self._attention_parts(op))
            case Experts():
                return self._two(op, *experts(self._expert_rates(self._bytes(op.weight_bits)), op))
            case Conv():
                return self.finish(op, self._conv_parts(op))
            case Scan():
                return self.finish(op, self._scan_parts(op))
            case Elementwise():
                return self.finish(op, self._elementwise_parts(op))
            case Gibbs():
                return self.finish(op, self._gibbs_parts(op))
            case Boundary():
                host = self._host if op.scope == "step" else 0.0
                return self.finish(op, {"overhead": np.full(np.shape(op.m), host)})
            case _:
                raise BadValue("operator", op.kind, f"one of {', '.join(sorted(self.runs))}")

    def refuses(self, op: Op) -> str | None:
        """Nothing; reads the shares that sparse attention or a delta rule will need, so that answers can list them."""
        if isinstance(op, Attention) and (op.selected is not None or op.scores_only):
            self._sparse_rates()
        if isinstance(op, Scan) and op.delta:
            self._sparse_ratio("delta.update_share"), self._sparse_ratio("delta.chunk_share")
        if isinstance(op, Elementwise) and op.window:
            self._sparse_ratio("conv.traffic")
        return None

    def gemm_time(self, m: Array | float, n: Array | float, k: Array | float, copies: float | None = None) -> Array:
        """Seconds of the products `[m, k] @ [k, n]` for arrays of any broadcastable shapes, in bulk.

        Args:
            m, n, k: rows, outputs, depth.
            copies: how many copies of the weights a benchmark cycles through (small ones then stay in the
                cache); None as in a model.
        """
        busy, _, fixed = gemm_seconds(self._gemm_rates(self.precision.weight_bytes), m, n, k, copies=copies)
        return busy + fixed

    def attention_time(self, op: Attention, cached: bool = False) -> Array:
        """Seconds of attention.

        Args:
            op: the operator.
            cached: whether a benchmark repeats it on the same KV, part of which it then finds in the cache.
        """
        memory, compute, overhead = self._attention_parts(op)
        if cached:
            memory = repeated(self._attention[0], op, self.precision.kv_bytes, self._kv_resident, memory)
        return np.asarray(np.maximum(memory, compute) + overhead)

    def scores_time(self, op: Attention) -> Array:
        """Seconds of an indexer's scores, without the choice of the highest."""
        memory, compute, overhead = scores(self._sparse_rates(), op, op.kv_bytes(self.precision.kv_bytes))
        return np.asarray(np.maximum(memory, compute) + overhead)

    def expert_time(self, op: Experts, routing: Routing) -> Array:
        """Seconds of routed experts under a given routing of the tokens."""
        memory, compute, overhead = experts(self._expert_rates(self._bytes(op.weight_bits)), op, routing)
        return np.asarray(np.maximum(memory, compute) + overhead)

    def _attention_parts(self, op: Attention) -> tuple[Array, Array, Array]:
        """Memory, compute and overhead of dense attention, of an indexer, or of attention over chosen tokens."""
        kv = op.kv_bytes(self.precision.kv_bytes)
        handed_on = self._engine.compiled and not op.causal
        io = self._operand_bytes if handed_on else self.precision.activation_bytes
        if op.scores_only:
            return index(self._sparse_rates(), op, kv)
        if op.selected is None:
            return attention(self._attention, op, kv, io)
        whole = op.past + op.new <= op.selected  # nothing is left out: the dense kernel serves
        dense = attention(self._attention, replace(op, selected=None), kv, io)
        like = self._attention[1] if absorbed(op) else self._attention[0]
        some = chosen(self._sparse_rates(), like, op, kv, io)
        memory, compute, overhead = (np.where(whole, a, b) for a, b in zip(dense, some, strict=True))
        return memory, compute, overhead

    def _sparse_rates(self) -> SparseRates:
        """Read for models that need them: others do not depend on their shares."""
        if self._sparse is None:
            wide = self.fact(f"peak.{self._wide}", "compute")
            eight = next((name for name in ("fp8", "int8") if f"peak.{name}" in self.chip.figures), self._wide)
            peak = self.fact(f"peak.{eight}", "compute")
            self._sparse = sparse_rates(self._facts, self._attention[1], wide, peak, self._sparse_ratio)
        return self._sparse

    def _sparse_ratio(self, key: str) -> float:
        bound: Resource = "compute" if key.endswith(("flop_share", "narrow_share")) else "memory"
        return self.note(f"calibration.gpu_sparse.{key}", coefficients.fitted("gpu_sparse", key), bound)

    def _ratio(self, key: str) -> float:
        return self.coefficient(key, _BOUNDS.get(key.rpartition(".")[2], "compute"))

    def _factored(self, part: str, scheme: str, name: str, engine: Engine | None = None) -> float:
        """A fitted ratio of the family times the factors of generation, scheme and engine (its own, or another)."""
        key, known = f"{part}.{name}", factors(part)
        value = self._ratio(key)
        factor = 1.0
        for node in chain(known, self.chip.generation, scheme, engine or self._engine):
            factor *= known[node].get(name, 1.0)
        own, noted = clipped(key, value * factor), f"calibration.gpu.{key}"
        common = self.used[noted]
        scale = own / value
        self.used[noted] = replace(
            common, value=own, low=common.low * scale, high=common.high * scale, shown=f"{own:.4g}",
            shown_bounds=f"{common.low * scale:.4g} to {common.high * scale:.4g}" if common.shown_bounds else "",
        )  # fmt: skip
        return own

    def _read_vector(self) -> float:
        if "peak.vector" in self.chip.figures:
            peak = self.fact("peak.vector", "vector")
        else:
            peak = self.fact(f"peak.{self._wide}", "vector") * self.coefficient("vector.matrix_share", "vector")
        return peak * self.coefficient("vector.share", "vector")

    def _bytes(self, bits: float | None) -> float:
        return self.precision.weight_bytes if bits is None else bits / 8.0

    def _gemm_rates(self, weight_bytes: float) -> GemmRates:
        rates = self._gemm.get(weight_bytes)
        if rates is None:
            scheme = self._engine.narrowed(product_scheme(8.0 * weight_bytes, self.precision.compute))
            rates = self._gemm[weight_bytes] = gemm_rates(
                self._facts,
                partial(self._factored, "gemm", scheme),
                self.precision.compute,
                weight_bytes,
                self._operand_bytes,
            )
            if self._engine.compiled:
                rates = self._gemm[weight_bytes] = rates.compiled()
        return rates

    def _expert_rates(self, weight_bytes: float) -> ExpertRates:
        rates = self._experts.get(weight_bytes)
        if rates is None:
            scheme = self._engine.narrowed(expert_scheme(8.0 * weight_bytes, self.precision.compute))
            rates = self._experts[weight_bytes] = expert_rates(
                self._facts,
                partial(self._factored, "experts", scheme),
                self.precision.compute,
                weight_bytes,
            )
        return rates

    def _two(self, op: Op, memory: Array, compute: Array, overhead: Array) -> Cost:
        bound = memory >= compute
        parts: dict[Resource, Array] = {
            "memory": np.where(bound, memory, 0.0),
            "compute": np.where(bound, 0.0, compute),
            "overhead": overhead,
        }
        return self.finish(op, parts)

    def _product(self, rates: GemmRates, busy: Array, memory: Array, fixed: Array) -> dict[Resource, Array]:
        """Parts of a matrix product; waiting for operands from the cache counts as the matrix unit's time."""
        bound = memory * (1.0 + rates.overlap) + float(rates.merge[-1, 0]) >= busy
        return {"memory": np.where(bound, busy, 0.0), "compute": np.where(bound, 0.0, busy), "overhead": fixed}

    def _gemm_parts(self, op: Gemm) -> dict[Resource, Array]:
        rates = self._gemm_rates(self._bytes(op.weight_bits))
        return self._product(rates, *gemm_seconds(rates, op.m, op.n, op.k, op.groups))

    def _conv_parts(self, op: Conv) -> dict[Resource, Array]:
        """Implicit GEMM (cuDNN, Chetlur et al., arXiv:1410.0759): m * out^2 rows; the input is read once.

        In 8 bits images are narrow as they arrive: no library scales a convolution's input while it runs.
        """
        rates = self._gemm_rates(self.precision.weight_bytes).compiled()
        gathered = min(1.0, op.in_size**2 / (op.out_size**2 * op.kernel**2))
        rows = op.m * float(op.out_size**2)
        # Thin groups share a tile: zeros stand where one group's inputs meet another's outputs.
        columns = op.n // op.groups
        joined = next((n for n in range(1, op.groups) if op.groups % n == 0 and n * columns >= _TILE), op.groups)
        groups = float(op.groups // joined)
        return self._product(rates, *gemm_seconds(rates, rows, joined * columns, joined * op.depth, groups, gathered))

    def _elementwise_parts(self, op: Elementwise) -> dict[Resource, Array]:
        """A pass of its own; or, compiled, the end of the product in front of it, which then reads its operands too."""
        compiled = self._engine.compiled
        if not compiled or op.epilogue is None:
            element = self._operand_bytes if compiled else self.precision.activation_bytes
            apart = self._sparse_ratio("conv.traffic") if op.window else 1.0
            moved = op.m * ((op.read + op.write) * element * apart)
            return self._stream_parts(moved, op.m * (op.flops / self._vector))
        memory, _ = self._streams.seconds(op.m * (op.epilogue * self._operand_bytes))
        return {"memory": memory}

    def _stream_parts(self, moved: Array, vector: Array) -> dict[Resource, Array]:
        """Element-wise kernels: what the cache cannot hold crosses the main memory, everything the cache."""
        memory, sram = self._streams.seconds(moved)
        return slowest(self._streams.fixed, memory=memory, sram=sram, vector=vector)

    def _scan_parts(self, op: Scan) -> dict[Resource, Array]:
        """Mamba-2's SSD (Dao and Gu, arXiv:2405.21060, section 6); the delta rule's bytes are in `gpu_sparse`.

        The state is read and written once per sequence; a token costs a product with the state and, in chunks,
        products with the other tokens of its chunk.
        """
        state, element = op.elements, self.precision.activation_bytes
        if op.delta:
            moving, kernels = delta(op, element, self._facts.bandwidth, self._sparse_ratio)
            flops = op.m * (4.0 * state + op.delta_flops if op.chunk > 1 else 0.0)
            vector = op.m * (op.token_flops / self._vector if op.chunk <= 1 else 0.0)
            compute = flops / self._facts.matrix[self._wide]
            return slowest(self._streams.fixed * kernels, memory=moving, vector=vector, compute=compute)
        tokens = op.heads * (2.0 * op.head_dim) + 2.0 * op.state
        memory = (op.seqs * (2.0 * state * op.state_bytes(element)) + op.m * (tokens * element)) / self._streams.memory
        if op.chunk <= 1:
            return slowest(self._streams.fixed, memory=memory, vector=op.m * (op.token_flops / self._vector))
        inside = op.chunk * float(op.heads * (op.head_dim + op.state))
        flops = op.m * (4.0 * state + inside)
        matrix = self._facts.matrix[self._wide] * self.coefficient("scan.flop_share", "compute")
        return slowest(self._streams.fixed, memory=memory, compute=flops / matrix)

    def _gibbs_parts(self, op: Gibbs) -> dict[Resource, Array]:
        """Block Gibbs sampling: every update gathers its neighbours' states and couplings from memory."""
        updates = op.m * float(op.sweeps * op.nodes)
        moved = updates * self.coefficient("gibbs.bytes_per_edge", "memory") * op.degree
        flops = updates * (2.0 * op.degree + 4.0)
        launches = self._streams.fixed * float(op.sweeps * op.colours)
        return slowest(launches, memory=moved / self._streams.memory, vector=flops / self._vector)
