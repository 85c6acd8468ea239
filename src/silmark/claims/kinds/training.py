"""`kind = "training"`: chips that train a model in some days; `kind = "training_ratio"`: its speed on two systems."""

from __future__ import annotations

from dataclasses import dataclass

from silmark import models, systems
from silmark.chips import Chip
from silmark.claims import evidence, judge
from silmark.claims.fields import Fields
from silmark.claims.kinds.ratio import over, read_bound
from silmark.claims.spec import Bound, Cell, Outcome, Region, SideAnswer, Terms, Verdict
from silmark.figures import Interval
from silmark.figures.numbers import shown, si, three
from silmark.formats import Precision
from silmark.mapping import Infeasible
from silmark.training import Job, Recompute, TrainingEstimate, train

_DAY_S = 86400.0
_MODES: tuple[Recompute, ...] = ("none", "alternate", "full")
_PASSES = 4
"""Micro batches per pipeline stage: the bubble is then a fifth."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A model on chips: tp chips share every layer, pp stages follow each other, replicas take the rest.

    Attributes:
        seq: tokens per sequence.
        micro: sequences that a replica takes at a time.
    """

    model: str
    on: str
    tp: int = 1
    pp: int = 1
    seq: int = 4096
    micro: int = 1

    @classmethod
    def read(cls, fields: Fields, model: str) -> Cut:
        """Reads `on`, `tp`, `pp`, `seq` and `micro`."""
        return cls(
            model,
            fields.text("on"),
            fields.whole("tp", 1, 1024),
            fields.whole("pp", 1, 1024),
            fields.whole("seq", 4096, 1 << 20),
            fields.whole("micro", 1, 1 << 16),
        )

    def estimate(self) -> TrainingEstimate | Infeasible:
        """One optimizer step in 16 bits with the least recomputation that fits."""
        model, target = models.load(self.model), systems.target(self.on)
        if self.tp * self.pp > target.count:
            return Infeasible(f"a replica of {self.tp * self.pp} chips is larger than {self.on}")
        replicas = target.count // (self.tp * self.pp)
        answer: TrainingEstimate | Infeasible = Infeasible("nothing was tried")
        for mode in _MODES:
            job = Job(
                precision=Precision.of(_format(target.chip)),
                seq=self.seq,
                micro=self.micro,
                global_batch=self.micro * replicas * (_PASSES * self.pp if self.pp > 1 else 1),
                tp=self.tp,
                pp=self.pp,
                dp=replicas,
                zero=3 if self.pp == 1 else 1,
                recompute=mode,
                sequence_parallel=self.tp > 1,
                fused=True,
                stack="maxtext" if target.chip.family == "systolic" else "torchtitan",
            )
            answer = train(model, target, job)
            if not isinstance(answer, Infeasible):
                break
        return answer

    def unpublished(self) -> str:
        """Why the chip's numbers may not decide: both rates that bound it are assumed; empty if they may."""
        chip = systems.target(self.on).chip
        return evidence.unpublished(self.on, chip, _format(chip))

    def shown(self, found: TrainingEstimate | Infeasible) -> SideAnswer:
        """The numbers behind a test, or the reason why there are none."""
        if isinstance(found, Infeasible):
            return SideAnswer(self.on, self.on, found.reason, None, able=False)
        rate, grade = found.tokens_per_s_chip, str(found.grade)
        plan = f"{found.job} (MFU {100 * found.mfu.mid:.0f} %)"
        return SideAnswer(self.on, found.target.name, plan, rate, grade, found.figures, counted="tokens/s per chip")


@dataclass(frozen=True, slots=True)
class Training:
    """Chips needed, at the rate per chip of a reference cluster.

    Attributes:
        cut: the reference cluster.
        tokens: of the whole run.
        days: time allowed, each a column.
    """

    label: str
    cut: Cut
    tokens: float
    days: tuple[int, ...]
    bound: Bound

    @classmethod
    def read(cls, fields: Fields) -> Training:
        """Reads the table of a test."""
        return cls(
            label=fields.text("label"),
            cut=Cut.read(fields, fields.text("model")),
            tokens=fields.wanted("tokens"),
            days=fields.wholes("days", (90,), 36500),
            bound=read_bound(fields),
        )

    def run(self, terms: Terms) -> Outcome:
        """Tokens / (days x tokens per second and chip) for every time allowed."""
        found, words = self.cut.estimate(), "chips needed"
        side = self.cut.shown(found)
        if isinstance(found, Infeasible):
            return Outcome(Verdict.UNTESTABLE, self.label, words, side.lacks, needs=side.lacks, sides=(side,))
        values = [found.tokens_per_s_chip.inverse(self.tokens / (days * _DAY_S)) for days in self.days]
        pairs = zip(self.days, values, strict=True)
        cells = tuple(Cell(f"{days}", self.cut.model, self.bound.judge(value), value) for days, value in pairs)
        region = Region("days", "model", cells) if len(cells) > 1 else None
        verdict = judge.over(cells)
        at = judge.telling(cells, verdict)
        condition = judge.condition(region, _open(values[at], self.bound)) if verdict is Verdict.ONLY_IF else ""
        run = f"{self.cut.model} on {si(self.tokens, '')} tokens in {self.days[at]} days"
        said = f"{run} takes {shown(values[at])} chips at {three(found.tokens_per_s_chip.mid)} tokens/s each"
        return Outcome(verdict, self.label, words, said, values[at], self.bound, condition, "", (side,), region)


@dataclass(frozen=True, slots=True)
class TrainingRatio:
    """Tokens per second and chip of `a` over those of `b`."""

    label: str
    a: Cut
    b: Cut
    bound: Bound

    @classmethod
    def read(cls, fields: Fields) -> TrainingRatio:
        """Reads the table of a test."""
        model = fields.text("model")
        a, b = fields.inner("a"), fields.inner("b")
        test = cls(fields.text("label"), Cut.read(a, model), Cut.read(b, model), read_bound(fields))
        a.done()
        b.done()
        return test

    def run(self, terms: Terms) -> Outcome:
        """Compares the two; a side that cannot train it decides."""
        sides = tuple(cut.shown(cut.estimate()) for cut in (self.a, self.b))
        words = "tokens/s per chip while training, ratio"
        ours, theirs = (side.value for side in sides)
        if theirs is None:
            return Outcome(Verdict.UNTESTABLE, self.label, words, sides[1].lacks, needs=sides[1].lacks, sides=sides)
        if ours is None:
            return Outcome(Verdict.FAILS, self.label, words, sides[0].lacks, sides=sides)
        value = over(ours, theirs)
        verdict = self.bound.judge(value)
        said = (
            f"training {self.a.model}, a chip of {self.a.on} does {three(value.mid)} times ({three(value.low)} to "
            f"{three(value.high)}) what one of {self.b.on} does"
        )
        condition, needs = _open(value, self.bound) if verdict is Verdict.ONLY_IF else "", ""
        if hindered := self.a.unpublished():
            wanted = three(theirs.mid * self.bound.edge)
            side = "at least" if self.bound.least else "at most"
            verdict, condition = Verdict.UNTESTABLE, ""
            needs = f"it would need {side} {wanted} tokens/s per chip while training, measured; {hindered}"
        return Outcome(verdict, self.label, words, said, value, self.bound, condition, needs, sides)


def _format(chip: Chip) -> str:
    return "bf16" if "bf16" in chip.formats else chip.precision


def _open(value: Interval, bound: Bound) -> str:
    return f"the number is {bound.words('1')}, predicted {three(value.low)} to {three(value.high)}"
