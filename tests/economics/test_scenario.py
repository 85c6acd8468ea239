"""A user's own terms: what is taken, what is refused with a sentence, and random files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import silmark
from silmark.economics.scenario import read, words
from silmark.economics.terms import defaults
from silmark.errors import SilmarkError

Run = Callable[..., Any]
GOOD = """
[electricity]
price = { value = 0.10, low = 0.08, high = 0.15, unit = "EUR/kWh", date = "2026-11" }

[capital]
years = { value = 5, unit = "year" }
utilisation = { value = 0.6 }

[chip.price]
purchase = { value = 20000, unit = "USD", date = "2026-11-01", note = "offer" }

[rates]
EUR = { value = 1.2, unit = "USD/EUR", date = "2026-11-20" }
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_with_its_currency(tmp_path: Path) -> None:
    found = read(written(tmp_path, GOOD), defaults())
    tariff = found["electricity.price"]
    assert (tariff.value * 3.6e6, tariff.high * 3.6e6) == (pytest.approx(0.12), pytest.approx(0.18))
    assert "0.1 EUR/kWh at 1.2 USD/EUR" in tariff.note
    assert found["capital.years"].value == 5 * 31_557_600
    assert found["capital.utilisation"].value == 0.6
    assert found["chip.price.purchase"].date == "2026-11-01"


def test_a_scenario_prices_a_model_and_words_win_over_it(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    found = silmark.cost("llama-3.1-8b", "8x:h100", scenario=path).cost
    assert found is not None
    assert found.bill.figures["chip.price.purchase"].value == 20_000
    busier = silmark.cost("llama-3.1-8b", "8x:h100", scenario=path, given=["capital.utilisation=0.9"]).cost
    assert busier is not None
    assert busier.usd_per_million.mid < found.usd_per_million.mid


BAD = {
    "a word that no figure has": ('note = "offer"', 'nota = "offer"', "nota"),
    "a price without unit": (', unit = "EUR/kWh"', "", "currency"),
    "a price without date": (', date = "2026-11" }', " }", "date"),
    "a date that is none": ('date = "2026-11" }', 'date = "November" }', "date"),
    "a month that is none": ('date = "2026-11" }', 'date = "2026-13" }', "date"),
    "a currency without rate": ("EUR = {", "CHF = {", "rates"),
    "a rate without date": (', date = "2026-11-20"', "", "date"),
    "a rate of another unit": ('"USD/EUR"', '"EUR/USD"', "rates.EUR"),
    "a rate of nothing": ("value = 1.2", "value = 0", "above 0"),
    "a unit of another kind": ('"EUR/kWh"', '"EUR/h"', "unit"),
    "an unknown key": ("utilisation =", "utilization =", "did you mean capital.utilisation"),
    "more than a whole": ("value = 0.6", "value = 1.6", "at most 1"),
    "no life": ("value = 5", "value = 0", "above 0"),
    "a price of nothing": ("value = 20000", "value = 0", "above 0"),
    "a price beyond reason": ("value = 20000", "value = 2e22", "unit"),
    "a rate without end": ("value = 1.2,", f"value = {10**400},", "above 0"),
    "a price without end": ("value = 0.10", f"value = {10**400}", "out of range"),
    "not a table": ("utilisation = { value = 0.6 }", "utilisation = 0.6", "expected a table"),
    "not TOML": ("[rates]", "[rates", "TOML"),
}


@pytest.mark.parametrize(("old", "new", "expected"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_said_in_a_sentence(old: str, new: str, expected: str, tmp_path: Path, run: Run) -> None:
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new))
    ran = run("cost", "llama-3.1-8b", "--on", "8x:h100", "--scenario", str(path))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("silmark: ")
    assert ran.err.count("\n") == 1
    assert expected in ran.err


WORDS = {
    "electricity.price=0.1": "currency",
    "electricity.price=0.1USD/kWh": "date",
    "electricity.price=0.1USD/kWh@yesterday": "date",
    "electricity.price=0.1EUR/kWh@2026": "rates",
    "chip.price.purchase=5@2026": "currency",
    "capital.utilisation=": "key=value",
    "capital.utilisation=nan": "key=value",
    "capital.utilisation=-1": "key=value",
    "capital.utilisation=0.9..0.5..0.7": "does not hold",
    "electricity.pue=0.9": "at least 1",
    "electricity.price=0USD/kWh@2026": "above 0",
    "nonsense=1": "unknown term",
    "=1": "unknown term",
}


@pytest.mark.parametrize(("word", "expected"), WORDS.items(), ids=WORDS)
def test_words_that_make_no_sense(word: str, expected: str, run: Run) -> None:
    ran = run("cost", "llama-3.1-8b", "--on", "8x:h100", "--set", word)
    assert (ran.code, ran.out) == (2, "")
    assert expected in ran.err


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--region", "atlantis"), "unknown region"),
        (("--pay", "barter"), "pay"),
        (("--saving", "1", "--break-even-against", "8x:h100"), "saving"),
        (("--saving", "0.5"), "another system"),
        (("--break-even-against", "8x:etched-sohu"), "price is public"),
        (("--break-even-against", "8x:intel-arc-pro-b6"), "unknown chip"),
        (("--batch", "1,2"), "one number"),
        (("--scenario", "nowhere.toml"), "no such file"),
    ],
)
def test_options_that_make_no_sense(options: tuple[str, ...], expected: str, run: Run) -> None:
    ran = run("cost", "llama-3.1-8b", "--on", "8x:h100", *options)
    assert (ran.code, ran.out) == (2, "")
    assert expected in ran.err


