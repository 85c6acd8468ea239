"""Lightmatter's 2025 processor (doi:10.1038/s41586-025-08854-x), as figures: peak, power, efficiency.

The plan briefed in 2021 (Envise) is another machine with its own file; nothing here mixes the two.
"""

from __future__ import annotations

import numpy as np
import pytest

from silmark.chips import catalog
from silmark.chips.mechanisms import Placement, build
from silmark.formats import Precision
from silmark.graph import Gemm

CHIP = "lightmatter-processor-2025"


def _long(chip):
    """A product whose weights fill the four tiles once and whose vectors go on for 1e10 cycles."""
    machine = build(chip, Precision.of("abfp16"), Placement(weights="sram"))
    op = Gemm(name="g", m=np.asarray(1e10), n=512, k=128)
    return machine, machine.cost(op), 2 * 1e10 * 512 * 128


def _unfed(chip):
    """The same chip with activations that arrive as fast as they are used (the paper's rate is the optics')."""
    return chip.with_figure("memory.sram.bandwidth", 1e18).with_figure("memory.sram.capacity", 1e18)


def test_rate_as_run():
    """65.5 TOPS at 500 MHz: 4 x 128 x 128 x 2 x 0.5 GHz, weights resident, installation amortised."""
    _, cost, operations = _long(_unfed(catalog.load(CHIP)))
    assert operations / float(cost.time_s) == pytest.approx(65.5e12, rel=0.002)
    assert cost.bound_by() == "compute"


def test_rate_as_designed():
    """262 TOPS at the designed 2 GHz, which the silicon did not reach (a clock-tree fault)."""
    chip = _unfed(catalog.load(CHIP)).with_figure("peak.abfp16", 262.144e12).with_figure("compute.clock", 2e9)
    _, cost, operations = _long(chip)
    assert operations / float(cost.time_s) == pytest.approx(262e12, rel=0.002)


def test_power_and_efficiency():
    """78 W electrical + 1.6 W optical at full rate; the paper's table says 0.84 TOPS/W, the quotient 0.82.
    Laser wall-plug losses are not said to be included."""
    machine, cost, operations = _long(_unfed(catalog.load(CHIP)))
    watts = float(cost.energy_j / cost.time_s) + machine.idle_w
    assert watts == pytest.approx(79.6, rel=0.01)
    assert 0.81 < operations / float(cost.time_s) / watts / 1e12 < 0.85


def test_energy_split_adds_up():
    """3.8 + 24.4 + 1,187 fJ per operation = 1.215 pJ = half of 2.43 pJ per multiply-add = 79.6 W / 32.8e12 MAC/s."""
    chip = catalog.load(CHIP)
    per_operation = sum(chip.si(f"energy.{part}") for part in ("encode", "optical", "electronic"))
    assert per_operation == pytest.approx(1.215e-12, rel=0.001)
    assert 2 * per_operation == pytest.approx(chip.si("energy.mac"), rel=0.005)
    assert chip.si("power.tdp") / (65.536e12 / 2) == pytest.approx(2.43e-12, rel=0.002)


def test_worse_per_watt_than_the_digital_chip_it_is_compared_with():
    """H100 SXM: 989 TFLOP/s bf16 over 700 W is 1.41 TFLOP/s per watt, 1.7 times this processor as run."""
    h100 = catalog.load("nvidia-h100-sxm5-80gb")
    ratio = h100.si("peak.bf16") / h100.si("power.tdp") / (65.536e12 / 79.6)
    assert ratio == pytest.approx(1.7, abs=0.05)


def test_weight_loading_decides():
    """25 MHz transfer and no working second buffer: 0.1 to 1 ms per tile, so a tile must see 5e4 to 5e5 vectors
    before light takes as long as loading. One token through 7 billion weights then
    takes half a minute (11 to 107 s)."""
    chip = catalog.load(CHIP)
    install = chip.figure("compute.weight_install")
    assert install.low * chip.si("compute.clock") == pytest.approx(5e4)
    assert install.high * chip.si("compute.clock") == pytest.approx(5e5)
    machine = build(chip, Precision.of("abfp16"), Placement())
    token = machine.cost(Gemm(name="g", m=np.asarray(1.0), n=4096, k=4096, count=7e9 / 4096**2))
    assert float(token.time_s) == pytest.approx(32, rel=0.05)
    assert token.bound_by() == "overhead"


def test_the_two_machines_stay_apart():
    briefed, built = catalog.load("lightmatter-envise-2021"), catalog.load(CHIP)
    assert briefed.si("compute.columns") != built.si("compute.columns")
    assert briefed.status != "shipping"
    assert built.status != "shipping"
