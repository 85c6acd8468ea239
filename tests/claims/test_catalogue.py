"""The packaged claims, and files of strangers."""

from __future__ import annotations

import contextlib
import copy
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import claims
from silmark.claims import Verdict
from silmark.claims.catalogue import parse
from silmark.errors import BadFile, SilmarkError
from silmark.figures import load_sources
from silmark.figures.tables import data_folder

NAMED = {
    "aviator-open-easy", "capital-500m-10000-h100", "corsair-60k", "corsair-8tb-chiplets", "corsair-90-percent",
    "cuda-licence-2024", "extropic-10000x", "gaudi3-above-h100", "gpus-poor-for-inference", "groq-10x-inference",
    "groq-tenth-cost", "groq-tenth-energy", "inference-chips-replace-gpus", "lightmatter-performance-and-power",
    "maia-instead-of-h100", "matx-10x", "mojo-any-target", "rain-10000x", "rain-openai-purchase",
    "rocm-slight-changes", "sohu-500k", "sohu-above-gpus", "tpu-instead-of-h100", "training-ten-thousand-cards",
    "uxl-any-target", "wse3-dimensions", "wse3-interconnect",
}  # fmt: skip
SMALL = """
id = "acme-fast"
title = "Acme: fast"
statement = "Twice as fast."
who = "Acme"
speaker = "vendor"
when = "2026-09"
source = ["acme"]
restated = "One A100 makes at least 1 token per second."

[sources.acme]
title = "Brief"
publisher = "Acme"
date = "2026-09"
address = "https://example.com/a1.pdf"

[figures]
power = { value = 200, unit = "W", source = "acme", grade = "claimed" }

[[test]]
kind = "level"
label = "one user"
metric = "tokens_per_s"
model = "llama-2-7b"
least = 1
a = { on = "1x:nvidia-a100-sxm4-80gb" }

[[test]]
kind = "quotient"
label = "power"
counted = "watts"
unit = "W"
over = ["own:power"]
most = 300
"""


def table(text: str = SMALL) -> dict[str, Any]:
    return tomllib.loads(text)


def test_every_claim_that_was_asked_for_is_there() -> None:
    assert set(claims.names()) >= NAMED


@pytest.mark.parametrize("name", claims.names())
def test_a_claim_says_who_when_where_and_under_which_conditions(name: str) -> None:
    claim = claims.load(name)
    assert claim.name == name
    assert claim.sources
    assert claim.conditions
    assert len({test.label for test in claim.tests}) == len(claim.tests), "labels name the maps"


@pytest.mark.parametrize("name", claims.names())
def test_figures_of_claims_have_sources(name: str) -> None:
    claim = claims.load(name)
    known = {*load_sources(), *(source.key for source in claim.sources)}
    assert {figure.source for figure in claim.figures.values()} <= known


@pytest.mark.slow
@pytest.mark.parametrize("maturity", ["own", "equal"])
def test_every_claim_gets_a_verdict_with_its_reason(maturity: Any) -> None:
    for name in claims.names():
        found = claims.check(claims.load(name), maturity)
        assert found.verdict in Verdict, name
        assert found.why, name
        for outcome in found.outcomes:
            assert outcome.said, (name, outcome.label)
            if outcome.verdict is Verdict.ONLY_IF:
                assert outcome.condition, (name, outcome.label)
            if outcome.verdict in (Verdict.UNTESTABLE, Verdict.NOT_YET):
                assert outcome.needs, (name, outcome.label)


def test_a_strangers_claim_needs_no_installation(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL)
    found = claims.check(claims.load(str(path)))
    assert found.verdict is Verdict.HOLDS
    assert [outcome.verdict for outcome in found.outcomes] == [Verdict.HOLDS, Verdict.HOLDS]


def test_what_only_informs_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL.replace("most = 300", "most = 100\ninforms = true"))
    found = claims.check(claims.load(str(path)))
    assert [outcome.verdict for outcome in found.outcomes] == [Verdict.HOLDS, Verdict.FAILS]
    assert found.verdict is Verdict.HOLDS


