"""Wafer-scale meshes (Cerebras WSE): one layer runs on a square region of P x P cores, weights and KV in its SRAM.

The cost model is PLMR (WaferLLM, OSDI 2025): massive Parallelism, non-uniform Latency, little Memory per
core, few Routes. A layer takes, in cycles (fits in `silmark.calibration.wafer`, Tables 3 and 4 of the paper):

    one token per sequence   fixed + hop * P + decode_mac * MAC / P^2
    a prompt                 shift * P + prefill_mac * MAC / P^2

A token is multiplied by GEMV: partial sums are reduced along rows and columns of the mesh, so latency grows
with P. A prompt is multiplied by MeshGEMM (a Cannon variant): P steps, each shifting one tile to a neighbour.
The tiles are so small (4096 x 4096 on 600 x 600 cores: 7 x 7 elements) that a step costs its set-up and not
its payload; `shift` therefore is paid per pass, whatever its number of rows. It was fitted at 4096 rows only;
the end-to-end times of the paper's Table 2 for prompts of 2048 (left out of the fit) agree with a cost per
pass within 20 % and disagree with one per row. Rows above the crossover, where one pass of MeshGEMM
costs less latency than one reduction per token, are multiplied by MeshGEMM, and fewer rows than P leave rows
of cores idle.

Seams of layers carry fixed, hop and shift terms; operators carry their multiply-adds. Masked score pairs are
computed (the kernels know no causal tiles), as they were in the fit.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from silmark.chips import coefficients
from silmark.chips.mechanisms.base import AbstractMechanism, Cost, Placement, Resource, slowest
from silmark.chips.spec import Chip
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.graph import Array, Attention, Boundary, Conv, Elementwise, Experts, Gemm, Op, Scan


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
        wider = (self.coefficient("mac.reference_lanes", "compute") / lanes) ** self.coefficient(
            "mac.width_gain", "compute"
        )
        # The units of the whole wafer bound what the kernels of one region reach.
        floor = 2.0 / self.fact(f"peak.{precision.compute}", "compute")
        mac = wider / (cores * clock)
        self._decode_mac = max(floor, self.coefficient("decode.mac", "compute") * mac)
        self._prefill_mac = max(floor, self.coefficient("prefill.mac", "compute") * mac, self._decode_mac)
        self._fixed = self.coefficient("decode.fixed", "overhead") / clock
        self._hop = self.coefficient("decode.hop", "link") * self.side / clock
        self._more = self.coefficient("decode.batch_share", "link")
        self._shift = self.coefficient("prefill.shift", "link") * self.side / clock
        self._crossover = 1.0 + max(0.0, self._shift - self._fixed - self._hop) / (self._hop * self._more)
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
                parts = self._macs(op.m, float(op.groups * op.n * op.k))
            case Experts():
                parts = self._macs(op.m, op.top_k * op.weights_per_expert)
            case Conv():
                parts = self._macs(op.m * op.out_size**2, float(op.n * op.depth))
            case Scan():
                parts = self._macs(op.m, op.token_flops / 2.0)
            case Attention():
                whole = op.gathered()
                per_row = whole.cached() * float(op.heads * (op.qk_dim + op.v_dim))
                parts = self._macs(whole.seqs * whole.new, per_row)
            case _:
                raise BadValue("operator", op.kind, f"one of {', '.join(sorted(self.runs))} on {self.chip.id}")
        return self.finish(op, parts)

    def _macs(self, rows: Array, per_row: Array | float) -> dict[Resource, Array]:
        """Seconds of `rows` rows of `per_row` multiply-adds each, spread over the region."""
        alone = self._decode_mac * rows
        together = self._prefill_mac * np.maximum(rows, self.side)
        return {"compute": np.where(rows > self._crossover, together, alone) * per_row}

    def _elementwise(self, op: Elementwise) -> dict[Resource, Array]:
        """Element-wise work on the region's own share of vector units and SRAM ports."""
        moved = (op.read + op.write) * self.precision.activation_bytes
        return slowest(0.0, vector=op.m * (op.flops / self._vector), sram=op.m * (moved / self._sram))

    def _seam(self, op: Boundary) -> dict[Resource, Array]:
        """Latency of one layer: reductions of the tokens, or the shifts of one MeshGEMM pass.

        A further token of a batch brings its own partial sums; how far they travel together with those of
        the first was never measured (no public run batches decoding), hence `batch_share`.
        """
        zero = np.zeros(np.shape(op.m))
        if op.scope == "step":
            return {"overhead": zero}
        shifted = op.m > self._crossover
        reduced = self._hop * (1.0 + self._more * np.maximum(op.m - 1.0, 0.0))
        return {
            "overhead": np.where(shifted, zero, self._fixed),
            "link": np.where(shifted, np.maximum(self._shift, self._fixed + self._hop), reduced),
        }


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
    cycles = fitted["decode.hop"].value * sides + fitted["decode.mac"].value * layer_macs / sides**2
    return int(sides[np.argmin(np.where(fits, cycles, np.inf))]) if fits.any() else 0
