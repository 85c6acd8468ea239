"""Published sums that the claims rest on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from silmark import claims
from silmark.chips import load
from silmark.claims import Outcome, Verdict
from silmark.claims.kinds.level import request_flops
from silmark.claims.kinds.price import usd_per_million
from silmark.claims.sides import Side
from silmark.claims.spec import Terms
from silmark.estimation import Estimate
from silmark.workloads import Workload


def outcome(name: str, words: str) -> Outcome:
    return next(one for one in claims.check(claims.load(name)).outcomes if words in one.label)


def test_half_a_million_total_tokens_take_8_75_pflops_of_every_sohu() -> None:
    """500,000 / 2,176 requests/s x 3.05e14 FLOP / 8 chips."""
    flops = request_flops("llama-3-70b", Workload("claim", 2048, 128))
    assert flops == pytest.approx(2 * 70e9 * 2176, rel=0.03)
    assert 5e5 / 2176 * flops / 8 == pytest.approx(8.75e15, rel=0.02)


def test_as_answer_tokens_it_would_take_seventeen_times_as_much() -> None:
    assert "8.74 PFLOP/s" in outcome("sohu-500k", "together").needs
    assert "149 PFLOP/s" in outcome("sohu-500k", "alone").needs


def test_groq_was_measured_at_three_to_nine_times_the_gpu_services() -> None:
    slowest, fastest = outcome("groq-10x-inference", "slowest"), outcome("groq-10x-inference", "fastest")
    assert slowest.value is not None
    assert fastest.value is not None
    assert slowest.value.mid == pytest.approx(8.8, abs=0.05)
    assert fastest.value.mid == pytest.approx(2.8, abs=0.05)
    assert slowest.verdict is fastest.verdict is Verdict.FAILS


def test_eight_times_one_terabyte_per_second() -> None:
    total = outcome("corsair-8tb-chiplets", "summed").value
    assert total is not None
    assert total.mid == pytest.approx(8e12)


def test_the_square_of_the_wafer() -> None:
    area = outcome("wse3-dimensions", "area")
    assert area.value is not None
    assert area.value.mid == pytest.approx(46225e-6)
    assert area.verdict is Verdict.HOLDS
    assert outcome("wse3-dimensions", "125").verdict is Verdict.FAILS


def test_fewer_days_take_more_cards() -> None:
    cells = outcome("training-ten-thousand-cards", "405B").region
    assert cells is not None
    chips = [cell.value.mid for cell in cells.cells if cell.value is not None]
    days = [float(cell.column) for cell in cells.cells]
    assert all(n * d == pytest.approx(chips[0] * days[0]) for n, d in zip(chips, days, strict=True))


def test_a_break_even_price_leaves_the_share_that_was_asked_for() -> None:
    """Bought at the price that `break_even` gives, a token costs what the claim says."""
    found = outcome("corsair-90-percent", "8B at the speed of a chat")
    assert found.value is not None
    assert load("corsair").figures.get("price.purchase") is None, "then `ratio` should judge it"
    side = Side("", "8x:corsair", "", "llama-3-8b", "mxint8", 0, 0)
    work = Workload("claim", 1024, 256, 2.0, 0.05)
    answer = side.answer(work, "usd_per_mtok", Terms()).found
    assert isinstance(answer, Estimate)
    other = replace(side, on="8x:h100", precision="fp8").answer(work, "usd_per_mtok", Terms()).shown("usd_per_mtok")
    assert other.value is not None
    assert usd_per_million(answer, found.value.mid) == pytest.approx(0.1 * other.value.mid, rel=1e-6)
