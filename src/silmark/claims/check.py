"""Runs a claim's tests and concludes."""

from __future__ import annotations

from silmark.claims import judge
from silmark.claims.spec import Claim, Finding, Mapped, Region, Terms
from silmark.step import Maturity


def check(claim: Claim, maturity: Maturity = "own") -> Finding:
    """The verdict on a claim.

    Args:
        claim: with its tests.
        maturity: every software stack as it is, or a mature one for everybody.
    """
    terms = Terms(claim.circle, claim.figures, maturity)
    return judge.conclude(claim, [test.run(terms) for test in claim.tests])


def maps(claim: Claim, maturity: Maturity = "own") -> list[tuple[str, Region]]:
    """Where each test of the claim holds over 1 to 256 users and prompts of 256 to 32,768 tokens, by its label."""
    terms = Terms(claim.circle, claim.figures, maturity)
    found = ((test.label, test.map(terms)) for test in claim.tests if isinstance(test, Mapped))
    return [(label, region) for label, region in found if region is not None]
