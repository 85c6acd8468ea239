"""Break-even prices, put back in, give the ratio that was asked for."""

from __future__ import annotations

import math
from typing import Any

import pytest

import silmark
from silmark.economics.breakeven import BreakEven, quotient
from silmark.economics.ledger import Ledger, Line
from silmark.economics.terms import defaults
from silmark.figures import Interval
from silmark.figures.figure import quadrature
from silmark.report.cost import sentence

H100 = "8x:nvidia-h100-sxm5-80gb"
CORSAIR: dict[str, Any] = {"precision": "mxint8", "weights_in": "sram", "tpot": "5ms"}


def even(on: str, saving: float, **words: Any) -> BreakEven:
    found = silmark.cost("llama-3.1-8b", on, against=H100, saving=saving, **words).break_even
    assert found is not None
    return found


@pytest.mark.parametrize("saving", [0.0, 0.3, 0.6])
def test_the_price_put_back_in_gives_the_ratio(saving: float) -> None:
    found = even("corsair-server", saving, **CORSAIR)
    assert found.price.mid > 0
    own = f"chip.price.purchase={found.price.mid:.12g}USD@2026-11"
    mine = silmark.cost("llama-3.1-8b", "corsair-server", given=[own], **CORSAIR).cost
    other = silmark.cost("llama-3.1-8b", H100, tpot="5ms").cost
    assert mine is not None
    assert other is not None
    assert mine.usd_per_million.mid / other.usd_per_million.mid == pytest.approx(1 - saving, rel=1e-9)


def test_more_saving_less_price() -> None:
    prices = [even("corsair-server", saving, **CORSAIR).price.mid for saving in (0.0, 0.2, 0.4, 0.6)]
    assert prices == sorted(prices, reverse=True)
    assert prices[0] > prices[-1]


def test_the_interval_holds_the_price_and_free_chips_say_when_none_does() -> None:
    found = even("corsair-server", 0.3, **CORSAIR)
    assert found.price.low <= found.price.mid <= found.price.high
    assert found.free_ratio < 0.7
    never = even("corsair-server", 0.99, **CORSAIR)
    assert never.free_ratio > 0.01
    assert never.price.mid == 0
    assert never.reached < 0.5
    assert "no price" in sentence(never, "a", "b")


def test_a_system_against_itself_costs_what_it_costs() -> None:
    """A node at $66,000 for two: chips that break even with it cost $26,400, and hosts a quarter more."""
    found = silmark.cost("llama-3.1-8b", "8x:nvidia-h100-nvl-94gb", against="8x:nvidia-h100-nvl-94gb").break_even
    assert found is not None
    assert found.price.mid == pytest.approx(66_000 / 2 / 1.25)
    assert found.reached == 1.0


@pytest.mark.parametrize("on", [H100, "8x:mi300x", "8x:nvidia-b200-sxm-180gb"])
def test_at_the_utilisation_that_breaks_even_owning_costs_what_renting_does(on: str) -> None:
    found = silmark.cost("llama-3.1-8b", on).cost
    assert found is not None
    assert found.rent_below is not None
    assert found.rent_below.low <= found.rent_below.mid <= found.rent_below.high
    busy = [f"capital.utilisation={min(1.0, found.rent_below.mid):.12g}"]
    own, rent = (silmark.cost("llama-3.1-8b", on, pay=pay, given=busy).cost for pay in ("own", "rent"))  # type: ignore[arg-type]
    assert own is not None
    assert rent is not None
    assert own.usd_per_million.mid == pytest.approx(rent.usd_per_million.mid, rel=1e-9)


def test_only_what_can_be_bought_and_rented_has_such_a_utilisation() -> None:
    for on, words in ((H100, {"pay": "rent"}), ("8x:google-tpu-v6e", {}), ("corsair-server", {})):
        found = silmark.cost("llama-3.1-8b", on, **words).cost  # type: ignore[arg-type]
        assert found is not None
        assert found.rent_below is None


def test_claims_behind_the_speed_are_named() -> None:
    found = silmark.cost("llama-3.1-8b", "corsair-server", against=H100, saving=0.5, **CORSAIR)
    assert any("corsair" in claim for claim in found.claims)
    assert silmark.cost("llama-3.1-8b", H100).claims == ()


def test_shared_inputs_move_both_systems() -> None:
    """The tariff hits both sides: doubling it moves the price less than if only one side paid."""
    base = even("corsair-server", 0.3, **CORSAIR).price.mid
    both = even("corsair-server", 0.3, given=["electricity.price=0.16USD/kWh@2026"], **CORSAIR).price.mid
    assert abs(both / base - 1) < 0.1


def _ledger(own: float) -> Ledger:
    """One line that a shared input and an input of its own move."""
    inputs = {"years": Interval(3.0, 4.0, 6.0), "rate": Interval(80.0, 100.0, 150.0)}
    return Ledger((Line("chips", own, {"years": -1, "rate": -1}),), inputs)


def test_what_two_systems_share_cancels_in_their_ratio() -> None:
    one, other = _ledger(2.0), _ledger(1.0)
    alike = quotient(one, other, {"years": None, "rate": None})
    assert (alike.low, alike.mid, alike.high) == pytest.approx((2.0, 2.0, 2.0))
    apart = quotient(one, other, {})
    rates_only = quotient(one, other, {"years": None})
    rate, years = (_ledger(1.0).inputs[key] for key in ("rate", "years"))
    both_rates = quadrature([math.log(rate.mid / rate.low), math.log(rate.high / rate.mid)])
    assert math.log(rates_only.high / 2.0) == pytest.approx(both_rates)
    both_years = quadrature([math.log(years.mid / years.low), math.log(years.high / years.mid)])
    assert math.log(apart.high / 2.0) == pytest.approx(quadrature([both_rates, both_years]))


def test_a_saving_has_a_narrower_bar_than_its_two_sides() -> None:
    one, other = (silmark.cost("llama-3.1-8b", on).cost for on in (H100, "8x:nvidia-h200-sxm-141gb"))
    assert one is not None
    assert other is not None
    shared = quotient(one.per_million, other.per_million, defaults())
    independent = quotient(one.per_million, other.per_million, {})
    assert shared.mid == pytest.approx(one.usd_per_million.mid / other.usd_per_million.mid)
    assert independent.low < shared.low < shared.mid < shared.high < independent.high
