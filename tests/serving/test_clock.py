"""Laws of step times: many steps are the sum of single ones, and single ones are what the StepModel says."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import chips, models, systems
from silmark.formats import Precision
from silmark.mapping import Plan
from silmark.serving import graphs, times
from silmark.serving.jit import compiled
from silmark.serving.kernel import clock as core
from silmark.serving.kernel.clock import Clock
from silmark.serving.options import EngineOptions
from silmark.step import StepModel, compile_step
from silmark.systems import Target

chunk_ns, run_j, run_ns, step_j, step_ns, steps_until = (
    compiled(one.py_func)  # with a door for Python, which the core's own have not
    for one in (core.chunk_ns, core.run_j, core.run_ns, core.step_j, core.step_ns, core.steps_until)
)

OPTIONS = EngineOptions(
    max_num_seqs=256,
    max_num_batched_tokens=2048,
    max_model_len=32_768,
    async_scheduling=True,
    captured=graphs.captured(512),
)


@cache
def model(chip_name: str = "nvidia-rtx-4090-24gb", name: str = "llama-3.1-8b", tp: int = 1) -> StepModel:
    chip = chips.load(chip_name)
    compiled = compile_step(models.load(name), Target(chip, systems.usual(chip), tp), Plan(Precision.of("bf16"), tp=tp))
    assert isinstance(compiled, StepModel)
    return compiled


@cache
def clock() -> Clock:
    built = times.clock(model(), OPTIONS)
    steps_until(built, 0, 1, 1, 1, 1)
    step_ns(built, 0, 1, 1, 0, 0, chunk_ns(built, 0, 1, 0))
    step_j(built, 0, 1, 1, 1, 1, 0.0), run_j(built, 0, 1, 1, 1)
    return built


decoders = st.integers(1, 256)
contexts = st.integers(0, 20_000)
counts = st.integers(0, 300)


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    """No example is charged for what is compiled when it is first called."""
    clock()


@given(decoders, contexts, counts)
def test_run_is_the_sum_of_its_steps(n: int, context: int, steps: int) -> None:
    each = [step_ns(clock(), 0, n, n, n, context * n + i * n, 0.0) for i in range(steps)]
    assert run_ns(clock(), 0, n, context * n, steps) == sum(each)
    joules = sum(step_j(clock(), 0, n, n, n, context * n + i * n, 0.0) for i in range(steps))
    assert run_j(clock(), 0, n, context * n, steps) == pytest.approx(joules, rel=1e-9)


@given(decoders, contexts, st.integers(0, 10**11), counts)
def test_steps_until_is_the_smallest_count_that_lasts(n: int, context: int, limit: int, most: int) -> None:
    steps = steps_until(clock(), 0, n, context, limit, most)
    assert 0 <= steps <= most
    assert steps == most or run_ns(clock(), 0, n, context, steps) >= limit
    assert steps == 0 or run_ns(clock(), 0, n, context, steps - 1) < limit


@given(decoders, contexts)
def test_a_step_takes_longer_with_more_context_or_chunks(n: int, context: int) -> None:
    less = step_ns(clock(), 0, n, n, n, context, 0.0)
    assert step_ns(clock(), 0, n, n, n, context + 64 * n, 0.0) >= less > 0
    chunk = chunk_ns(clock(), 0, 100, context)
    assert chunk_ns(clock(), 0, 100, context + 64) >= chunk > 0
    assert step_ns(clock(), 0, n + 100, n + 1, n, context, chunk) >= less


@settings(max_examples=40)
@given(st.sampled_from([1, 2, 4, 8, 24, 64, 136, 256]), st.integers(0, 30_000))
def test_decodes_take_what_the_step_model_says(n: int, context: int) -> None:
    expected = float(model().decode_s(n, context)) * 1e9
    assert step_ns(clock(), 0, n, n, n, n * context, 0.0) == pytest.approx(expected, rel=5e-3)


@settings(max_examples=40)
@given(st.integers(5, 16).map(lambda tiles: 128 * tiles), st.integers(0, 30_000))
def test_a_prompt_of_whole_tiles_takes_what_the_step_model_says(new: int, past: int) -> None:
    expected = float(model().prefill_s(1, new, past)) * 1e9
    found = step_ns(clock(), 0, new, 1, 0, 0, chunk_ns(clock(), 0, new, past))
    assert found == pytest.approx(expected, rel=1e-2)


def test_steps_are_padded_to_captured_sizes_and_run_as_they_are_above() -> None:
    body = clock().body_ns[0]
    assert body[9] == body[16] < body[17] == body[24]
    assert body[257] == body[272]
    assert body[513] <= body[520] < body[600]


def test_a_step_that_is_not_scheduled_ahead_waits_for_its_preparation() -> None:
    late = times.clock(model(), replace(OPTIONS, async_scheduling=False))
    prepared = round(1e9 * times.usual_host(model()).step_s)
    assert prepared > 0
    assert np.array_equal(late.alone_ns, clock().alone_ns + prepared)


def test_a_slower_clock_is_slower_in_every_step_and_not_in_its_host() -> None:
    slower = times.slowed(clock(), 2.0)
    assert run_ns(slower, 0, 64, 64_000, 10) == pytest.approx(2 * run_ns(clock(), 0, 64, 64_000, 10), rel=1e-6)
    assert slower.request_ns == clock().request_ns


def test_stacked_kinds_answer_as_each_alone() -> None:
    short = times.clock(model(), EngineOptions(max_num_seqs=16, max_num_batched_tokens=512, max_model_len=4096))
    both = times.stack([short, clock()])
    for n, context in ((1, 0), (7, 900), (16, 60_000)):
        assert run_ns(both, 0, n, context, 9) == run_ns(short, 0, n, context, 9)
        assert run_ns(both, 1, n, context, 9) == run_ns(clock(), 0, n, context, 9)
        assert chunk_ns(both, 0, 30 * n, context // n) == chunk_ns(short, 0, 30 * n, context // n)


def test_a_mixed_step_reads_the_weights_once() -> None:
    built = times.clock(model("nvidia-h100-sxm5-80gb"), OPTIONS)
    n, context, new = 64, 64_000, 512
    chunk = chunk_ns(built, 0, new, 0)
    mixed = step_ns(built, 0, n + new, n + 1, n, context, chunk)
    decodes = step_ns(built, 0, n, n, n, context, 0.0)
    assert mixed < decodes + step_ns(built, 0, new, 1, 0, 0, chunk) - 0.5 * built.body_ns[0, 1]
    assert mixed > max(step_ns(built, 0, new, 1, 0, 0, chunk), decodes)


def test_decodes_beside_a_prompt_take_longer_where_one_kernel_serves_both() -> None:
    hopper = times.clock(model("nvidia-h100-sxm5-80gb"), OPTIONS)
    assert np.array_equal(hopper.mixed_ns, hopper.area_ns)
    alone, beside = clock().area_ns[0, 64, :, 1], clock().mixed_ns[0, 64, :, 1]
    assert np.all(beside[4:] > 1.5 * alone[4:])  # beyond 96 tokens, below which neither matters


def test_tables_are_small() -> None:
    assert sum(np.asarray(table).nbytes for table in clock()) < 1 << 20


@pytest.mark.parametrize(
    ("chip_name", "name"),
    [
        ("nvidia-rtx-4090-24gb", "nemotron-h-8b"),
        ("nvidia-rtx-4090-24gb", "mamba-codestral-7b"),
        ("nvidia-rtx-pro-6000-96gb", "deepseek-v2-lite"),
        ("nvidia-h100-sxm5-80gb", "gemma-2-9b"),
    ],
)
def test_tables_of_every_kind_of_network_are_sound(chip_name: str, name: str) -> None:
    built = times.clock(model(chip_name, name), OPTIONS)
    for table in built:
        assert np.isfinite(table).all()
        assert (table >= 0).all()
    expected = float(model(chip_name, name).decode_s(8, 500)) * 1e9
    assert step_ns(built, 0, 8, 8, 8, 8 * 500, 0.0) == pytest.approx(expected, rel=5e-3)
