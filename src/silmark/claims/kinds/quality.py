"""`kind = "quality"`: what a chip's arithmetic does to a real model's outputs, against a bound."""

from __future__ import annotations

from dataclasses import dataclass

from silmark import chips
from silmark.claims.fields import Fields
from silmark.claims.kinds.ratio import read_bound
from silmark.claims.spec import Bound, Outcome, SideAnswer, Terms, Verdict
from silmark.errors import SilmarkError
from silmark.figures.numbers import three
from silmark.quality import MEASURES, STANDIN_TASKS, Chosen, Quality, Way, chosen, known
from silmark.quality.ask import standin_quality


@dataclass(frozen=True, slots=True)
class OutputQuality:
    """A measure of a stand-in's outputs on one chip; the model that a claim is about is seldom at hand.

    Attributes:
        model: minilm, charlm or smallcnn.
        measure: of `silmark.quality.MEASURES`.
    """

    label: str
    model: str
    measure: str
    chip: str
    precision: str
    bound: Bound

    @classmethod
    def read(cls, fields: Fields) -> OutputQuality:
        """Reads the table of a test."""
        test = cls(
            label=fields.text("label"),
            model=fields.choice("model", STANDIN_TASKS),
            measure=fields.choice("metric", MEASURES),
            chip=fields.text("on"),
            precision=fields.text("precision", "default"),
            bound=read_bound(fields),
        )
        try:
            chips.load(test.chip)
            known(test.precision)
        except SilmarkError as error:
            raise fields.bad("on", str(error)) from None
        return test

    def run(self, terms: Terms) -> Outcome:
        """Runs the stand-in; without PyTorch or its weights the test waits for them."""
        one = chosen(chips.load(self.chip), self.precision)
        if one.way is None:
            return self._outcome(Verdict.FAILS, f"{one.chip.id}: {one.reason}", one)
        try:
            found = standin_quality(self.model, [one.way])[one.way]
        except SilmarkError as missing:
            return self._outcome(Verdict.NOT_YET, "nothing was run", one, needs=str(missing))
        value = found.measures.get(self.measure)
        if value is None:
            lacks = f"{self.model} has no {MEASURES[self.measure].words}; it has {', '.join(found.measures) or 'none'}"
            return self._outcome(Verdict.UNTESTABLE, lacks, one, needs=lacks)
        words = f"{MEASURES[self.measure].words} {three(value.mid)} ({three(value.low)} to {three(value.high)})"
        said = f"{self.model} on {one.chip.id} ({one.way}): {words}; claimed: {self.bound.words('1')}"
        verdict = self.bound.judge(value)
        condition = f"the measure is {self.bound.words('1')}" if verdict is Verdict.ONLY_IF else ""
        return self._outcome(verdict, said, one, found, condition=condition)

    def _outcome(
        self,
        verdict: Verdict,
        said: str,
        one: Chosen,
        found: Quality | None = None,
        *,
        condition: str = "",
        needs: str = "",
    ) -> Outcome:
        value = found.measures[self.measure] if found else None
        way: Way | str = one.way or one.reason
        side = SideAnswer(one.chip.id, one.precision, str(way), value, str(one.grade), able=one.way is not None)
        words = f"{MEASURES[self.measure].words}, {self.model}"
        return Outcome(verdict, self.label, words, said, value, self.bound, condition, needs, (side,))
