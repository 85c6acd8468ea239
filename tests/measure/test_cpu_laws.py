"""The cpu family: bounds, monotony, and whose parameters it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machine import RATES, truth

from silmark import models
from silmark.chips import Chip, host
from silmark.chips.mechanisms import Placement, build
from silmark.errors import BadFile
from silmark.figures import Figure, Grade
from silmark.formats import Precision
from silmark.graph import Attention, Elementwise, Experts, Gemm, count
from silmark.workloads import Step

CHIPS = {"assumed": host.guess(), "measured": truth()}
each_chip = pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
STEPS = (Step.decode(4, 1000), Step.prefill(1, 512))


def _machine(chip: Chip, fmt: str = "bf16"):
    return build(chip, Precision.of(fmt), Placement())


def _gemm(chip: Chip, m, n: int, k: int, fmt: str = "bf16"):
    return _machine(chip, fmt).cost(Gemm(name="g", m=np.asarray(m, dtype=float), n=n, k=k)).time_s


@each_chip
@given(m=st.integers(1, 2000), n=st.integers(1, 9000), k=st.integers(1, 9000), fmt=st.sampled_from(["fp32", "bf16"]))
@settings(max_examples=60)
def test_no_product_beats_peak_or_bandwidth(chip, m, n, k, fmt):
    seconds = float(_gemm(chip, m, n, k, fmt))
    assert seconds >= 2.0 * m * n * k / chip.si(f"peak.{fmt}")
    assert seconds >= Precision.of(fmt).weight_bytes * n * k / chip.si("memory.main.bandwidth")


@each_chip
@given(n=st.integers(1, 9000), k=st.integers(1, 9000))
@settings(max_examples=40)
def test_more_work_never_takes_less_time(chip, n, k):
    rows = np.arange(1.0, 400.0)
    assert np.all(np.diff(_gemm(chip, rows, n, k)) >= 0)
    assert _gemm(chip, 7, n + 1, k) >= _gemm(chip, 7, n, k)
    assert _gemm(chip, 7, n, k + 1) >= _gemm(chip, 7, n, k)


@each_chip
def test_more_tokens_never_attend_in_less_time(chip):
    def attention(new, past):
        return _machine(chip).cost(
            Attention(
                name="a", seqs=np.asarray(2.0), new=new, past=past, heads=16, kv_heads=4, qk_dim=64, v_dim=64,
                kv_width=512,
            )
        ).time_s  # fmt: skip

    length = np.arange(1.0, 3000.0)
    assert np.all(np.diff(attention(length, np.zeros(()))) >= -1e-12)
    assert np.all(np.diff(attention(np.ones(()), length)) >= 0)


@each_chip
@pytest.mark.parametrize(
    "key", ["peak.bf16", "peak.fp32", "memory.main.bandwidth", "memory.cache.bandwidth", "peak.vector"]
)
def test_a_better_chip_is_never_slower(chip, key):
    model = models.load("llama-3.2-1b")
    better = chip.with_figure(key, 1.5 * chip.si(key))
    for step in STEPS:
        for op in model.lower(step):
            assert np.all(_machine(better).cost(op).time_s <= _machine(chip).cost(op).time_s * (1 + 1e-12)), op


@each_chip
@pytest.mark.parametrize("name", ["llama-3.2-1b", "mixtral-8x7b", "mamba2-2.7b", "resnet-50", "ising-70x70"])
def test_it_runs_what_models_are_made_of(chip, name):
    model = models.load(name)
    steps = STEPS if model.kind == "decoder" else (Step.forward(4),)
    for step in steps:
        for op in model.lower(step):
            cost = _machine(chip).cost(op)
            assert np.all(np.isfinite(cost.time_s))
            assert np.all(cost.time_s >= 0)
            assert np.all(cost.energy_j >= 0)


def test_experts_are_products_one_after_another():
    """Two touched experts of eight rows each: as two gated MLPs of eight rows."""
    chip = truth()
    both = _machine(chip).cost(Experts(name="e", m=np.asarray(8.0), experts=2, top_k=2.0, hidden=512, inner=1024))
    one = _gemm(chip, 8, 2048, 512) + _gemm(chip, 8, 512, 1024)
    assert float(both.time_s) == pytest.approx(2 * float(one), rel=0.02)


def test_one_row_streams_faster_than_two():
    chip = truth()
    slow = float(_gemm(chip, 2, 4096, 4096)) / float(_gemm(chip, 1, 4096, 4096))
    assert 1.1 < slow < 2.0


def test_a_copy_beyond_the_cache_runs_at_the_bandwidth():
    chip = truth()
    element = Elementwise(name="copy", m=np.asarray(1e9), read=1, write=1, flops=0)
    moved = 2e9 * 2
    assert float(_machine(chip).cost(element).time_s) == pytest.approx(
        moved / chip.si("memory.main.bandwidth"), rel=0.05
    )


def test_measured_parameters_stand_in_for_the_assumed_ones():
    used = _machine(truth(), "fp32").used
    assert used["calibration.cpu.gemm.fp32.flop_share"].value == RATES["calibration.cpu.gemm.fp32.flop_share"]
    assert "calibration.cpu.gemm.flop_share" not in used
    assert used["calibration.cpu.step.fixed"].grade is Grade.ASSUMED  # measured by nobody


def test_all_flops_of_a_step_are_paid_for():
    """At an infinite bandwidth and without overheads a prefill takes at least its products at the peak."""
    chip = truth()
    model = models.load("llama-3.2-1b")
    step = Step.prefill(1, 512)
    total = sum(float(_machine(chip).cost(op).time_s) for op in model.lower(step))
    assert total > float(count(model.lower(step)).matrix_flops) / chip.si("peak.bf16")


def test_a_chip_without_a_bandwidth_is_told():
    figures = {k: f for k, f in truth().figures.items() if k != "memory.main.bandwidth"}
    with pytest.raises(BadFile, match=r"memory\.main\.bandwidth"):
        _machine(replace(truth(), figures=figures))


def test_figures_of_other_keys_are_ignored():
    extra = Figure("calibration.cpu.gemm.wind", 2, 2, 2, "1", host.SOURCE, Grade.DERIVED)
    chip = replace(truth(), figures={**truth().figures, extra.key: extra})
    assert float(_gemm(chip, 8, 100, 100)) == float(_gemm(truth(), 8, 100, 100))
