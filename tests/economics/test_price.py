"""Dollars worked out by hand, and laws that every price keeps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from silmark import api, chips
from silmark.economics import price
from silmark.economics.terms import defaults
from silmark.estimation import Estimate
from silmark.figures import Interval

PLAN = {"workload": "offline", "batch": 64}
Own = Callable[[str, str], str]


def answer(on: str) -> Estimate:
    found = api.estimate("llama-3.1-8b", on, **PLAN).rows[0].estimate  # type: ignore[arg-type]
    assert found is not None
    return found


def at(found: Estimate, rate: float, watts: float) -> Estimate:
    """The same plan with other results: 'rate' tokens per second and 'watts', both exact."""
    return replace(found, tokens_per_s=Interval(rate, rate, rate), power_w=Interval(watts, watts, watts))


def priced(found: Estimate) -> tuple[float, str]:
    result = price(found)
    assert result is not None
    return result.usd_per_million.mid, result.basis


def test_own_hardware_by_hand(own_file: Own, hgx_toml: str) -> None:
    """$252,460.80 for eight over 4 years at 70 %: $0.0028571 per second of work; 5 kW x 1.3 at 8 cents a kWh.

    Around the clock: half of 8 % interest and 3 % upkeep of the price a year, $184.06 a month for each of 8.2 kW at the
    limit, and idle power of 3.72 kW (a fifth of the chips' limit, and hosts) in the three hours of ten without work.
    """
    terms = defaults()
    assert terms["capital.years"].value == 4 * 31_557_600
    assert (terms["capital.utilisation"].value, terms["electricity.pue"].value) == (0.7, 1.3)
    assert terms["electricity.price"].value * 3.6e6 == pytest.approx(0.08)
    system = own_file(hgx_toml.replace("value = 300000", "value = 252460.8"), "node.toml")
    capital = 252_460.8 / (4 * 31_557_600 * 0.7)
    energy = (5.0 + 3.72 * 0.3 / 0.7) * 1.3 * 0.08 / 3600
    yearly = 252_460.8 * (0.08 / 2 + 0.03) + 184.06 * 12 * 8.2
    mid, basis = priced(at(answer(system), rate=10_000, watts=5000))
    assert basis == "own"
    assert mid == pytest.approx((capital + energy + yearly / 31_557_600 / 0.7) * 100, rel=1e-9)
    assert mid == pytest.approx(0.46675, rel=1e-4)


def test_rent_by_hand(own_file: Own, h100_toml: str) -> None:
    """One chip at $3.60 an hour and 1,000 tokens per second: a tenth of a cent per second, a dollar per million."""
    text = "\n".join(line for line in h100_toml.splitlines() if not line.startswith("purchase"))
    text = text.replace("value = 3.9, unit", "value = 3.6, unit").replace('"hgx-h100-8"', '"pcie5-server-8"')
    mid, basis = priced(at(answer(own_file(text, "rented.toml")), rate=1000, watts=700))
    assert (basis, mid) == ("rent", pytest.approx(1.0))


def test_a_share_of_a_node_costs_its_share() -> None:
    one, eight = answer("1x:h100"), answer("8x:h100")
    assert 8 * priced(at(one, 100, 1e-3))[0] == pytest.approx(priced(at(eight, 100, 1e-3))[0], rel=1e-6)


def test_the_price_of_a_node_holds_for_its_own_chip_only() -> None:
    """An H20 comes in the same node, but the node's file prices it with H100s."""
    for name in ("nvidia-h20-96gb", "nvidia-h800-sxm5-80gb", "nvidia-h100-sxm5-96gb-500w"):
        result = price(answer(f"8x:{name}"))
        assert result is None or "system.price.purchase" not in result.figures


def test_no_public_price_no_number() -> None:
    for name in ("etched-sohu", "matx-one"):
        assert not any(key.startswith("price.") for key in chips.load(name).figures)
        row = api.compare("llama-3.1-8b", chips=name).as_dict()["rows"][0]
        assert row["usd_per_mtok"] is None
        assert row["price_basis"] is None
        assert row["tokens_per_s"] is not None


def test_dearer_hardware_dearer_tokens(own_file: Own, hgx_toml: str) -> None:
    cheap = answer(own_file(hgx_toml, "a.toml"))
    text = hgx_toml.replace("value = 300000", "value = 600000").replace("high = 400000", "high = 800000")
    dear = answer(own_file(text, "b.toml"))
    first, second = priced(cheap)[0], priced(dear)[0]
    assert first < second < 2 * first  # electricity and hosting do not double


def test_the_interval_holds_the_rate_and_the_price() -> None:
    found = answer("8x:h100")
    result = price(found)
    assert result is not None
    usd, rate = result.usd_per_million, found.rate
    assert math.log(usd.high / usd.mid) >= math.log(rate.mid / rate.low) - 1e-12
    assert math.log(usd.mid / usd.low) >= math.log(rate.high / rate.mid) - 1e-12
    exact = price(at(found, rate.mid, found.power_w.mid))
    assert exact is not None
    assert exact.usd_per_million.mid == pytest.approx(usd.mid)
    assert exact.usd_per_million.high < usd.high


def test_what_a_price_was_made_of_is_listed() -> None:
    result = price(answer("8x:h100"))
    assert result is not None
    known = {"system.price.purchase", "capital.years", "electricity.price", "hosting.price", "capital.interest"}
    assert known <= set(result.figures)
    assert all(figure.source for figure in result.figures.values())
