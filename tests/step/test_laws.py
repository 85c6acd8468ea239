"""Laws over every chip and a model of each kind, with plan, kernel choice, geometry and calibration held fixed."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import chips, models, systems
from silmark.chips import Chip
from silmark.estimation import estimate
from silmark.figures.figure import Interval
from silmark.formats import Precision
from silmark.graph import Attention, Experts, Gemm, count
from silmark.mapping import Infeasible, Plan, shard
from silmark.mapping.candidates import cut, least_chips, placements
from silmark.step import StepModel, compile_step
from silmark.systems import Target
from silmark.workloads import WORKLOADS, Step

MODELS = (
    "llama-3.1-8b",
    "mixtral-8x7b",
    "deepseek-v2-lite",
    "mamba-codestral-7b",
    "gpt-oss-20b",
    "nemotron-h-8b",
    "gemma-2-9b",
    "gpt-j-6b",
)
"""A model of each kind: dense, experts, latent attention, state space, windows and sinks, hybrid, parallel blocks."""
PASSES = ("bert-base", "resnet-50")
CHIPS = [name for name in chips.names() if "gemm" not in chips.load(name).cannot]
PAIRS = [(chip, model) for chip in CHIPS for model in MODELS]
TILE = 512
"""Whole tiles of every machine of the catalogue divide this number of tokens."""


@cache
def compiled(chip_name: str, model_name: str) -> StepModel | Infeasible:
    return compile_on(chips.load(chip_name), model_name)


def compile_on(chip: Chip, model_name: str) -> StepModel | Infeasible:
    model = models.load(model_name)
    precision = Precision.of(chip.precision)
    place = placements(chip)[-1]
    system = systems.usual(chip)
    needed = least_chips(model, chip, precision, place)
    size = next((2**i for i in range(14) if 2**i >= needed), needed)
    target = Target(chip, system, size)
    return compile_step(model, target, cut(model, target, precision, place))


def running(chip_name: str, model_name: str) -> StepModel:
    model = compiled(chip_name, model_name)
    if isinstance(model, Infeasible):
        assert model.reason
        pytest.skip(f"{chip_name}: {model.reason}")
    return model


pairs = pytest.mark.parametrize(("chip_name", "model_name"), PAIRS)
few = settings(max_examples=8)


@pairs
@few
@given(batch=st.integers(1, 2048), context=st.integers(1, 65_536), tiles=st.integers(1, 4))
def test_a_whole_extra_tile_of_tokens_never_lowers_step_time(
    chip_name: str, model_name: str, batch: int, context: int, tiles: int
) -> None:
    model = running(chip_name, model_name)
    sizes = np.array([batch, batch + tiles * TILE], dtype=float)
    for step in (Step.decode(sizes, context), Step.prefill(1, sizes)):
        first, more = np.broadcast_to(model.cost(step).time_s, (2,))
        assert more >= first * (1 - 1e-9)


@pairs
@few
@given(batch=st.integers(1, 512), context=st.integers(1, 65_536))
def test_more_context_never_lowers_step_time(chip_name: str, model_name: str, batch: int, context: int) -> None:
    model = running(chip_name, model_name)
    first, more = np.broadcast_to(model.cost(Step.decode(batch, np.array([context, 2.0 * context]))).time_s, (2,))
    assert more >= first * (1 - 1e-9)


@pytest.mark.parametrize("chip_name", CHIPS)
@pytest.mark.parametrize("model_name", ["llama-3.1-8b", "mixtral-8x7b"])
def test_better_figures_never_raise_step_time(chip_name: str, model_name: str) -> None:
    model = running(chip_name, model_name)
    chip = chips.load(chip_name)
    steps = (Step.decode(np.array([1.0, 16, 300]), 3000), Step.prefill(1, np.array([17.0, 1024, 5000])))
    before = [model.cost(step).time_s for step in steps]
    for key in chip.figures:
        if not (key.startswith("peak.") or key == "compute.clock" or key.endswith("bandwidth")):
            continue
        better = compile_on(chip.with_figure(key, 1.5 * chip.si(key)), model_name)
        assert not isinstance(better, Infeasible)
        for step, old in zip(steps, before, strict=True):
            assert np.all(better.cost(step).time_s <= old * (1 + 1e-9)), key


@pairs
@few
@given(batch=st.integers(1, 1024), context=st.integers(1, 65_536))
def test_no_step_beats_the_chip(chip_name: str, model_name: str, batch: int, context: int) -> None:
    """Time is at least FLOPs over the highest peak and bytes over the highest bandwidth of what holds them."""
    model = running(chip_name, model_name)
    chip, plan = model.target.chip, model.plan
    for step in (Step.decode(batch, context), Step.prefill(1, context)):
        ops = model.sharded(step)
        work = count(tuple(op for op in ops if isinstance(op, Gemm | Experts)))
        peak = chip.figure(f"peak.{plan.precision.compute}").high
        seconds = float(model.cost(step).time_s)
        assert seconds >= float(work.matrix_flops) / peak * (1 - 1e-9)
        tier = chip.figures.get(f"memory.{plan.placement.weights}.bandwidth")
        if tier is not None and chip.family in ("gpu", "systolic"):
            cache_bytes = chip.si("memory.cache.capacity", 0.0) + chip.si("memory.sram.capacity", 0.0)
            bytes_ = float(work.weights) * min(plan.precision.weight_bytes, 0.5) - cache_bytes
            assert seconds >= bytes_ / tier.high * (1 - 1e-9)


@pytest.mark.parametrize("chip_name", CHIPS)
@pytest.mark.parametrize("model_name", ["llama-3.1-8b", "gemma-2-9b", *PASSES])
def test_no_answer_promises_what_the_chip_cannot(chip_name: str, model_name: str) -> None:
    """The favourable end of every interval keeps to the highest peak and bandwidth that the chip's file allows."""
    model = running(chip_name, model_name)
    answer = estimate(model, WORKLOADS["offline"])
    if isinstance(answer, Infeasible):
        return
    chip, plan = model.target.chip, model.plan
    peak = chip.figure(f"peak.{plan.precision.compute}").high
    for phase, step in answer.steps().items():
        seconds = float(count(model.sharded(step)).matrix_flops) / peak
        interval = {"prefill": answer.ttft_s, "decode": answer.tpot_s, "forward": answer.latency_s}[phase]
        assert interval is not None
        assert interval.low >= seconds * (1 - 1e-9), phase
    work = count(model.sharded(next(iter(answer.steps().values())))).matrix_flops
    if model_name in PASSES:
        most = answer.batch / plan.dp * model.depth * peak / float(work)
        assert answer.rate.high <= most * plan.dp * (1 + 1e-9)