Change = Callable[[dict[str, Any]], object]
BAD: dict[str, tuple[Change, tuple[str, ...]]] = {
    "no id": (lambda t: t.pop("id"), ("id", "expected a text")),
    "odd id": (lambda t: t.update(id="Acme fast"), ("id", "small letters")),
    "no day": (lambda t: t.update(when="last year"), ("when", "2024-03-18")),
    "no such speaker": (lambda t: t.update(speaker="god"), ("speaker", "vendor, press")),
    "unknown source": (lambda t: t.update(source=["nowhere"]), ("source", "nowhere")),
    "unknown entry": (lambda t: t.update(verdict="holds"), ("verdict", "unknown entry")),
    "control characters": (lambda t: t.update(title="a\x1b[2J"), ("title", "control characters")),
    "no test": (lambda t: t.pop("test"), ("test", "[[test]]")),
    "unknown kind": (lambda t: t["test"][0].update(kind="vote"), ("test.1.kind", "ratio")),
    "unknown metric": (lambda t: t["test"][0].update(metric="love"), ("test.1.metric", "joules")),
    "no bound": (lambda t: t["test"][0].pop("least"), ("test.1.least", "most")),
    "crossed bounds": (lambda t: t["test"][0].update(least=2, most=1), ("test.1.least", "above")),
    "no system": (lambda t: t["test"][0].update(a={}), ("test.1.a.on", "expected a text")),
    "unknown entry of a side": (lambda t: t["test"][0]["a"].update(chip="h100"), ("test.1.a.chip", "unknown entry")),
    "model from the network": (lambda t: t["test"][0].update(model="hf:a/b"), ("test.1.a.model", "fetch nothing")),
    "the same label twice": (lambda t: t["test"][1].update(label="one user"), ("test.2.label", "another test")),
    "nothing decides": (lambda t: [one.update(informs=True) for one in t["test"]], ("test", "only inform")),
    "falling users": (lambda t: t["test"][0].update(users=[4, 1]), ("test.1.users", "rising")),
    "users of text": (lambda t: t["test"][0].update(users=["many"]), ("test.1.users", "whole number")),
    "unknown place": (lambda t: t["test"][1].update(over=["moon:x"]), ("test.2.over", "chip:ID:KEY")),
    "figure without unit": (lambda t: t["figures"]["power"].pop("unit"), ("figures.power", "unit")),
    "figure of text": (lambda t: t["figures"].update(power="much"), ("figures.power", "inline table")),
}


@pytest.mark.parametrize("case", BAD)
def test_a_wrong_file_gets_one_sentence_with_file_key_and_remedy(case: str) -> None:
    change, expected = BAD[case]
    wrong = table()
    change(wrong)
    with pytest.raises(BadFile) as found:
        parse(Path("mine.toml"), wrong)
    text = str(found.value)
    assert text.startswith("mine.toml: ")
    for word in expected:
        assert word in text


_values = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**20), st.floats(), st.text(max_size=8),
    st.sampled_from(["ratio", "8x:h100", "own:power", "0x:h100", "chip:h100:power.tdp", "holds", "metric:joules:x:y"]),
    st.lists(st.one_of(st.text(max_size=5), st.integers(-2, 9)), max_size=3),
    st.dictionaries(st.sampled_from(["on", "model", "users", "value"]), st.integers(0, 3), max_size=2),
)  # fmt: skip


@settings(max_examples=150)
@given(st.data())
def test_any_change_to_a_file_gives_a_claim_or_a_sentence(data: st.DataObject) -> None:
    wrong = copy.deepcopy(table())
    place: Any = wrong
    for _ in range(data.draw(st.integers(0, 3))):
        inner = [
            value
            for value in (place.values() if isinstance(place, dict) else place)
            if isinstance(value, dict | list) and value
        ]
        if not inner:
            break
        place = data.draw(st.sampled_from(inner))
    if isinstance(place, dict):
        place[data.draw(st.one_of(st.sampled_from([*place, "users", "most", "replica"]), st.text(max_size=5)))] = (
            data.draw(_values)
        )
    else:
        place.append(data.draw(_values))
    with contextlib.suppress(SilmarkError):
        assert claims.check(parse(Path("mine.toml"), wrong)).verdict in Verdict


def test_packaged_files_parse_as_toml_once() -> None:
    """Names are file stems, and nothing else lies in the folder."""
    stems = {path.stem for path in (data_folder() / "claims").iterdir() if path.suffix == ".toml"}
    assert stems == set(claims.names())
    assert json.dumps(sorted(stems))
