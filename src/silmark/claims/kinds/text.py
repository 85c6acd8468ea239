"""`kind = "text"`: a statement about software or contracts, judged from sources; nothing is computed."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.claims.fields import Fields
from silmark.claims.spec import Outcome, Terms, Verdict


@dataclass(frozen=True, slots=True)
class Text:
    """A judgement with its reason.

    Attributes:
        because: the facts, each with the key of its source in brackets.
        condition: under which it holds, for "holds only if".
        decides: what would decide, for "untestable" and "not assessed yet".
    """

    label: str
    verdict: Verdict
    because: str
    condition: str
    decides: str

    @classmethod
    def read(cls, fields: Fields) -> Text:
        """Reads the table of a test."""
        test = cls(
            label=fields.text("label"),
            verdict=Verdict(fields.choice("verdict", [str(one) for one in Verdict])),
            because=fields.text("because"),
            condition=fields.text("condition", ""),
            decides=fields.text("decides", ""),
        )
        if test.verdict is Verdict.ONLY_IF and not test.condition:
            raise fields.bad("condition", "missing; say under which condition it holds")
        if test.verdict in (Verdict.UNTESTABLE, Verdict.NOT_YET) and not test.decides:
            raise fields.bad("decides", "missing; say which fact or test would decide")
        return test

    def run(self, terms: Terms) -> Outcome:
        """Nothing to compute: the file's own judgement."""
        return Outcome(
            self.verdict, self.label, "judged from sources", self.because, condition=self.condition, needs=self.decides
        )
