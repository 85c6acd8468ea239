"""Published sums that the claims rest on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from silmark import claims
from silmark.chips import load
from silmark.claims import Outcome, Verdict
from silmark.claims.kinds.level import request_flops
from silmark.claims.kinds.price import BreakEven
from silmark.claims.kinds.training import Cut, TrainingRatio
from silmark.claims.sides import Side
from silmark.claims.spec import Bound, Terms
from silmark.claims.workload import Conditions
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


def test_a_dearer_rival_allows_a_dearer_chip() -> None:
    """The price of `break_even` rises with the share of the other's cost that is allowed; too little allows none."""
    side = Side("Corsair", "llama-3-8b", "8x:corsair", precision="mxint8")
    other = replace(side, label="H100", on="8x:h100", precision="fp8")
    work = Conditions((), (1024,), 256, 2.0, 0.05)
    free, half, whole = (BreakEven("", share, side, other, work).run(Terms()) for share in (0.01, 0.7, 1.4))
    assert free.verdict is Verdict.FAILS
    assert "chips for nothing" in free.said
    assert half.value is not None
    assert whole.value is not None
    assert half.value.mid < whole.value.mid
    assert load("corsair").figures.get("price.purchase") is None, "then `ratio` should judge it"


def test_training_is_compared_per_chip() -> None:
    """Twice the chips of the same kind train no faster per chip than once, and not much slower."""
    many, few = (Cut("llama-3.1-8b", on) for on in ("128x:h100", "64x:h100"))
    from_one = TrainingRatio("", many, few, Bound(least=1.0)).run(Terms())
    assert from_one.value is not None
    assert 0.8 < from_one.value.mid <= 1.001
