"""What vendors and the press say, as sentences that can be tested, and what the numbers say to them."""

from silmark.claims.catalogue import load, names
from silmark.claims.check import check
from silmark.claims.spec import Cell, Claim, Finding, Outcome, Region, SideAnswer, Verdict

__all__ = ["Cell", "Claim", "Finding", "Outcome", "Region", "SideAnswer", "Verdict", "check", "load", "names"]
