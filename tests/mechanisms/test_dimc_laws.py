"""What only in-memory compute does: bit-serial cycles, two tiers, power over clock."""

from __future__ import annotations

import numpy as np
import pytest

from silmark.chips import catalog
from silmark.chips.mechanisms import Placement, build
from silmark.chips.mechanisms.dimc import bit_serial
from silmark.formats import Precision, get
from silmark.graph import Attention, Boundary, Gemm

CHIP = "dmatrix-corsair"


def _machine(fmt: str = "mxint8", weights: str = "sram", kv: str = "sram", **figures: float):
    chip = catalog.load(CHIP)
    for key, value in figures.items():
        chip = chip.with_figure(key.replace("__", "."), value)
    return build(chip, Precision.of(fmt), Placement(weights=weights, kv=kv))


@pytest.mark.parametrize("fmt", ["mxint4", "mxint8", "mxint16"])
def test_one_clock_gives_all_published_peaks(fmt):
    """Rows x columns x cores x 2 x clock / cycles; 8 cycles at 8 bits, 4 on 64 x 128 at 4 bits, 32 at 16."""
    chip = catalog.load(CHIP)
    cycles, widening = bit_serial(get(fmt).bits)
    cells = chip.si("compute.rows") * chip.si("compute.columns") * widening * chip.si("compute.arrays")
    rate = 2 * cells * chip.si("compute.clock") / (cycles * chip.si("compute.vector_cycles"))
    assert rate == pytest.approx(chip.si(f"peak.{fmt}"), rel=0.002)


def test_the_same_clock_gives_the_sram_bandwidth():
    chip = catalog.load(CHIP)
    rate = chip.si("compute.arrays") * chip.si("compute.rows") * chip.si("compute.clock")
    assert rate == pytest.approx(chip.si("memory.sram.bandwidth"), rel=0.002)


def test_tiers():
    """8 billion weights over 8 cards: 6.7 us of SRAM per step, 3 ms of LPDDR (at the assumed share of 400 GB/s)."""
    op = Gemm(name="all", m=np.asarray(1.0), n=31250, k=32000)
    resident, streamed = _machine().cost(op), _machine(weights="main").cost(op)
    assert float(resident.time_s) == pytest.approx(6.7e-6, rel=0.05)
    assert streamed.bound_by() == "memory"
    assert float(streamed.time_s) == pytest.approx(1.0156e9 / (400e9 * 0.8), rel=0.02)


def test_cache_tier():
    op = Attention(name="a", seqs=np.asarray(8.0), new=np.asarray(1.0), past=np.asarray(8191.0), heads=32, kv_heads=8,
                   qk_dim=128, v_dim=128, kv_width=2048)  # fmt: skip
    assert _machine(kv="main").cost(op).bound_by() == "memory"
    assert _machine().cost(op).time_s < _machine(kv="main").cost(op).time_s / 10


def test_rows_of_a_small_batch_hide_behind_the_weights():
    """A tile takes 64 cycles to arrive and 8 per vector: up to 8 vectors are free."""
    op = Gemm(name="g", m=np.asarray([1.0, 7.0, 16.0]), n=8192, k=8192)
    seconds = _machine().cost(op).time_s
    assert seconds[0] == pytest.approx(seconds[1], rel=0.01)
    assert seconds[2] > seconds[1] * 1.5


def test_a_lower_clock_is_slower_and_cheaper():
    """275 W at 0.8 GHz and 550 W at 1.2 GHz: time grows as 1 / f, power falls as f ** 1.71."""
    op = Gemm(name="g", m=np.asarray(4096.0), n=8192, k=8192)
    fast, slow = _machine().cost(op), _machine(compute__clock=0.8e9).cost(op)
    assert float(slow.time_s / fast.time_s) == pytest.approx(1.144 / 0.8, rel=0.01)
    idle = _machine().idle_w
    power = float(slow.energy_j / slow.time_s) + idle
    assert power == pytest.approx(275, rel=0.03)


def test_seams_cost_the_fixed_time():
    machine = _machine()
    seam = machine.cost(Boundary(name="b", scope="layer", m=np.ones(3), hidden=4096, count=32))
    assert seam.time_s.shape == (3,)
    assert float(seam.time_s[0]) == pytest.approx(32 * machine.coefficient("layer.fixed"))