def test_an_interval_in_words() -> None:
    found = words(["capital.utilisation=0.4..0.6..0.8"], defaults())["capital.utilisation"]
    assert (found.low, found.value, found.high) == (0.4, 0.6, 0.8)


keys = st.sampled_from(
    ["chip", "system", "price", "purchase", "cloud", "electricity", "capital", "years", "rates", "EUR", "x"]
)
leaves = st.one_of(
    st.floats(),
    st.integers(-(10**20), 10**20),
    st.text(max_size=5),
    st.booleans(),
    st.dictionaries(
        st.sampled_from(["value", "low", "high", "unit", "date", "source", "grade", "note"]),
        st.one_of(
            st.floats(0, 1e9), st.integers(), st.sampled_from(["USD", "USD/kWh", "EUR", "year", "1", "2026", "assumed"])
        ),
        max_size=5,
    ),
)
tables = st.recursive(
    st.dictionaries(keys, leaves, max_size=3), lambda t: st.dictionaries(keys, t, max_size=3), max_leaves=5
)


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else str(value)


@settings(max_examples=200)
@given(table=tables)
def test_random_files_are_read_or_refused(table: dict[str, Any], tmp_path: Path) -> None:
    path = written(tmp_path, "\n".join(f"{key} = {toml(value)}" for key, value in table.items()))
    try:
        found = silmark.cost("llama-3.2-1b", "1x:h100", scenario=path)
    except SilmarkError:
        return
    json.dumps(found.as_dict(), allow_nan=False)


@settings(max_examples=200)
@given(key=st.sampled_from([*defaults(), "chip.price.purchase", "chip.price.cloud"]), value=st.floats(0, 1e12),
       unit=st.sampled_from(["", "USD@2026", "USD/kWh@2026", "USD/h@2026", "year", "%"]))  # fmt: skip
def test_random_words_give_an_answer_or_a_sentence(key: str, value: float, unit: str) -> None:
    try:
        found = silmark.cost("llama-3.2-1b", "1x:h100", given=[f"{key}={value}{unit}"], against="1x:h100", saving=0.1)
    except SilmarkError:
        return
    json.dumps(found.as_dict(), allow_nan=False)
