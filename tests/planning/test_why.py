"""When two plans are told apart."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark import models, systems
from silmark.figures import Interval
from silmark.formats import Precision
from silmark.planning.answer import search
from silmark.planning.found import Found
from silmark.planning.objectives import OBJECTIVES, Best
from silmark.planning.space import Asked
from silmark.planning.why import alike
from silmark.workloads import Workload


@cache
def plans(chip: str) -> tuple[Found, Found]:
    """The best plan for latency and its runner-up."""
    work = Workload("chat", 1024, 256, ttft_s=2.0, tpot_s=0.05)
    asked = Asked(models.load("llama-3.1-8b"), systems.target(f"4x:{chip}"), work, (Precision.of("bf16"),))
    verdict = next(v for v in search(None, asked, "aggregated").verdicts if v.objective.name == "latency")
    assert verdict.second is not None
    # Bars of single predictions that would hold anything: they do not count on the same chips.
    wide = Interval(1e-9, 1.0, 1e9)
    first, second = (
        replace(one, tokens_per_s=wide, tpot_s=wide, joules=wide, usd_per_mtok=wide)
        for one in (verdict.winner, verdict.second)
    )
    return first, second


def best(name: str, ratio: float) -> Best:
    objective = next(one for one in OBJECTIVES if one.name == name)
    return Best(objective, 0, 1, ratio, None, float("inf"))


NAMES = st.sampled_from([one.name for one in OBJECTIVES])


@given(NAMES, st.floats(1.0, 4.0))
def test_it_does_not_matter_which_plan_is_asked_about(name: str, ratio: float) -> None:
    first, second = plans("h100")
    assert alike(best(name, ratio), first, second) == alike(best(name, ratio), second, first)


@given(NAMES, st.floats(1.0, 1.05))
def test_small_differences_are_not_told_apart(name: str, ratio: float) -> None:
    first, second = plans("h100")
    assert alike(best(name, ratio), first, second)


@given(NAMES, st.floats(2.0, 100.0))
def test_a_factor_of_two_on_a_measured_gpu_is(name: str, ratio: float) -> None:
    first, second = plans("h100")
    assert not alike(best(name, ratio), first, second)


def test_other_chips_formats_and_drafts_keep_the_whole_error_bar() -> None:
    first, second = plans("h100")
    other, _ = plans("b200")
    assert alike(best("latency", 2.0), first, other)
    (pool,) = second.pools
    fp8 = replace(second, pools=(replace(pool, plan=replace(pool.plan, precision=Precision.of("fp8"))),))
    assert alike(best("latency", 2.0), first, fp8)
    mixed = replace(first, pools=(*first.pools, *other.pools))
    assert alike(best("latency", 2.0), mixed, mixed)


@pytest.mark.parametrize("unpriced", [True, False])
def test_without_a_price_nothing_is_said_of_dollars(unpriced: bool) -> None:
    first, other = plans("h100")[0], plans("b200")[0]
    first = replace(first, usd_per_mtok=None) if unpriced else first
    assert alike(best("cost", 2.0), first, other) is not unpriced
