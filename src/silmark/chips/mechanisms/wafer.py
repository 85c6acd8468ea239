"""Wafer-scale meshes (Cerebras WSE): one layer runs on a square region of P x P cores, weights and KV in its SRAM.

The cost model is PLMR (WaferLLM, OSDI 2025): massive Parallelism, non-uniform Latency, little Memory per
core, few Routes. Sizes are padded to whole tiles, [ceil(k / P), ceil(n / P)] weights per core. A layer takes, in
cycles (fits in `silmark.calibration.wafer`, Tables 3 and 4 of the paper):

    one token per sequence   fixed + hop * P + row * (sum of k) / P + MAC / (lanes * P^2)
    a prompt                 shift * P + move * (sum of m k + k n) / P + MAC / (lanes * P^2)

A token is multiplied by MeshGEMV: every row of a tile of weights is one vector instruction (`row`, then `lanes`
multiply-adds per cycle), and the partial sums meet over a two-way K-tree, P / 2 hops from either side (`hop`).
A prompt is multiplied by MeshGEMM, Cannon's cyclic shifts interleaved so that logical neighbours are at most two
hops apart: P steps, each with its set-up (`shift`) and its two tiles to send and receive (`move` per element).
`shift` is paid per pass, whatever its number of rows; fewer rows than P leave rows of cores idle. Between one token
and a prompt, every operator takes the faster of both ways.

Seams of layers carry fixed and hop; operators carry the others, of `shift` and of the reductions of further rows each
product its part. How far the partial sums of further sequences travel together with those of the first was never
measured (no public run batches decoding), hence `batch_share`. Masked score pairs are computed (the kernels know no
causal tiles), as they were in the fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from silmark.chips import coefficients
from silmark.chips.mechanisms.base import AbstractMechanism, Cost, Placement, Resource, slowest
from silmark.chips.spec import Chip
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.graph import Array, Attention, Boundary, Conv, Elementwise, Experts, Gemm, Op, Scan

_PRODUCTS = 9.0
"""Products of the layers that were timed, which share their latency: seven with weights, two of attention."""


class Wafer(AbstractMechanism):
    """Time and energy on one region of a wafer; `regions()` of them work on different layers at once.

    `placement.region` gives the cores per side of a region. With 0, four regions (two by two) share the
    wafer, which is what WaferLLM uses for decoding; `best_region` finds the best side for a model.
    """

    family: ClassVar[str] = "wafer"
    splits_layers: ClassVar[bool] = True
    batches_prompts: ClassVar[bool] = False
    runs: ClassVar[frozenset[str]] = frozenset(
        {"gemm", "attention", "experts", "conv", "scan", "elementwise", "boundary"}
    )

    def __init__(self, chip: Chip, precision: Precision, placement: Placement) -> None:
        super().__init__(chip, precision, placement)
        clock = self.fact("compute.clock", "compute", "link", "overhead")
        width, height = self.fact("compute.mesh_width"), self.fact("compute.mesh_height")
        self.side = float(placement.region or int(min(width, height)) // 2)
        if not 1 <= self.side <= min(width, height):
            raise BadValue("region", placement.region, f"1 to {min(width, height):.0f} cores per side on {chip.id}")
        self._regions = int(width // self.side) * int(height // self.side)
        cores = self.side**2
        share = cores / (width * height)
        lanes = self.fact("compute.macs_per_core", "compute")
        # The units of the whole wafer bound what one region reaches.
        peak = 2.0 / self.fact(f"peak.{precision.compute}", "compute")
        self._mac = max(peak, 1.0 / (lanes * cores * clock))
        self._row = self.coefficient("decode.row", "overhead") / clock
        self._fixed = self.coefficient("decode.fixed", "overhead") / clock
        self._hop = self.coefficient("decode.hop", "link") * self.side / clock
        self._more = self.coefficient("decode.batch_share", "link")
        self._move = self.coefficient("prefill.move", "link") / clock
        shift = self.coefficient("prefill.shift", "link") * self.side / clock
        self._shift = max(0.0, shift - self._fixed - self._hop)  # beyond what every seam carries
        self._vector = self.fact("peak.vector", "vector", default=2.0 * width * height * clock) * share
        self._sram = self.fact("memory.sram.bandwidth", "sram") * share

    @classmethod
    def region(cls, chip: Chip, layers: int, layer_bytes: float, layer_macs: float) -> int:
        """See `best_region`."""
        return best_region(chip, layers, layer_bytes, layer_macs)

    def regions(self) -> int:
        """Whole regions on one wafer: layers that can be in flight at once."""
        return self._regions

    def cost(self, op: Op) -> Cost:
        """Time and energy of all instances of an operator."""
        match op:
            case Boundary():
                parts = self._seam(op)
            case Elementwise():
                parts = self._elementwise(op)
            case Gemm():
                # Groups lie side by side on the mesh.
                parts = self._products(op.m, [(float(op.k), float(op.groups * op.n) / op.parts, float(op.parts))])
            case Experts():
                touched = np.maximum(op.touched(), 1e-9)
                up = (float(op.hidden), float(op.inner), touched * (2.0 if op.gated else 1.0))
                down = (float(op.inner), float(op.hidden), touched)
                parts = self._products(op.m * op.top_k / touched, [up, down])
            case Conv():
                parts = self._products(op.m * op.out_size**2, [(float(op.depth), float(op.n), 1.0)])
            case Scan():
                # Decay, update and read-out of the state: a multiply-add each per element; the delta rule has one more.
                steps = op.token_flops / (2.0 * op.elements)
                parts = self._products(op.m, [(float(op.heads * op.head_dim), float(op.state), steps)])
            case Attention():
                parts = self._attention(op.gathered())
            case _:
                raise BadValue("operator", op.kind, f"one of {', '.join(sorted(self.runs))} on {self.chip.id}")
        return self.finish(op, parts)

    def alone(self, op: Gemm) -> float:
        """Seconds of one matrix-vector product outside of a layer: its own reduction, its rows and multiply-adds."""
        share = self.coefficient("decode.reduction_share", "overhead")
        return share * (self._fixed + self._hop) + float(self.cost(op).time_s)

    def _attention(self, op: Attention) -> dict[Resource, Array]:
        """Scores and weighted sum, all heads side by side as in the timed kernels; every sequence has its own cache."""
        context = op.cached().astype(np.float64)
        each: list[tuple[Array | float, Array | float, float]] = [
            (float(op.heads * op.qk_dim), context, 1.0),
            (context, float(op.heads * op.v_dim), 1.0),
        ]
        parts = self._products(op.new, each)
        further = np.maximum(op.seqs - 1.0, 0.0) * (len(each) / _PRODUCTS * self._hop * self._more)
        return {resource: part * op.seqs + (further if resource == "link" else 0.0) for resource, part in parts.items()}

    def _products(
        self, rows: Array, each: Sequence[tuple[Array | float, Array | float, Array | float]]
    ) -> dict[Resource, Array]:
        """Seconds of `rows` rows times matrices (k, n, copies), spread over the region in whole tiles.

        MeshGEMV goes row by row, every row of a tile one vector instruction; one pass of MeshGEMM sends the rows
        [m, k] and the weights [k, n] once around the mesh, tile by tile. The faster counts. Each carries its part of
        the latency of a layer beyond the first row's, which the seam has.
        """
        rows = np.asarray(rows, dtype=np.float64)
        passed = self._up(rows)
        depth, weights, products = np.zeros(()), np.zeros(()), np.zeros(())
        for k, n, copies in each:
            deep = self._up(k)
            depth = depth + copies * deep
            weights = weights + copies * deep * self._up(n)
            products = products + copies
        part = products / _PRODUCTS
        starts, by_row = rows * depth * (self._row / self.side), self._mac * weights * rows
        reduced = part * self._hop * self._more * np.maximum(rows - 1.0, 0.0)
        sent = (passed * depth + weights) * (self._move / self.side) + part * self._shift
        at_once = self._mac * weights * passed
        alone = starts + by_row + reduced <= sent + at_once
        return {
            "compute": np.where(alone, by_row, at_once),
            "overhead": np.where(alone, starts, 0.0),
            "link": np.where(alone, reduced, sent),
        }

    def _up(self, size: Array | float) -> Array:
        """A size padded to whole tiles."""
        return np.asarray(np.ceil(np.asarray(size, dtype=np.float64) / self.side) * self.side)

    def _elementwise(self, op: Elementwise) -> dict[Resource, Array]:
        """Element-wise work on the region's own share of vector units and SRAM ports."""
        moved = (op.read + op.write) * self.precision.activation_bytes
        return slowest(0.0, vector=op.m * (op.flops / self._vector), sram=op.m * (moved / self._sram))

    def _seam(self, op: Boundary) -> dict[Resource, Array]:
        """Latency of one layer of one token: set-up and reductions."""
        here = np.full(np.shape(op.m), 0.0 if op.scope == "step" else 1.0)
        return {"overhead": self._fixed * here, "link": self._hop * here}


