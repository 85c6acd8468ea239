"""Commands about links, parts, cables, wired systems and memory: answers, documents, and sentences for wrong words."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.report.schema import DOCUMENTS

Run = Callable[..., Any]
LEO = ("system", "show", "hgx-h100-8-leo")


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("list", ("links",)),
        ("list", ("media",)),
        ("list", ("parts",)),
        ("page", ("links", "show", "pcie-6")),
        ("page", ("parts", "show", "astera-leo")),
        ("channel", ("channel", "pcie-5", "--board", "0.35m", "--connectors", "2")),
        ("channel", ("channel", "pcie-6", "--board", "20in", "--retimer", "astera-aries-6")),
        ("cable", ("cable", "--rate", "800G", "--length", "3m")),
        ("cable", ("cable", "--link", "infiniband-ndr", "--length", "60m")),
        ("layout", ("cable", "--rate", "400G", "--layout", "16x1m,32x2.5m,8x10m")),
        ("layout", ("cable", "--layout", "2x300m")),
        ("built", (*LEO, "--links")),
        ("built", (*LEO, "--without", "leo", "--without", "aries")),
        ("built", (*LEO, "--without", "pcie-switch")),
        ("memory", ("memory", "hgx-h100-8-leo")),
        ("memory", ("memory", "cs-3")),
    ],
)
def test_documents_have_the_documented_shape(document: str, words: tuple[str, ...], run: Run) -> None:
    found = run(*words, "--json")
    assert found.code == 0, found.err
    DOCUMENTS[document].model_validate_json(found.out)
    assert run(*words).code == 0


def test_systems_and_system_are_the_same(run: Run) -> None:
    assert run("systems", "show", "hgx-h100-8").out == run("system", "show", "hgx-h100-8").out


def test_a_channel_that_needs_a_retimer_says_so(run: Run) -> None:
    answer = json.loads(run("channel", "pcie-5", "--board", "45cm", "--connectors", "2", "--json").out)
    assert answer["rates"][0]["retimers_needed"] == 1
    bare, *retimed = answer["ways"]
    assert bare["trains_to"] == "pcie-4"
    assert {way["trains_to"] for way in retimed} == {"pcie-5"}
    aries, generic = (
        {way["name"]: way for way in retimed}[f"1 x {name}"] for name in ("astera-aries-5", "generic-retimer-5")
    )
    assert aries["latency_s"]["mid"] < generic["latency_s"]["mid"]


def test_a_channel_near_its_budget_says_so(run: Run) -> None:
    assert "closes, though the interval" in run("channel", "pcie-5", "--board", "40cm").out


def test_more_retimers_than_the_specification_allows_are_no_way(run: Run) -> None:
    words = ("channel", "pcie-5", "--board", "45cm", *("--retimer", "astera-aries-5") * 3, "--json")
    assert "2 are allowed" in json.loads(run(*words).out)["ways"][1]["lost"]


def test_a_rack_layout_of_3_m_at_800g(run: Run) -> None:
    ways = {
        way["name"]: way for way in json.loads(run("cable", "--rate", "800G", "--length", "3m", "--json").out)["ways"]
    }
    assert "dac reaches 2 m" in ways["dac"]["lost"]
    assert ways["astera-taurus-800"]["power_w"]["mid"] < ways["aoc"]["power_w"]["mid"]
    assert ways["astera-taurus-800"]["price_usd"]["mid"] < ways["aoc"]["price_usd"]["mid"]


def test_active_copper_saves_power_and_price_in_a_rack(run: Run) -> None:
    words = ("cable", "--rate", "800G", "--layout", "16x1m,32x2.5m,8x10m", "--json")
    with_, taurus, less, optics = json.loads(run(*words).out)["plans"]
    assert with_["cables"] == {"dac": 16, "aec": 32, "aoc": 8}
    assert less["cables"] == {"dac": 16, "aoc": 40}
    for key in ("power_w", "price_usd"):
        assert max(with_[key]["mid"], taurus[key]["mid"]) < less[key]["mid"] < optics[key]["mid"]


def test_what_cannot_work_is_an_answer(run: Run) -> None:
    found = run(*LEO, "--without", "pcie-switch")
    assert found.code == 0
    assert "cannot work without pcie-switch" in found.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("channel", "pcie-5", "--board", "long"), "a length with its unit"),
        (("channel", "nvlink-4", "--board", "1m"), "a budget of losses"),
        (("channel", "pcie-5", "--board", "1m", "--retimer", "astera-leo"), "kind is retimer"),
        (("channel", "pcie-5", "--board", "1m", "--vias", "5000"), "at most 1000"),
        (("channel", "pcie-55", "--board", "1m"), "did you mean pcie-5"),
        (("cable", "--rate", "333G"), "one of 100G"),
        (("cable", "--layout", "1m"), "such as 16x1m"),
        (("parts", "show", "aries"), "unknown part"),
        ((*LEO, "--without", "scorpio"), "one of"),
        (("system", "show", "hgx-h100-8", "--without", "aries"), "names no links"),
        (("memory", "hgx-h100-8-leo", "--near", "1.5"), "a share from 0 to 1"),
    ],
)
def test_wrong_words_get_a_sentence(words: tuple[str, ...], says: str, run: Run) -> None:
    found = run(*words)
    assert found.code == 2
    assert says in found.err
    assert "Traceback" not in found.err


words = st.one_of(
    st.text(max_size=8), st.integers(-5, 10**9).map(str), st.sampled_from(["pcie-5", "1m", "x.toml", "leo"])
)


@pytest.mark.slow
@settings(max_examples=40)
@given(first=words, second=words, third=words)
def test_any_words_get_an_answer_or_a_sentence(first: str, second: str, third: str, run: Run) -> None:
    for command in (
        ("channel", f"--board={second}", f"--vias={third}", "--", first),
        ("cable", f"--rate={first}", f"--length={second}"),
        ("system", "show", f"--without={second}", "--", first),
        ("parts", "show", "--", first),
        ("memory", f"--near={second}", "--", first),
    ):
        found = run(*command)
        assert found.code in (0, 2)
        assert "Traceback" not in found.err
