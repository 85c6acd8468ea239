"""Weight-stationary analog photonic tiles beside a digital part (Lightmatter's 2021 and 2025 machines).

A tile of R x C weights is installed (digital-to-analog converters settle), then one vector per cycle is
encoded on light, multiplied and summed in one flight. A product of T tiles on B vectors takes
`ceil(T / arrays) * (install + B / f)`: the weight-stationary schedule, with f the clock, or lower where the
published peak of 2 R C operations per array and cycle is. Attention has activations on both sides, so
it, norms and softmax run on the digital part. Each machine has its own chip file; nothing is shared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from silmark.chips.mechanisms.base import AbstractMechanism, Cost, Placement, Resource, slowest
from silmark.chips.spec import Chip
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.graph import Array, Attention, Boundary, Conv, Elementwise, Experts, Gemm, Op, Scan


class Photonic(AbstractMechanism):
    """Photonic matrix-vector tiles, a digital part and its memory."""

    family: ClassVar[str] = "photonic"
    runs: ClassVar[frozenset[str]] = frozenset(
        {"gemm", "attention", "experts", "conv", "scan", "elementwise", "boundary"}
    )

    def __init__(self, chip: Chip, precision: Precision, placement: Placement) -> None:
        super().__init__(chip, precision, placement)
        peak = self.fact(f"peak.{precision.compute}", "compute")
        self._rows = self.fact("compute.rows", "compute")
        self._columns = self.fact("compute.columns", "compute")
        self._arrays = self.fact("compute.arrays", "compute")
        self._install = self.fact("compute.weight_install", "overhead")
        self._tile = self._rows * self._columns
        rated = 2.0 * self._tile * self._arrays / peak
        self._cycle = max(rated, 1.0 / self.fact("compute.clock", "compute", default=1.0 / rated))
        share = self.coefficient("vector.peak_share", "vector") * peak
        vector = "compute.digital" if "compute.digital" in chip.figures else "peak.vector"
        self._digital = self.fact(vector, "vector", default=share)
        self._read_memory()
        operation = sum(self.fact(f"energy.{part}", default=0.0) for part in ("encode", "optical", "electronic"))
        self._mac_j = self.fact("energy.mac", default=2.0 * operation) * (1.0 - self.idle_w / self.fact("power.tdp"))

    def _read_memory(self) -> None:
        """Bandwidths of the tiers that the placement names; the host link where there is no own memory."""
        figures = self.chip.figures
        main = "memory.main.bandwidth" if "memory.main.bandwidth" in figures else "link.host.bandwidth"
        self._main = self.fact(main, "memory") * self.coefficient("memory.share", "memory")
        on_die = self.fact("memory.sram.bandwidth", "sram", default=0.0) or self._main
        self._sram = max(self._main, on_die)
        self._stage = self.fact("memory.sram.capacity", "sram", default=0.0) * self.coefficient(
            "staging.capacity_share", "sram"
        )

    def cost(self, op: Op) -> Cost:
        """Time and energy of one operator, all its instances."""
        match op:
            case Gemm():
                moved = op.m * ((op.n + op.k) * op.groups * self.precision.activation_bytes)
                return self._product(op, [(op.m, op.n, op.k, op.groups)], op.weight_bits, moved)
            case Experts():
                touched = np.maximum(op.touched(), 1e-9)
                rows = op.m * op.top_k / touched
                ups = 2 if op.gated else 1
                products = [(rows, op.inner, op.hidden, touched * ups), (rows, op.hidden, op.inner, touched)]
                width = op.top_k * (2 * op.hidden + (ups + 1) * op.inner) * self.precision.activation_bytes
                return self._product(op, products, op.weight_bits, op.m * width)
            case Conv():
                elements = (op.in_size**2 * op.k + op.out_size**2 * op.n) * self.precision.activation_bytes
                product = (op.m * float(op.out_size**2), op.n // op.groups, op.depth, op.groups)
                return self._product(op, [product], None, op.m * elements)
            case Attention():
                return self._attention(op.gathered())
            case Scan():
                moved = op.seqs * (2 * op.elements * op.state_bytes(self.precision.activation_bytes))
                return self._electronic(op, op.m * op.token_flops, moved, "main")
            case Elementwise():
                moved = op.m * ((op.read + op.write) * self.precision.activation_bytes)
                return self._electronic(op, op.m * float(op.flops), moved, "auto")
            case Boundary():
                fixed = self.coefficient(f"{op.scope}.fixed", "overhead")
                return self.finish(op, {"overhead": np.full(np.shape(op.m), fixed)})
            case _:
                raise BadValue("operator", op.kind, f"one of {', '.join(sorted(self.runs))}")

    def _traffic(self, activations: Array, tier: str) -> dict[str, Array]:
        """Seconds of activations by tier: `auto` keeps them on the package while they fit."""
        on_die = activations <= self._stage if tier == "auto" else np.full(np.shape(activations), tier == "sram")
        return {
            "memory": np.where(on_die, 0.0, activations / self._main),
            "sram": np.where(on_die, activations / self._sram, 0.0),
        }

    def _electronic(self, op: Op, flops: Array, moved: Array, tier: str) -> Cost:
        return self.finish(op, slowest(0.0, vector=flops / self._digital, **self._traffic(moved, tier)))

    def _attention(self, op: Attention) -> Cost:
        """Scores, softmax and weighted sum on the digital part: both operands change with every token."""
        pairs = op.seqs * op.new * op.span()
        flops = pairs * (op.heads * (2.0 * (op.qk_dim + op.v_dim) + self.coefficient("softmax.operations", "vector")))
        cache = op.seqs * op.cached() * (op.kv_width * op.kv_bytes(self.precision.kv_bytes))
        return self._electronic(op, flops, cache, self.placement.kv)

    def _product(
        self,
        op: Gemm | Experts | Conv,
        products: Sequence[tuple[Array, int, int, float | Array]],
        weight_bits: float | None,
        moved: Array,
    ) -> Cost:
        """Products on the optics, each given as (vectors, outputs, depth, copies).

        Light waits while weights are installed; streams of weights and activations overlap with both.
        """
        install: Array = np.zeros(())
        light: Array = np.zeros(())
        fired: Array = np.zeros(())
        weights: Array = np.zeros(())
        for vectors, n, k, copies in products:
            tiles = np.ceil(n / self._columns) * np.ceil(k / self._rows) * copies
            waves = np.ceil(tiles / self._arrays)
            # Fewer tiles than arrays, or a last wave half full: the same tile in all arrays shares the vectors.
            spread = tiles * (self._install + vectors / self._arrays * self._cycle)
            whole = waves * (self._install + vectors * self._cycle)
            shared = spread < whole
            install = install + np.where(shared, tiles, waves) * self._install
            light = light + np.where(shared, tiles * vectors / self._arrays, waves * vectors) * self._cycle
            fired = fired + tiles * vectors * self._tile
            weights = weights + copies * float(n * k)
        byte = self.precision.weight_bytes if weight_bits is None else weight_bits / 8
        seconds = self._traffic(moved, "auto")
        if self.placement.weights == "main":
            seconds["memory"] = seconds["memory"] + weights * (byte / self._main)
        else:  # weights and activations lie in different banks
            seconds["sram"] = np.maximum(seconds["sram"], weights * (byte / self._sram))
        return self._overlapped(op, install, light, seconds, fired)

    def _overlapped(self, op: Op, install: Array, light: Array, seconds: dict[str, Array], fired: Array) -> Cost:
        """Parts and energy: installing and firing add up, and hide memory or hide behind it.

        Energy per multiply-add was published as package power over rate, idle power included, so the idle
        share is taken out of it; a padded cell is lit like any other.
        """
        merged: dict[Resource, Array] = slowest(0.0, compute=install + light, **seconds)
        busy = merged.pop("compute")
        total = np.maximum(install + light, 1e-300)
        merged["compute"] = busy * (light / total)
        merged["overhead"] = busy * (install / total)
        scaled: dict[Resource, Array] = {r: np.asarray(p * op.count, dtype=np.float64) for r, p in merged.items()}
        waiting: dict[Resource, Array] = {r: p for r, p in scaled.items() if r != "compute"}
        energy = self.busy_energy(waiting) + fired * (op.count * self._mac_j)
        return Cost(scaled, np.broadcast_to(energy, busy.shape) + 0.0)
