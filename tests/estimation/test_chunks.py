"""Chunked prefill: what a limit of tokens per pass does to prompts and to the sequences that decode beside them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import models, systems
from silmark.errors import BadValue
from silmark.estimation import Serving
from silmark.estimation.chunks import prompts
from silmark.estimation.mixture import Mixture
from silmark.estimation.request import prepare
from silmark.formats import Precision
from silmark.mapping import Infeasible, Plan
from silmark.step import StepModel, compile_step
from silmark.workloads import Step, Workload

PAIRS = (
    ("8x:nvidia-h200-sxm-141gb", "llama-3.1-70b", {"tp": 8}),
    ("8x:nvidia-h100-sxm5-80gb", "deepseek-v2-lite", {"tp": 8, "ranks": 8, "ep": 8}),
    ("4x:google-tpu-v5p", "llama-3.1-8b", {"tp": 2, "pp": 2}),
    ("8x:amd-mi300x-192gb", "mixtral-8x7b", {"tp": 4, "cp": 2}),
)
few = settings(max_examples=25)
pairs = st.sampled_from(range(len(PAIRS)))


@cache
def compiled(pair: int) -> StepModel:
    on, model, ways = PAIRS[pair]
    found = compile_step(models.load(model), systems.target(on), Plan(Precision.of("bf16"), **ways))
    assert not isinstance(found, Infeasible), found.reason
    return found


def served(pair: int, work: Workload, chunk: int | None) -> Mixture:
    found = prepare(compiled(pair), work, True, Serving(chunk))
    assert isinstance(found, Mixture), found
    return found


@few
@given(pair=pairs, prompt=st.integers(4097, 8192), output=st.integers(32, 2000))
def test_a_chunk_that_holds_the_prompt_changes_nothing(pair: int, prompt: int, output: int) -> None:
    work = Workload("w", prompt, output)
    plain, limited = served(pair, work, None), served(pair, work, prompt)
    everything = limited.decoders == limited.batches  # beyond, more than one pass per step would be needed
    for name in ("ttft", "tpot", "itl_max", "rate"):
        np.testing.assert_array_equal(getattr(plain, name)[everything], getattr(limited, name)[everything])


@few
@given(pair=pairs, tiles=st.integers(1, 8), halvings=st.integers(1, 3))
def test_smaller_chunks_are_smoother_and_cost_more(pair: int, tiles: int, halvings: int) -> None:
    model = compiled(pair)
    large = 4096  # whole tiles on every machine, halved or not
    whole, cut = (prompts(model, tiles * large, 0, size, model.quick) for size in (large, large // 2**halvings))
    alone = np.ones(1)
    assert float(cut.alone.time_s) >= float(whole.alone.time_s) * 0.95  # a smaller pass may lie better in memory
    assert float(cut.longest_s(alone)[0]) <= float(whole.longest_s(alone)[0]) * (1 + 1e-9)
    assert cut.per_step < whole.per_step


@few
@given(pair=pairs, chunk=st.integers(256, 8192), prompt=st.integers(512, 30_000), output=st.integers(16, 1000))
def test_no_token_takes_longer_than_the_longest(pair: int, chunk: int, prompt: int, output: int) -> None:
    found = served(pair, Workload("w", prompt, output), chunk)
    assert np.all(found.itl_max >= found.tpot * (1 - 1e-9))
    assert np.all(found.decoders <= found.batches)
    assert np.all(found.decoders <= found.depth * output * found.prompts.per_step * (1 + 1e-9))
    # Little's law: nobody is lost who does not decode.
    waiting = (found.batches - found.decoders) / (found.rate / output)
    assert np.all(found.ttft >= waiting * (1 - 1e-9))


@few
@given(pair=pairs, chunk=st.integers(64, 4096), prompt=st.integers(64, 20_000))
def test_passes_are_the_steps_that_they_stand_for(pair: int, chunk: int, prompt: int) -> None:
    """The sum of single steps, each with the past that the steps before it made."""
    model = compiled(pair)
    found = prompts(model, prompt, 0, chunk, model.cost)
    starts = range(0, prompt, chunk)
    steps = [Step.prefill(1, min(chunk, prompt - start), start) for start in starts]
    assert found.passes == len(steps)
    assert float(found.alone.time_s) == pytest.approx(sum(float(model.cost(step).time_s) for step in steps))
    assert float(found.first.time_s) <= float(found.alone.time_s) * (1 + 1e-9)


@pytest.mark.parametrize("pair", range(len(PAIRS)))
def test_small_passes_read_all_weights_again(pair: int) -> None:
    model = compiled(pair)
    whole, cut = (prompts(model, 8192, 0, size, model.quick) for size in (8192, 128))
    assert float(cut.alone.time_s) > 1.1 * float(whole.alone.time_s)


def test_a_small_chunk_trades_throughput_for_smoothness() -> None:
    work = Workload("w", 8192, 256, users=32)
    smooth, quick = served(0, work, 1024), served(0, work, 8192)
    assert smooth.itl_max[0] < 0.5 * quick.itl_max[0]
    assert smooth.rate[0] < quick.rate[0]


def test_users_who_do_not_fit_into_chunks_wait() -> None:
    work = Workload("w", 8192, 256)
    found = served(0, replace(work, users=64), 256)
    assert found.decoders[0] == pytest.approx(256 * 256 / 8192)
    assert found.ttft[0] > 10 * served(0, replace(work, users=4), 256).ttft[0]


@pytest.mark.parametrize("chunk", [0, -3, 10**9])
def test_chunks_are_checked(chunk: int) -> None:
    with pytest.raises(BadValue, match="chunk"):
        Serving(chunk)


def test_a_prompt_is_not_cut_into_dust() -> None:
    with pytest.raises(BadValue, match="at least 100 tokens"):
        served(0, Workload("w", 1_000_000, 1), 1)
