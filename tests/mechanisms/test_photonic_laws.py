"""What only photonic tiles do: installation, light, and a digital part for the rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.chips import catalog
from silmark.chips.mechanisms import Placement, build
from silmark.formats import Precision
from silmark.graph import Attention, Gemm

MACHINES = ("lightmatter-processor-2025", "lightmatter-envise-2021")


def _machine(name: str, **figures: float):
    chip = catalog.load(name)
    for key, value in figures.items():
        chip = chip.with_figure(key.replace("__", "."), value)
    return build(chip, Precision.of("abfp16"), Placement(weights="sram"))


@pytest.mark.parametrize("name", MACHINES)
@given(waves=st.integers(1, 6), deep=st.integers(1, 6), vectors=st.integers(1, 10**7))
@settings(max_examples=30)
def test_schedule_of_full_waves(name, waves, deep, vectors):
    """t = ceil(T / arrays) * (install + B / f), for whole waves of tiles."""
    chip = catalog.load(name)
    rows, columns, arrays = (chip.si(f"compute.{key}") for key in ("rows", "columns", "arrays"))
    machine = _machine(name, memory__sram__bandwidth=1e30)
    n, k = int(columns * arrays * waves), int(rows * deep)
    cost = machine.cost(Gemm(name="g", m=np.asarray(float(vectors)), n=n, k=k))
    expected = waves * deep * (chip.si("compute.weight_install") + vectors / chip.si("compute.clock"))
    busy = cost.parts["compute"] + cost.parts["overhead"]
    if busy > 0:
        assert float(busy) == pytest.approx(expected, rel=1e-3)
    else:
        assert cost.bound_by() in ("memory", "sram")
        assert float(cost.time_s) >= expected * (1 - 1e-9)


@pytest.mark.parametrize("name", MACHINES)
def test_break_even_batch(name):
    """At B = f x install, light and installation take the same time."""
    chip = catalog.load(name)
    batch = chip.si("compute.clock") * chip.si("compute.weight_install")
    wide = int(chip.si("compute.columns") * chip.si("compute.arrays"))
    cost = _machine(name, memory__sram__bandwidth=1e30, memory__sram__capacity=1e15).cost(
        Gemm(name="g", m=np.asarray(batch), n=wide, k=int(chip.si("compute.rows")))
    )
    assert float(cost.parts["compute"]) == pytest.approx(float(cost.parts["overhead"]), rel=1e-3)


@pytest.mark.parametrize("name", MACHINES)
def test_attention_is_digital(name):
    op = Attention(name="a", seqs=np.asarray(1.0), new=np.asarray(512.0), past=np.asarray(0.0), heads=12, kv_heads=12,
                   qk_dim=64, v_dim=64, kv_width=1536)  # fmt: skip
    slow, fast = _machine(name), _machine(name, compute__digital=1e15)
    assert slow.cost(op).bound_by() == "vector"
    assert fast.cost(op).time_s < slow.cost(op).time_s
    brighter = _machine(name, peak__abfp16=1e16)
    assert float(brighter.cost(op).time_s) == float(slow.cost(op).time_s)


def test_streaming_weights_through_the_host():
    """Weights that do not stay on the package come through PCIe 4.0, 31.5 GB/s."""
    op = Gemm(name="g", m=np.asarray(1.0), n=65536, k=128)
    chip = catalog.load(MACHINES[0]).with_figure("compute.weight_install", 1e-9)
    cost = build(chip, Precision.of("abfp16"), Placement(weights="main")).cost(op)
    assert cost.bound_by() == "memory"
    assert float(cost.time_s) >= 65536 * 128 * 7.125 / 8 / 31.5e9


def test_a_single_vector_leaves_the_optics_idle():
    cost = _machine(MACHINES[0]).cost(Gemm(name="g", m=np.asarray(1.0), n=4096, k=4096))
    assert float(cost.parts["compute"]) < 1e-4 * float(cost.parts["overhead"])


def test_padded_cells_are_lit():
    machine = _machine(MACHINES[0], memory__sram__bandwidth=1e18, memory__sram__capacity=1e18)
    whole, part = (machine.cost(Gemm(name="g", m=np.asarray(1e8), n=n, k=128)) for n in (512, 500))
    assert float(whole.energy_j) == pytest.approx(float(part.energy_j), rel=1e-2)
