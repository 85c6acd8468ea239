"""Derives the parameters of digital in-memory compute from d-Matrix's own figures for Corsair.

There is no measurement. Two end-to-end claims (60 users at 1 ms per token for Llama-3-8B on 8 cards, at
2 ms for 70B on 64) are up to 95 % time that neither weights nor arithmetic explain. That time, spread over the
layers, is the family's fixed time per layer. How much of it is communication depends on a plan that the
vendor did not publish, so the claims are read in three ways and the interval spans all of them. Whatever is
predicted with this parameter cannot decide the two claims: they are what it was taken from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np

from silmark.calibration import points
from silmark.chips import catalog
from silmark.chips.mechanisms.base import Placement, Resource
from silmark.chips.mechanisms.dimc import Dimc
from silmark.figures.tables import data_folder
from silmark.formats import Precision
from silmark.graph import Attention, Gemm, Graph

CHIP = "dmatrix-corsair"
CONTEXT = 1024.0
"""Tokens per user: 60 users of Llama-3-8B with it and the weights fill 12 of a server's 16 GB of SRAM."""
_TENSOR = 8  # cards of one server
_ASSUMED = {
    "memory.share": (0.8, 0.6, 0.95, "1", "share of the LPDDR peak that long reads reach"),
    "staging.capacity_share": (0.1, 0.02, 0.5, "1", "part of the SRAM that activations may take beside weights"),
    "vector.peak_share": (1 / 120, 1 / 480, 1 / 32, "1", "for chips without a vector peak; Corsair's own is assumed"),
    "softmax.operations": (10.0, 5.0, 40.0, "1", "vector operations per attention score"),
    "step.fixed": (0.0, 0.0, 20e-6, "s", "no claim tells it from the fixed time of the layers"),
}


class _Bare(Dimc):
    """The mechanism without the fixed times that this fit looks for."""

    trial: Mapping[str, float] = {key: value for key, (value, *_) in _ASSUMED.items()} | {
        "layer.fixed": 0.0,
        "power.busy_share": 1.0,
        "power.exponent": 1.0,
    }

    def coefficient(self, key: str, *bounds: Resource) -> float:
        """Assumed values, and zero for what is looked for."""
        return self.trial[key]


def published() -> dict[str, dict[str, str]]:
    """The vendor's published points by name."""
    return {row["point"]: row for row in points.read("dmatrix_corsair")}


def layer(point: Mapping[str, str], users: float, cards: int) -> Graph:
    """Matrix and attention operators of one decoder layer on one of `cards` cards."""
    hidden, inner = int(point["hidden"]), int(point["inner"])
    heads, kv_heads = int(point["heads"]) // cards, max(1, int(point["kv_heads"]) // cards)
    size = hidden // int(point["heads"])
    m = np.asarray(users)
    return (
        Gemm(name="qkv", m=m, n=(heads + 2 * kv_heads) * size, k=hidden),
        Attention(
            name="attention", seqs=m, new=np.asarray(1.0), past=np.asarray(CONTEXT), heads=heads, kv_heads=kv_heads,
            qk_dim=size, v_dim=size, kv_width=2 * kv_heads * size,
        ),
        Gemm(name="o", m=m, n=hidden, k=heads * size),
        Gemm(name="up", m=m, n=2 * inner // cards, k=hidden),
        Gemm(name="down", m=m, n=hidden, k=inner // cards),
    )  # fmt: skip


def readings() -> dict[str, float]:
    """Seconds per layer that remain of each claim under each reading of its plan.

    pipeline: every card holds whole layers, one user group per stage, one message per card.
    tensor: eight cards share each layer; two all-reduces of three messages' latency each.
    tensor-ring: the same with the bytes of a ring over PCIe, nothing hidden.
    """
    chip = catalog.load(CHIP)
    machine = _Bare(chip, Precision.of("mxint8"), Placement(weights="sram", kv="sram"))
    latency, link = chip.si("link.scale_up.latency"), chip.si("link.scale_up.bandwidth")
    left: dict[str, float] = {}
    for name in ("tpot-llama3-8b", "tpot-llama3-70b"):
        point = published()[name]
        layers, cards, users = int(point["layers"]), int(point["cards"]), float(point["batch"])
        total = float(point["value"]) * 1e-3 / layers
        message = users * int(point["hidden"]) * 2.0
        whole = sum(float(machine.cost(op).time_s) for op in layer(point, users / min(cards, layers), 1))
        hop = latency + message / min(cards, layers) / link
        left[f"{name} pipeline"] = total - whole - hop * min(cards, layers) / layers
        split = sum(float(machine.cost(op).time_s) for op in layer(point, users / (cards // _TENSOR), _TENSOR))
        left[f"{name} tensor"] = total - split - 2 * 3 * latency
        ring = 2 * (_TENSOR - 1) / _TENSOR * message / (cards // _TENSOR) / link
        left[f"{name} tensor-ring"] = total - split - 2 * (3 * latency + ring)
    return left


def power() -> tuple[float, float]:
    """Exponent of power over clock, and power at the catalogue's clock as a share of the card's limit."""
    low, high = (float(published()[name]["value"]) for name in ("power-low", "power-high"))
    exponent = math.log(high / low) / math.log(1.2 / 0.8)
    chip = catalog.load(CHIP)
    return exponent, high * (chip.si("compute.clock") / 1.2e9) ** exponent / chip.si("power.tdp")


def run() -> None:
    """Derives the parameters and writes `data/calibration/dimc.toml`."""
    left = readings()
    typical = [seconds for name, seconds in left.items() if not name.endswith("ring")]
    fixed = math.exp(sum(math.log(seconds) for seconds in typical) / len(typical))
    exponent, share = power()
    slides = {"source": "servethehome-dmatrix-2025", "grade": "derived", "derived_from": "claim:corsair-power"}
    parameters = {
        "layer.fixed": points.leaf(
            fixed * 1e6, min(s for s in left.values() if s > 0) * 1e6, max(left.values()) * 1e6, "us",
            source="eetimes-corsair-2025", grade="derived", derived_from="claim:corsair-60k, claim:corsair-30k",
            note="geometric mean over both claims read with pipeline and with tensor parallelism; low: 70B with a ring "
            "of 16-bit activations over PCIe; such a ring alone takes longer than the 8B claim allows",
        ),
        "power.exponent": points.leaf(
            exponent, 1.0, 3.0, "1", note="275 W at 0.8 GHz, 550 W at 1.2 GHz: ln 2 / ln 1.5; two points", **slides
        ),
        "power.busy_share": points.leaf(
            share, 0.5, 1.0, "1", note="power at 1.144 GHz on that curve over the card's limit", **slides
        ),
    }  # fmt: skip
    for key, (value, low, high, unit, note) in _ASSUMED.items():
        parameters[key] = points.leaf(value, low, high, unit, source="silmark-assumption", grade="assumed", note=note)
    head: dict[str, str | int] = {
        "family": "dimc",
        "date": datetime.now(UTC).date().isoformat(),
        "command": "silmark calibrate dimc",
        "data": "published/dmatrix_corsair.csv: four vendor figures; no measurement exists",
        "chip": CHIP,
        "rows": len(published()),
    }
    told = {f"{name} us per layer": seconds * 1e6 for name, seconds in left.items()}
    points.write(data_folder() / "calibration" / "dimc.toml", head, parameters, {"residuals": told})
