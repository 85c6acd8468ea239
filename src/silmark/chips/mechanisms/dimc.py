"""Digital in-memory compute: cores whose SRAM holds the weights beside bit-serial multipliers.

A core is an array of R x C 8-bit cells. Weights move from the core's SRAM into the array one row per
cycle; a vector then takes `vector_cycles` cycles at 8 bits (one per bit). Narrower weights double the
columns and halve the cycles; 16 bits need four passes of 8. For d-Matrix Corsair this gives its three
published peaks and its SRAM bandwidth from one clock (2,048 cores x 64 x 64 x 2 x 1.144 GHz / 8 = 2,400
TFLOP/s; 2,048 x 64 B x 1.144 GHz = 150 TB/s); that the multiplication is bit-serial is inferred from it.

Weights stay in the SRAM (placement `sram`, the vendor's performance mode) or stream from LPDDR (`main`,
capacity mode); keys and values likewise. Activations always stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from silmark import formats
from silmark.chips.mechanisms.base import AbstractMechanism, Cost, Placement, Resource, slowest, sparse
from silmark.chips.spec import Chip
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.graph import Array, Attention, Boundary, Conv, Elementwise, Experts, Gemm, Op, Scan


def bit_serial(bits: float) -> tuple[float, float]:
    """(cycles relative to 8 bits, columns relative to 8 bits) of an element width.

    Widths come with block scales (8.125 bits), so they are rounded to the multiplier's 4, 8 or 16.
    """
    if bits < 6:
        return 0.5, 2.0
    return (1.0, 1.0) if bits < 12 else (4.0, 1.0)


class Dimc(AbstractMechanism):
    """Digital in-memory compute cores, a vector unit and two tiers of memory."""

    family: ClassVar[str] = "dimc"
    runs: ClassVar[frozenset[str]] = frozenset(
        {"gemm", "attention", "experts", "conv", "scan", "elementwise", "boundary"}
    )

    def __init__(self, chip: Chip, precision: Precision, placement: Placement) -> None:
        super().__init__(chip, precision, placement)
        self._rows = self.fact("compute.rows", "compute")
        self._arrays = self.fact("compute.arrays", "compute")
        self._vector, self._columns = self._read_array(precision.compute)
        wide = next((f for f in ("bf16", "fp16") if f in chip.formats), precision.compute)
        self._attention_vector, self._attention_columns = self._read_array(wide)
        share = self.coefficient("vector.peak_share", "vector") * self.fact(f"peak.{precision.compute}", "compute")
        self._units = self.fact("peak.vector", "vector", default=share)
        self._main = self.fact("memory.main.bandwidth", "memory") * self.coefficient("memory.share", "memory")
        self._sram = self.fact("memory.sram.bandwidth", "sram")
        self._stage = self.fact("memory.sram.capacity", "sram") * self.coefficient("staging.capacity_share", "sram")
        self._seams = {scope: self.coefficient(f"{scope}.fixed", "overhead") for scope in ("layer", "step")}
        self._softmax = self.coefficient("softmax.operations", "vector")
        self._busy = self.fact("power.tdp") * self.coefficient("power.busy_share") * self._speed()

    def _read_array(self, fmt: str) -> tuple[float, float]:
        """Seconds per vector through one tile, and columns of a tile, in a format.

        Cycles over clock, unless the published peak says that it takes longer.
        """
        cycles, widening = bit_serial(formats.get(fmt).bits)
        columns = self.fact("compute.columns", "compute") * widening
        peak = self.fact(f"peak.{fmt}", "compute")
        rated = 2.0 * self._rows * columns * self._arrays / peak
        cycle = cycles * self.fact("compute.vector_cycles", "compute") / self.fact("compute.clock", "compute")
        return max(rated, cycle), columns

    def _speed(self) -> float:
        """Power relative to the clock at which the peak holds: P ~ f ** exponent (voltage follows f)."""
        cycles, _ = bit_serial(formats.get(self.precision.compute).bits)
        rated = 2.0 * self._rows * self._columns * self._arrays / self.fact(f"peak.{self.precision.compute}")
        clock = self.fact("compute.clock") / (cycles * self.fact("compute.vector_cycles") / rated)
        return float(min(1.0, clock) ** self.coefficient("power.exponent"))

    def cost(self, op: Op) -> Cost:
        """Time and energy of one operator, all its instances."""
        act = self.precision.activation_bytes
        match op:
            case Gemm():
                moved = op.m * ((op.n + op.k) * op.groups * act)
                parts = self._product([(op.m, op.n, op.k, op.groups)], op.weight_bits, moved)
            case Experts():
                touched = np.maximum(op.touched(), 1e-9)
                rows = op.m * op.top_k / touched
                ups = 2 if op.gated else 1
                products = [(rows, op.inner, op.hidden, touched * ups), (rows, op.hidden, op.inner, touched)]
                width = op.top_k * (2 * op.hidden + (ups + 1) * op.inner) * act
                parts = self._product(products, op.weight_bits, op.m * width)
            case Conv():
                elements = (op.in_size**2 * op.k + op.out_size**2 * op.n) * act
                product = (op.m * float(op.out_size**2), op.n // op.groups, op.depth, op.groups)
                parts = self._product([product], None, op.m * elements)
            case Attention():
                parts = dict(sparse(op, self._attention))
            case Scan():
                state = op.seqs * (2 * op.elements * op.state_bytes(act))
                seconds = self._place(state, self.placement.kv, self._traffic(np.zeros(np.shape(state))))
                parts = slowest(0.0, vector=op.m * (op.token_flops / self._units), **seconds)
            case Elementwise():
                seconds = self._traffic(op.m * ((op.read + op.write) * act))
                parts = slowest(0.0, vector=op.m * (op.flops / self._units), **seconds)
            case Boundary():
                parts = {"overhead": np.full(np.shape(op.m), self._seams[op.scope])}
            case _:
                raise BadValue("operator", op.kind, f"one of {', '.join(sorted(self.runs))}")
        return self._finish(op, parts)

    def _traffic(self, activations: Array) -> dict[str, Array]:
        """Seconds of activations: in the SRAM while they fit beside the weights, else over LPDDR."""
        staged = activations <= self._stage
        return {
            "memory": np.where(staged, 0.0, activations / self._main),
            "sram": np.where(staged, activations / self._sram, 0.0),
        }

    def _place(self, bytes_: Array, tier: str, seconds: dict[str, Array]) -> dict[str, Array]:
        """Adds bytes to the tier that holds them; what comes from LPDDR still passes the SRAM.

        Cores read their own SRAM while activations move through other banks, so these two overlap.
        """
        seconds = {**seconds, "sram": np.maximum(seconds["sram"], bytes_ / self._sram)}
        if tier == "main":
            seconds["memory"] = seconds["memory"] + bytes_ / self._main
        return seconds

    def _product(
        self,
        products: Sequence[tuple[Array, int, int, float | Array]],
        weight_bits: float | None,
        moved: Array,
    ) -> dict[Resource, Array]:
        """Products of (vectors, outputs, depth, copies): waves of tiles over the cores.

        Loading a tile overlaps with the vectors of the one before. A wave that does not fill the cores
        costs as much as a full one, or its vectors are shared out to all cores, whichever is faster.
        """
        compute: Array = np.zeros(())
        weights: Array = np.zeros(())
        for vectors, n, k, copies in products:
            tiles = np.ceil(k / self._rows) * np.ceil(n / self._columns) * copies
            rows = np.ceil(vectors)
            waves = np.ceil(tiles / self._arrays) * rows
            compute = compute + np.minimum(waves, tiles * np.ceil(rows / self._arrays)) * self._vector
            weights = weights + copies * float(n * k)
        byte = self.precision.weight_bytes if weight_bits is None else weight_bits / 8
        seconds = self._place(weights * byte, self.placement.weights, self._traffic(moved))
        return slowest(0.0, compute=compute, **seconds)

    def _attention(self, op: Attention) -> dict[Resource, Array]:
        """Keys and values as the stationary side: queries that share a KV head are its vectors."""
        span = op.span()
        group = op.heads / op.kv_heads
        depth = np.ceil(op.qk_dim / self._rows) * self._rows
        width = np.ceil(op.v_dim / self._attention_columns) * self._attention_columns
        # Tiles of K^T (qk_dim x span) and V (span x v_dim), each passed by `group` vectors per query token.
        cells = op.seqs * op.kv_heads * span * (depth + width)
        passes = cells / (self._rows * self._attention_columns * self._arrays) * (op.new * group)
        scores = op.seqs * op.new * span * op.heads
        cache = op.seqs * op.cached() * (op.kv_width * op.kv_bytes(self.precision.kv_bytes))
        queries = op.seqs * op.new * (op.heads * (op.qk_dim + op.v_dim) * self.precision.activation_bytes)
        seconds = self._place(cache, self.placement.kv, self._traffic(queries))
        vector = scores * (self._softmax / self._units)
        return slowest(0.0, compute=passes * self._attention_vector, vector=vector, **seconds)

    def _finish(self, op: Op, parts: dict[Resource, Array]) -> Cost:
        """All instances; energy from the published power at two clocks while cores or SRAM work."""
        scaled: dict[Resource, Array] = {r: np.asarray(p * op.count, dtype=np.float64) for r, p in parts.items()}
        waiting: dict[Resource, Array] = {r: p for r, p in scaled.items() if r not in ("compute", "sram")}
        working: Array = scaled.get("compute", np.zeros(())) + scaled.get("sram", np.zeros(()))
        energy = self.busy_energy(waiting) + working * max(0.0, self._busy - self.idle_w)
        return Cost(scaled, np.asarray(energy, dtype=np.float64))
