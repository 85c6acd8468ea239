"""What only systolic arrays do: padding, splitting, waves and installation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.chips import catalog
from silmark.chips.mechanisms import Placement, build
from silmark.formats import Precision
from silmark.graph import Attention, Gemm


def _machine(name: str, fmt: str = "bf16", **figures: float):
    chip = catalog.load(name)
    for key, value in figures.items():
        chip = chip.with_figure(key.replace("__", "."), value)
    return build(chip, Precision.of(fmt), Placement(weights="sram"))


def _compute(machine, m: float, n: int, k: int) -> float:
    return float(machine.cost(Gemm(name="g", m=np.asarray(m), n=n, k=k)).parts["compute"])


@given(m=st.integers(1, 4000), n=st.integers(1, 4096), k=st.integers(1, 4096))
@settings(max_examples=50)
def test_both_weight_sides_are_padded_to_the_array(m, n, k):
    machine = _machine("google-tpu-v5e")
    side = 128
    whole = machine._passes(np.asarray(float(m)), -(-n // side) * side, -(-k // side) * side)
    assert np.isclose(machine._passes(np.asarray(float(m)), n, k), whole)


def test_tokens_are_padded_to_eight():
    machine = _machine("google-tpu-v5e")
    passes = machine._passes(np.asarray([1000.0 - 7, 1000.0]), 4096, 4096)
    assert passes[0] == passes[1]


@given(m=st.integers(1, 4000), n=st.integers(1, 5000), k=st.integers(1, 5000))
@settings(max_examples=50)
def test_splitting_never_hurts_and_small_matrices_gain(m, n, k):
    one = _machine("matx-one", "fp8", compute__splits=1)._passes(np.asarray(float(m)), n, k)
    four = _machine("matx-one", "fp8", compute__splits=4)._passes(np.asarray(float(m)), n, k)
    assert four <= one * (1 + 1e-12)


def test_a_quarter_size_matrix_uses_the_whole_split_array():
    """[4096, 256] @ [256, 256] fills 1/16 of a 1,024 array, but all sixteen 256 x 256 parts share its rows."""
    one = _compute(_machine("matx-one", "fp8", compute__splits=1), 1 << 16, 256, 256)
    four = _compute(_machine("matx-one", "fp8", compute__splits=4), 1 << 16, 256, 256)
    assert one / four > 12


def test_few_tokens_cost_the_installation_of_the_weights():
    machine = _machine("google-tpu-v6e")
    passes = machine._passes(np.asarray([1.0, 8.0, 64.0, 4096.0]), 4096, 4096)
    assert passes[0] == passes[1] == passes[2] < passes[3] / 10


def test_long_products_reach_the_sustained_share_of_the_peak():
    machine = _machine("google-tpu-v6e")
    m, n = 32768.0, 14336
    rate = 2 * m * n * 4096 / float(machine._passes(np.asarray(m), n, 4096))
    assert rate == pytest.approx(918e12 * machine.coefficient("gemm.share"), rel=0.01)


def test_nothing_exceeds_the_best_measured_rate():
    """Gaudi 3 multiplies at 1,243 of 1,835 TFLOP/s at best (stas00/ml-engineering)."""
    machine = _machine("intel-gaudi-3-128gb")
    rate = 2 * 32768.0 * 8192 * 8192 / float(machine._passes(np.asarray(32768.0), 8192, 8192))
    assert rate <= 1243e12


@pytest.mark.parametrize(("name", "same"), [("google-tpu-v6e", True), ("intel-gaudi-2-96gb", False)])
def test_only_the_ragged_kernel_pads_queries(name, same):
    machine = _machine(name)
    new = np.asarray([1.0, 16.0])
    op = Attention(name="a", seqs=np.asarray(1.0), new=new, past=np.asarray(4096.0) - new / 2, heads=32, kv_heads=8,
                   qk_dim=128, v_dim=128, kv_width=2048)  # fmt: skip
    vector = machine.cost(op).time_s
    assert (vector[1] < vector[0] * 1.01) == same


def test_weights_on_the_die_are_not_read_from_memory():
    chip = catalog.load("google-tpu-v6e")
    op = Gemm(name="g", m=np.asarray(8.0), n=4096, k=4096)
    far = build(chip, Precision.of("bf16"), Placement()).cost(op)
    near = build(chip, Precision.of("bf16"), Placement(weights="sram")).cost(op)
    assert far.bound_by() == "memory"
    assert near.time_s < far.time_s / 3
