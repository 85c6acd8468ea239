"""The whole bill: parts by hand, laws, and what a published total says of the same machine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import silmark
from silmark.economics import cost_rate, price
from silmark.economics.cost import Cost
from silmark.economics.energy import watts
from silmark.economics.terms import cloud, defaults, regions, terms
from silmark.economics.tokens import split
from silmark.figures import Figure, Grade, load_sources
from silmark.report.documents_cost import CostDocument
from silmark.report.priced import Priced

Run = Callable[..., Any]
YEAR_S = 31_557_600.0


def asked(on: str = "8x:nvidia-h100-sxm5-80gb", model: str = "llama-3.1-70b", **words: Any) -> Priced:
    return silmark.cost(model, on, **words)


def found(on: str = "8x:nvidia-h100-sxm5-80gb", model: str = "llama-3.1-70b", **words: Any) -> Cost:
    answer = asked(on, model, **words)
    assert answer.cost is not None
    return answer.cost


def test_parts_by_hand() -> None:
    """Eight H100 in their node at $300,000, 700 W each and 2,600 W of hosts, 4 years at 70 %."""
    each = found()
    work_s = 4 * YEAR_S * 0.7
    parts = {name: float(amount) for name, amount in each.bill.ledger.amounts().items()}
    assert parts["units"] == pytest.approx(300_000 / work_s)
    assert parts["interest"] == pytest.approx(300_000 * 0.08 / 2 / YEAR_S / 0.7)
    assert parts["upkeep"] == pytest.approx(300_000 * 0.03 / YEAR_S / 0.7)
    assert parts["hosting"] == pytest.approx((8 * 0.7 + 2.6) * 184.06 * 12 / YEAR_S / 0.7)
    idle_w = 8 * 700 * 0.2 + 2600
    assert parts["idle electricity"] == pytest.approx(idle_w * 1.3 * 0.08 / 3.6e6 * 0.3 / 0.7)
    assert parts["electricity"] == pytest.approx(each.estimate.power_w.mid * 1.3 * 0.08 / 3.6e6)
    assert sum(parts.values()) == pytest.approx(float(each.bill.ledger.total()))


@pytest.mark.parametrize(
    "on",
    [
        "1x:h100",
        "8x:h100",
        "16x:nvidia-h100-sxm5-80gb",  # two units, with the network between them
        "8x:nvidia-a100-sxm4-80gb",
        "8x:mi300x",
        "4x:nvidia-l40s-48gb",  # chips and hosts at the price of a card
        "72x:nvidia-gb200-186gb",
        "4x:cerebras-wse-3",
        "576x:groq",
        "8x:google-tpu-v6e",  # rented
    ],
)
def test_a_token_has_one_price(on: str) -> None:
    """What a comparison, a search of thousands of plans and the bill in parts say of one plan."""
    each = found(on, "llama-3.1-8b")
    shown = price(each.estimate)
    rate = cost_rate(each.estimate.step_model.target)
    assert shown is not None
    assert rate is not None
    assert shown.usd_per_million == each.usd_per_million
    assert shown.figures == each.bill.figures
    assert shown.basis == rate.basis == each.basis
    per_s = rate.at(each.estimate.chips, each.estimate.power_w.mid)
    assert 1e6 * per_s / each.estimate.rate.mid == pytest.approx(shown.usd_per_million.mid, rel=1e-12)
    one, two, busy = rate.at([1, 2, 1], [0.0, 0.0, 1.0])
    assert two == 2 * one
    assert (busy == one) == (rate.basis == "rent")  # which holds electricity


def test_a_published_total_per_gpu_hour() -> None:
    """SemiAnalysis puts an H200 at $1.06 of capital and $1.41 of all costs per hour of its life (November 2025)."""
    each = found("8x:nvidia-h200-sxm-141gb", given=["capital.utilisation=1"])
    hourly = {name: 3600 * float(amount) / 8 for name, amount in each.bill.ledger.amounts().items()}
    assert hourly["units"] + hourly["interest"] == pytest.approx(1.06, rel=0.4)
    assert sum(hourly.values()) == pytest.approx(1.41, rel=0.4)
    interval = each.bill.ledger.interval().scaled(3600 / 8)
    assert interval.low < 1.41 < interval.high


def test_tokens_per_dollar_and_dollars_per_token_are_one_number() -> None:
    each = found()
    assert each.tokens_per_usd.mid * each.usd_per_million.mid == pytest.approx(1e6)
    assert each.tokens_per_usd.low * each.usd_per_million.high == pytest.approx(1e6)


@pytest.mark.parametrize(
    ("on", "words"), [("8x:h100", {}), ("8x:h100", {"tp": 4, "pp": 2}), ("16x:google-tpu-v6e", {}), ("8x:mi300x", {})]
)
def test_input_and_output_pay_for_the_whole(on: str, words: dict[str, int]) -> None:
    each = found(on, **words)
    shares = split(each.estimate)
    assert shares is not None
    work = each.estimate.workload
    per_input, per_output = shares.of(each.usd_per_million)
    whole = work.prompt * per_input.mid + work.output * per_output.mid
    assert whole == pytest.approx(work.output * each.usd_per_million.mid)
    assert 0 < shares.prefill < 1


def test_longer_prompts_take_a_larger_share() -> None:
    shares = [split(found(prompt=prompt, batch=8).estimate) for prompt in (128, 1024, 8192)]
    prefill = [share.prefill for share in shares if share]
    assert prefill == sorted(prefill)
    assert prefill[0] < 0.2
    assert prefill[2] > 0.4


def test_watts_add_up_and_carbon_follows_the_grid() -> None:
    each, clean = found(), found(region="france")
    assert watts(each.estimate).total == pytest.approx(each.estimate.power_w.mid)
    joules = each.facility_joules.mid
    assert joules == pytest.approx(1.3 * each.estimate.joules.mid)
    used = each.carbon.amounts()
    assert float(used["in use"]) == pytest.approx(1e6 * joules * 0.369 / 3.6e6)
    assert float(clean.carbon.amounts()["in use"]) == pytest.approx(float(used["in use"]) * 56 / 369)
    assert float(clean.carbon.amounts()["embodied"]) == pytest.approx(float(used["embodied"]))


RISING = {
    "system.price.purchase": ("400000USD@2026", "500000USD@2026"),
    "electricity.price": ("0.05USD/kWh@2026", "0.2USD/kWh@2026"),
    "electricity.pue": ("1.1", "1.6"),
    "hosting.price": ("100USD/kW/month@2026", "300USD/kW/month@2026"),
    "maintenance.share": ("0.01", "0.2"),
    "capital.interest": ("0.02", "0.15"),
}


@pytest.mark.parametrize("key", RISING)
def test_cost_rises_with_every_input(key: str) -> None:
    low, high = (found(given=[f"{key}={value}"]).usd_per_million.mid for value in RISING[key])
    assert low < high


@pytest.mark.parametrize("key", ["capital.years", "capital.utilisation"])
def test_cost_falls_with_longer_and_busier_lives(key: str) -> None:
    long, short = (found(given=[f"{key}={value}"]).usd_per_million.mid for value in ("0.9", "0.3"))
    assert long < short


def test_rent_ignores_capital_and_a_reservation_pays_for_idle_hours() -> None:
    for pay in ("rent", "spot"):
        plain = found(pay=pay).usd_per_million.mid
        odd = found(pay=pay, given=["capital.years=1", "capital.utilisation=0.2", "system.price.purchase=9e6USD@2026"])
        assert odd.usd_per_million.mid == pytest.approx(plain)
        assert odd.basis == pay
    busy, idle = (found(pay="reserved", given=[f"capital.utilisation={u}"]) for u in ("0.8", "0.4"))
    assert idle.usd_per_million.mid == pytest.approx(2 * busy.usd_per_million.mid)


def test_beyond_one_unit_the_network_is_paid() -> None:
    """A port of 400 Gbit/s for each of sixteen chips."""
    assert "network" not in found().bill.ledger.amounts()
    network = float(found("16x:nvidia-h100-sxm5-80gb").bill.ledger.amounts()["network"])
    assert network == pytest.approx(16 * 4250 / (4 * YEAR_S * 0.7))


def test_no_public_price_prices_what_runs_it() -> None:
    each = found("corsair-server", "llama-3.1-8b")
    assert each.basis == "unpriced"
    assert set(each.bill.ledger.amounts()) == {"electricity", "idle electricity", "hosting"}
    own = found("corsair-server", "llama-3.1-8b", given=["chip.price.purchase=10000USD@2026-11"])
    amounts = {name: float(amount) for name, amount in own.bill.ledger.amounts().items()}
    assert amounts["chips"] == pytest.approx(8 * 10_000 / (4 * YEAR_S * 0.7))
    assert amounts["hosts"] == pytest.approx(0.25 * amounts["chips"])
    assert own.bill.figures["chip.price.purchase"].source == "own scenario"


def test_the_grade_is_that_of_what_matters() -> None:
    """The price of the node and its utilisation are assumed; a rent on demand is published and alone in its bill."""
    assert found().grade is Grade.ASSUMED
    rented = found(pay="rent")
    assert rented.grade is max(rented.estimate.grade, Grade.DATASHEET)


def test_models_without_tokens_are_priced_by_item() -> None:
    document = asked("1x:h100", "bert-large").as_dict()["cost"]
    assert document["counts"] == "items"
    assert document["usd_per_million_input"] is None


def test_what_cannot_run_is_an_answer() -> None:
    answer = asked("1x:h100", "llama-3.1-405b").as_dict()
    assert (answer["status"], answer["cost"]) == ("infeasible", None)
    assert "weights" in answer["reason"]


@pytest.mark.parametrize("on", ["8x:h100", "corsair-server", "1x:google-tpu-v6e"])
def test_the_document_has_its_shape(on: str) -> None:
    document = asked(on, "llama-3.1-8b", against="8x:h100", saving=0.5).as_dict()
    CostDocument.model_validate_json(json.dumps(document, allow_nan=False))


def test_a_bill_is_quick() -> None:
    """An estimate's cost, with its intervals and bars, takes less than 5 ms."""
    answer = asked()
    silmark.cost("llama-3.1-70b", "8x:nvidia-h100-sxm5-80gb")
    start = time.perf_counter()
    for _ in range(10):
        assert Priced(answer.question, "ok", "", answer.cost).as_dict()["cost"]
    assert (time.perf_counter() - start) / 10 < 0.02  # four times the promise, for slow machines


