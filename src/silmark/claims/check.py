"""Runs a claim's tests and concludes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from silmark.claims import evidence, judge
from silmark.claims.spec import Claim, Finding, Mapped, Outcome, Region, Terms, Verdict
from silmark.step import Maturity


def check(claim: Claim, maturity: Maturity = "own", *, maps: bool = False, both: bool = False) -> Finding:
    """The verdict on a claim.

    Args:
        claim: with its tests.
        maturity: every software stack as it is, or a mature one for everybody.
        maps: also where each test holds over 1 to 256 users and prompts of 256 to 32,768 tokens.
        both: also the verdict with the other maturity.
    """
    terms = Terms(claim.circle, claim.figures, maturity)
    found = judge.conclude(claim, [_guarded(test.run(terms), terms) for test in claim.tests])
    other = check(claim, "equal" if maturity == "own" else "own") if both else None
    return replace(found, maturity=maturity, maps=dict(_maps(claim, terms)) if maps else {}, other=other)


def _maps(claim: Claim, terms: Terms) -> Iterator[tuple[str, Region]]:
    for test in claim.tests:
        region = test.map(terms) if isinstance(test, Mapped) else None
        if region is not None:
            yield test.label, region


def _guarded(outcome: Outcome, terms: Terms) -> Outcome:
    """No test of any kind decides a claim by figures that were computed back from it."""
    if outcome.verdict in (Verdict.UNTESTABLE, Verdict.NOT_YET):
        return outcome
    for side in outcome.sides:
        if keys := evidence.circular(side.figures, terms.names):
            needs = f"a source for {', '.join(keys[:2])} of {side.label} that is not the claim itself"
            return replace(outcome, verdict=Verdict.UNTESTABLE, condition="", needs=needs)
    return outcome