@pytest.mark.parametrize("chip_name", ["nvidia-h100-sxm5-80gb", "google-tpu-v6e", "extropic-z1", "amd-mi300x-192gb"])
def test_more_samples_never_take_less_time(chip_name: str) -> None:
    model = running(chip_name, "ising-70x70")
    times = np.broadcast_to(model.cost(Step.forward(np.array([1.0, 64, 4096]))).time_s, (3,))
    assert np.all(np.diff(times) >= 0)
    assert np.all(model.cost(Step.forward(np.array([1.0, 64]))).energy_j > 0)


@pytest.mark.parametrize("model_name", [*MODELS, "llama-3.1-70b", "gpt-oss-120b", "deepseek-v3"])
@pytest.mark.parametrize("tp", [2, 3, 4, 8])
def test_sharding_conserves_work(model_name: str, tp: int) -> None:
    model = models.load(model_name)
    for step in (Step.decode(7, 900), Step.prefill(2, 500)):
        whole = model.lower(step)
        part = shard(whole, Plan(Precision.of("bf16"), tp=tp))
        for kind in (Gemm, Experts, Attention):
            before = count(tuple(op for op in whole if isinstance(op, kind)))
            after = count(tuple(op for op in part if isinstance(op, kind)))
            for field in ("matrix_flops", "attention_flops", "weights", "kv"):
                assert tp * float(getattr(after, field)) >= float(getattr(before, field)) * (1 - 1e-12)
    if model_name in ("llama-3.1-8b", "llama-3.1-70b") and tp != 3:
        cut_, all_ = count(shard(whole, Plan(Precision.of("bf16"), tp=tp))), count(whole)
        assert tp * float(cut_.matrix_flops) == pytest.approx(float(all_.matrix_flops))
        assert tp * float(cut_.weights) == pytest.approx(float(all_.weights))
        assert tp * float(cut_.kv) == pytest.approx(float(all_.kv))


@pairs
def test_energy_and_intervals(chip_name: str, model_name: str) -> None:
    model = running(chip_name, model_name)
    answer = estimate(model, WORKLOADS["offline"])
    if isinstance(answer, Infeasible):
        assert answer.reason
        return
    for interval in (answer.ttft_s, answer.tpot_s, answer.tokens_per_s, answer.power_w, answer.joules):
        assert isinstance(interval, Interval)
        assert 0 < interval.low <= interval.mid <= interval.high < float("inf")
    idle = model.target.chip.figure("power.tdp").low * model.target.chip.figure("power.idle_share").low
    assert answer.power_w.mid >= idle * model.plan.tp * model.plan.pp
    assert answer.joules.mid == pytest.approx(answer.power_w.mid / answer.rate.mid)


@pytest.mark.parametrize("chip_name", CHIPS)
def test_tables_agree_with_operators(chip_name: str) -> None:
    """`quick` and the bulk functions are the same numbers as the walk over operators, at the knots exactly."""
    model = running(chip_name, "llama-3.1-8b")
    for step in (Step.decode(np.array([1.0, 32, 512]), 2000), Step.prefill(1, np.array([128.0, 1024, 4096]))):
        exact, quick = model.cost(step), model.quick(step)
        np.testing.assert_allclose(quick.time_s, exact.time_s, rtol=1e-9)
        np.testing.assert_allclose(quick.energy_j, exact.energy_j, rtol=1e-9)
        bulk = model.decode_s(step.seqs, step.past) if step.phase == "decode" else model.prefill_s(step.seqs, step.new)
        np.testing.assert_allclose(bulk, exact.time_s, rtol=1e-9)


@pytest.mark.parametrize("plan", [{"attention": "batch"}, {"ranks": 8, "ep": 8}])
def test_tables_agree_where_sequences_are_divided(plan: dict[str, Any]) -> None:
    chip = chips.load("nvidia-h200-sxm-141gb")
    target = Target(chip, systems.usual(chip), 8)
    model = compile_step(models.load("deepseek-v2-lite"), target, Plan(Precision.of("bf16"), tp=8, **plan))
    assert not isinstance(model, Infeasible)
    step = Step.decode(np.array([1.0, 8, 100]), 2000)
    np.testing.assert_allclose(model.quick(step).time_s, model.cost(step).time_s, rtol=1e-9)
    np.testing.assert_allclose(model.decode_s(step.seqs, 2000), model.cost(step).time_s, rtol=1e-9)
