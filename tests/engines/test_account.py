"""Joules and dollars of a simulation: the same as an estimate's for the same work, and laws."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replicas import running

import silmark
from silmark.errors import BadValue
from silmark.estimation.power import host_w
from silmark.serving.account import Account, Drawn, account
from silmark.step import StepModel


@pytest.fixture(scope="module")
def h100() -> StepModel:
    return running("llama-3.1-70b", "8x:h100").step_model


@pytest.mark.parametrize("on", ["8x:nvidia-h100-sxm5-80gb", "4x:cerebras-wse-3", "8x:google-tpu-v6e"])
def test_steady_work_costs_what_an_estimate_says(on: str) -> None:
    row = silmark.estimate("llama-3.1-70b", on, precision="default").rows[0]
    answer, price = row.estimate, row.price
    assert answer is not None
    assert price is not None
    model, seconds = answer.step_model, 50.0
    dynamic_w = answer.power_w.mid - (model.idle_w + host_w(model)) * model.plan.dp
    tokens = round(answer.rate.mid * seconds)
    got = account([Drawn(model, dynamic_w * seconds, seconds * model.plan.dp)], seconds, 10, tokens)
    assert got.power_w.mid == pytest.approx(answer.power_w.mid)
    assert got.joules_per_token is not None
    assert got.joules_per_token.mid == pytest.approx(answer.joules.mid, rel=1e-3)
    assert got.usd_per_million is not None
    assert got.usd_per_million.mid == pytest.approx(price.usd_per_million.mid, rel=1e-3)
    assert got.basis == price.basis


@given(st.floats(0, 1e6), st.floats(1, 1e5), st.integers(1, 16), st.integers(1, 10**6))
def test_parts_add_up_and_more_work_never_costs_less(
    h100: StepModel, joules: float, seconds: float, count: int, tokens: int
) -> None:
    def cost(work: float) -> Account:
        return account([Drawn(h100, work, seconds * count)], seconds, 5, tokens)

    got, more = cost(joules), cost(2 * joules + 1)
    assert got.joules.mid == pytest.approx(got.idle_j + got.work_j + got.host_j)
    assert got.joules.low <= got.joules.mid <= got.joules.high
    assert got.usd is not None
    assert more.usd is not None
    assert 0 < got.usd.mid <= more.usd.mid
    assert got.joules.mid < more.joules.mid


def test_replicas_of_two_kinds_add_up(h100: StepModel) -> None:
    other = running("llama-3.1-70b", "4x:nvidia-h200-sxm-141gb").step_model
    one, two = Drawn(h100, 5e4, 100.0), Drawn(other, 3e4, 200.0)
    both = account([one, two], 100.0, 7, 9000)
    apart = [account([part], 100.0, 7, 9000) for part in (one, two)]
    assert both.joules.mid == pytest.approx(sum(part.joules.mid for part in apart))
    assert both.usd is not None
    assert both.usd.mid == pytest.approx(sum(part.usd.mid for part in apart if part.usd))


def test_a_replica_that_was_there_for_half_the_time_costs_half(h100: StepModel) -> None:
    whole = account([Drawn(h100, 0.0, 100.0)], 100.0, 1, 1)
    half = account([Drawn(h100, 0.0, 50.0)], 100.0, 1, 1)
    assert half.power_w.mid == pytest.approx(whole.power_w.mid / 2)
    assert half.usd is not None
    assert whole.usd is not None
    assert half.usd.mid == pytest.approx(whole.usd.mid / 2)


def test_nothing_answered_has_no_price_of_a_request(h100: StepModel) -> None:
    got = account([Drawn(h100, 0.0, 10.0)], 10.0, 0, 0)
    assert got.joules_per_request is None
    assert got.usd_per_million is None
    assert got.usd is not None


def test_what_makes_no_sense_is_refused(h100: StepModel) -> None:
    with pytest.raises(BadValue, match="joules"):
        Drawn(h100, float("nan"), 1.0)
    with pytest.raises(BadValue, match="duration"):
        account([Drawn(h100, 0.0, 1.0)], 0.0, 1, 1)