def best_region(chip: Chip, layers: int, layer_bytes: float, layer_macs: float) -> int:
    """Cores per side of the region that decodes one token fastest among those that hold the model.

    A region holds its share of the layers: `ceil(layers / regions)` of them, weights and KV. Small regions
    have short reductions, large ones many multiply-adds per cycle.

    Args:
        chip: a wafer.
        layers: layers that this wafer must hold.
        layer_bytes: weights and KV cache of one layer.
        layer_macs: multiply-adds of one token in one layer.

    Returns:
        The side, or 0 if the layers do not fit.
    """
    width, height = chip.si("compute.mesh_width"), chip.si("compute.mesh_height")
    cuts = np.arange(1.0, 17.0)
    sides = np.unique(np.concatenate((width // cuts, height // cuts)))
    sides = sides[(sides <= min(width, height)) & (sides >= 1)]
    regions = (width // sides) * (height // sides)
    fits = np.ceil(layers / regions) * layer_bytes <= sides**2 * chip.si("compute.sram_per_core")
    fitted = coefficients.load("wafer")
    rows = np.sqrt(8.0 * layer_macs) / sides  # as if a layer were eight square matrices
    cycles = fitted["decode.hop"].value * sides + fitted["decode.row"].value * rows
    cycles = cycles + layer_macs / (chip.si("compute.macs_per_core") * sides**2)
    return int(sides[np.argmin(np.where(fits, cycles, np.inf))]) if fits.any() else 0