def every_figure() -> dict[str, Figure]:
    placed = {f"{name}.{key}": figure for name, place in regions().items() for key, figure in place.items()}
    return {**defaults(), **cloud(), **placed}


def test_figures_of_the_data_name_known_sources_and_prices_their_date() -> None:
    known = load_sources()
    for key, figure in every_figure().items():
        assert figure.source in known, key
        assert figure.low < figure.high, key
        if "USD" in figure.unit:
            assert figure.date, key


def test_a_region_says_price_and_carbon() -> None:
    for name in regions():
        assert set(regions()[name]) == {"electricity.price", "carbon.intensity"}
        assert terms(name)["electricity.price"] is regions()[name]["electricity.price"]


def test_the_command_draws_and_explains(run: Run, tmp_path: Path) -> None:
    words = ("cost", "llama-3.1-8b", "--on", "8x:h100", "--tornado")
    ran = run(*words, "--plot", str(tmp_path / "cost.svg"))
    assert ran.code == 0, ran.err
    assert (tmp_path / "cost.svg").stat().st_size > 10_000
    for text in ("hosting", "tokens per $", "capital.utilisation", "eia-electric-power-monthly", "kgCO2e/Mtok"):
        assert text in ran.out
    assert run(*words, "--plot", str(tmp_path / "cost.txt")).code == 2
