"""Runs a claim's tests and concludes."""

from __future__ import annotations

from dataclasses import replace

from silmark.claims import evidence, judge
from silmark.claims.spec import Claim, Finding, Mapped, Outcome, Region, Terms, Verdict
from silmark.step import Maturity


def check(claim: Claim, maturity: Maturity = "own") -> Finding:
    """The verdict on a claim.

    Args:
        claim: with its tests.
        maturity: every software stack as it is, or a mature one for everybody.
    """
    terms = Terms(claim.circle, claim.figures, maturity)
    return judge.conclude(claim, [_guarded(test.run(terms), terms) for test in claim.tests])


def _guarded(outcome: Outcome, terms: Terms) -> Outcome:
    """No test of any kind decides a claim by figures that were computed back from it."""
    if outcome.verdict in (Verdict.UNTESTABLE, Verdict.NOT_YET):
        return outcome
    for side in outcome.sides:
        if keys := evidence.circular(side.figures, terms.names):
            needs = f"a source for {', '.join(keys[:2])} of {side.label} that is not the claim itself"
            return replace(outcome, verdict=Verdict.UNTESTABLE, condition="", needs=needs)
    return outcome


def maps(claim: Claim, maturity: Maturity = "own") -> list[tuple[str, Region]]:
    """Where each test of the claim holds over 1 to 256 users and prompts of 256 to 32,768 tokens, by its label."""
    terms = Terms(claim.circle, claim.figures, maturity)
    found = ((test.label, test.map(terms)) for test in claim.tests if isinstance(test, Mapped))
    return [(label, region) for label, region in found if region is not None]
