"""d-Matrix Corsair: vendor figures only, and what they can and cannot show."""

from __future__ import annotations

import numpy as np
import pytest

from silmark.calibration import dimc
from silmark.chips import catalog, coefficients
from silmark.chips.mechanisms import Placement, build
from silmark.formats import Precision
from silmark.graph import Boundary


def _step(point: dict[str, str], cards: int, users: float) -> tuple[float, float]:
    """(seconds of the operators, with the fixed time) of one decode step, collectives left out."""
    machine = build(catalog.load(dimc.CHIP), Precision.of("mxint8"), Placement(weights="sram", kv="sram"))
    layers = int(point["layers"])
    work = layers * sum(float(machine.cost(op).time_s) for op in dimc.layer(point, users, cards))
    seam = Boundary(name="b", scope="layer", m=np.asarray(users), hidden=int(point["hidden"]), count=layers)
    return work, work + float(machine.cost(seam).time_s)


@pytest.mark.parametrize("name", ["tpot-llama3-8b", "tpot-llama3-70b"])
def test_claims_come_back_from_what_was_taken_from_them(name):
    """EE Times, via 4nownews 2025-01-20: 60,000 tok/s of Llama-3-8B at 1 ms (8 cards), 30,000 of 70B at 2 ms
    (64 cards). The fixed time per layer was derived from these two, so this is a check of the arithmetic and
    no evidence: within 1.35, because one constant cannot meet both (25 and 20 us per layer remain)."""
    point = dimc.published()[name]
    share = int(point["cards"]) // 8
    _, seconds = _step(point, 8, float(point["batch"]) / share)
    assert 1 / 1.35 < seconds / (float(point["value"]) * 1e-3) < 1.35


def test_operators_explain_little_of_the_claim():
    """The finding behind the constant: weights and arithmetic take under a quarter of the claimed steps."""
    for name in ("tpot-llama3-8b", "tpot-llama3-70b"):
        point = dimc.published()[name]
        work, _ = _step(point, 8, float(point["batch"]) * 8 / int(point["cards"]))
        assert work < 0.25 * float(point["value"]) * 1e-3


def test_a_ring_over_pcie_contradicts_the_8b_claim():
    """Two all-reduces per layer of 60 x 4096 16-bit activations at 63 GB/s take 27 us of the 31 us per layer;
    with latency nothing is left for the layer itself. The vendor's plan must be another one."""
    assert dimc.readings()["tpot-llama3-8b tensor-ring"] < 0


def test_claims_agree_with_themselves():
    """60,000 tok/s x 1 ms and 30,000 tok/s x 2 ms are both 60 users, inside the vendor's 48 to 64."""
    assert 60000 * 1e-3 == 30000 * 2e-3 == 60


def test_the_circle_is_named():
    fixed = coefficients.load("dimc")["layer.fixed"]
    assert {"claim:corsair-60k", "claim:corsair-30k"} == set(fixed.derived_from.split(", "))
    assert fixed.low < fixed.value < fixed.high
    assert 20e-6 < fixed.value < 25e-6


def test_efficiency_claim_needs_another_reading():
    """38 TOPS/W is claimed. 9,600 TFLOP/s in 4 bits over 550 W are 17.5, 2,400 in 8 bits over 550 W 4.4: the
    claim cannot be the card at its published power; it may be the array alone."""
    chip = catalog.load(dimc.CHIP)
    assert chip.si("peak.mxint4") / 550 / 1e12 < 38 / 2
