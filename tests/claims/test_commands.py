"""`silmark claims`, `check` and `report`, as words, JSON, picture and page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from silmark import check_claim, claims
from silmark.claims.catalogue import load
from silmark.report.claims import page
from silmark.report.schema import DOCUMENTS

Run = Callable[..., Any]


@pytest.mark.slow
def test_the_list_has_every_claim_once_and_keeps_its_schema(run: Run) -> None:
    found = run("claims", "--json")
    assert found.code == 0, found.err
    document = json.loads(found.out)
    DOCUMENTS["claims"].model_validate(document)
    assert [one["name"] for one in document["claims"]] == list(claims.names())


@pytest.mark.parametrize("name", ["groq-10x-inference", "corsair-90-percent", "wse3-dimensions", "mojo-any-target"])
def test_one_claim_keeps_its_schema(run: Run, name: str) -> None:
    found = run("claims", "check", name, "--json")
    assert found.code == 0, found.err
    document = json.loads(found.out)
    DOCUMENTS["claim"].model_validate(document)
    assert document["tests"]


def test_a_claim_in_words_names_both_sides_with_their_evidence(run: Run) -> None:
    found = run("claims", "check", "groq-tenth-cost")
    assert found.code == 0, found.err
    for word in ("Groq", "H100", "int8", "fp8", "verdict", "derived", "isopack-2024", "groq-mixtral-480"):
        assert word in found.out, word


def test_the_map_has_a_sign_for_every_cell(run: Run) -> None:
    found = run("claims", "check", "groq-tenth-energy", "--map")
    rows = [line.split() for line in found.out.splitlines() if re.match(r"\s*[0-9,]+( +[-+?.]){9}$", line)]
    assert len(rows) == 2 * 8
    assert {sign for row in rows for sign in row[1:]} <= set("+-?.")


def test_maps_are_drawn(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "map.svg"
    assert run("claims", "check", "groq-tenth-energy", "--plot", str(path)).code == 0
    assert path.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("claims", "check", "groq-10x"), "did you mean groq-10x-inference"),
        (("claims", "check", "no.toml"), "no such file"),
        (("claims", "check", "sohu-500k", "--maturity", "young"), "own or equal"),
        (("claims", "check", "sohu-500k", "--plot", "a.txt"), ".png, .svg"),
        (("claims", "check", "mojo-any-target", "--plot", "a.png"), "this one has none"),
        (("claims", "report", "--out", "no/such/folder/page.html"), "an existing folder"),
    ],
)
def test_wrong_words_get_a_sentence(run: Run, words: tuple[str, ...], expected: str) -> None:
    found = run(*words)
    assert found.code == 2
    assert found.out == ""
    assert found.err.count("\n") == 1
    assert expected in found.err


@pytest.mark.slow
def test_the_page_answers_claims_of_every_kind_and_asks_nothing_of_the_network(run: Run, tmp_path: Path) -> None:
    path, kinds = tmp_path / "claims.html", {kind: name for name in claims.names() for kind in load(name).kinds}
    assert len(kinds) > 5
    assert run("claims", "report", *kinds.values(), "--out", str(path)).code == 0
    text = path.read_text()
    for name in set(kinds.values()):
        assert f'<section id="{name}">' in text
    assert "<script" not in text
    assert set(re.findall(r'src="([^":,]*)', text)) == {"data"}
    assert text.count("<section") == text.count("</section>")


def test_a_page_of_some_claims(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "some.html"
    found = run("claims", "report", "wse3-dimensions", "mojo-any-target", "wse3-dimensions", "--out", str(path))
    assert found.out == f"2 claims in {path}\n"
    assert path.read_text().count("<section") == 2


def test_the_page_escapes_what_a_claim_says(tmp_path: Path) -> None:
    answer = check_claim("mojo-any-target")
    bad = replace(answer.finding.claim, title="<script>alert(1)</script>")
    path = tmp_path / "page.html"
    page.write([replace(answer.finding, claim=bad)], "own", path)
    assert "<script>" not in path.read_text()


def test_equal_maturity_lifts_young_stacks_only() -> None:
    """A mature stack for everybody cannot make the side with the young one slower."""
    own, equal = (check_claim("gaudi3-above-h100", maturity=word).finding.outcomes[0] for word in ("own", "equal"))
    assert own.value is not None
    assert equal.value is not None
    assert equal.value.mid >= 0.99 * own.value.mid
