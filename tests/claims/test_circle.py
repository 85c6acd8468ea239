"""A number that was computed back from a claim cannot decide it."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from silmark import claims
from silmark.claims import Verdict
from silmark.claims.catalogue import parse

FILE = """
id = "{name}"
title = "A rate"
statement = "A rate."
who = "somebody"
speaker = "vendor"
when = "2026"
source = ["silmark-assumption"]
restated = "The rate is at least 1."

[figures]
rate = {{ value = 2, unit = "1", source = "silmark-assumption", grade = "derived", derived_from = "{origin}" }}

[[test]]
kind = "quotient"
label = "rate"
counted = "rate"
over = ["own:rate"]
least = 1
"""


def verdict(name: str, origin: str) -> Verdict:
    return claims.check(parse(Path("c.toml"), tomllib.loads(FILE.format(name=name, origin=origin)))).verdict


def test_its_own_derived_figure_leaves_a_claim_untestable() -> None:
    assert verdict("fast", "claim:fast") is Verdict.UNTESTABLE
    assert verdict("fast", "claim:slow, claim:fast") is Verdict.UNTESTABLE


def test_figures_derived_from_other_claims_may_decide() -> None:
    assert verdict("fast", "claim:slow") is Verdict.HOLDS
    assert verdict("fast", "") is Verdict.HOLDS


@pytest.mark.parametrize("name", ["sohu-500k", "sohu-above-gpus", "corsair-60k"])
def test_what_set_a_chips_own_figures_is_untestable_with_the_value_it_would_need(name: str) -> None:
    found = claims.check(claims.load(name))
    assert found.verdict is Verdict.UNTESTABLE
    assert "computed back from this claim" in found.why
    assert any(word in found.why for word in ("FLOP/s", "at least", "at most"))


def test_no_kind_of_test_decides_by_figures_of_the_claim_itself() -> None:
    """A break-even price that even free chips miss, and a place in a field, rest on the claimed speeds."""
    text = FILE.format(name="corsair-60k", origin="").partition("[figures]")[0]
    text += """
[[test]]
kind = "break_even"
label = "a tenth"
model = "llama-3-8b"
share = 0.1
tpot_s = 0.05
a = { on = "8x:corsair", precision = "mxint8" }
b = { on = "8x:h100", precision = "fp8" }

[[test]]
kind = "field"
label = "slow"
model = "llama-3-8b"
than_median = "worse"
metrics = ["joules"]
workloads = ["chat"]
a = { on = "8x:corsair", precision = "mxint8" }
rivals = ["8x:h100", "8x:nvidia-a100-sxm4-80gb", "8x:nvidia-l40s-48gb"]
"""
    found = claims.check(parse(Path("c.toml"), tomllib.loads(text)))
    assert {outcome.verdict for outcome in found.outcomes} == {Verdict.UNTESTABLE}
    other = claims.check(parse(Path("c.toml"), tomllib.loads(text.replace("corsair-60k", "corsair-90"))))
    assert {outcome.verdict for outcome in other.outcomes} != {Verdict.UNTESTABLE}


@pytest.mark.parametrize("name", ["matx-10x", "rain-10000x"])
def test_chips_of_which_nothing_is_published_leave_claims_untestable(name: str) -> None:
    found = claims.check(claims.load(name))
    assert found.verdict is Verdict.UNTESTABLE
    assert "nothing is published" in found.why


def test_every_claim_that_figures_were_derived_from_is_barred_by_its_own_name() -> None:
    """Chips and fits cite claims by name; those that are in the catalogue must know it."""
    cited = {"sohu-500k": "sohu-500k", "corsair-60k": "corsair-60k"}
    for name, word in cited.items():
        assert word in claims.load(name).circle
