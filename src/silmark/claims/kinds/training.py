"""`kind = "training"`: how many chips train a model on so many tokens in so many days."""

from __future__ import annotations

from dataclasses import dataclass

from silmark import models, systems
from silmark.claims import judge
from silmark.claims.fields import Fields
from silmark.claims.kinds.ratio import read_bound
from silmark.claims.spec import Bound, Cell, Outcome, Region, SideAnswer, Terms, Verdict
from silmark.figures import Interval
from silmark.figures.numbers import shown, si, three
from silmark.formats import Precision
from silmark.mapping import Infeasible
from silmark.training import Job, Recompute, TrainingEstimate, train

_DAY_S = 86400.0
_MODES: tuple[Recompute, ...] = ("none", "alternate", "full")


@dataclass(frozen=True, slots=True)
class Training:
    """Chips needed, at the rate per chip of a reference cluster.

    Attributes:
        on: the reference cluster.
        tp, pp: its cut.
        seq: tokens per sequence.
        tokens: of the whole run.
        days: time allowed, each a column.
    """

    label: str
    model: str
    on: str
    tp: int
    pp: int
    seq: int
    tokens: float
    days: tuple[int, ...]
    bound: Bound

    @classmethod
    def read(cls, fields: Fields) -> Training:
        """Reads the table of a test."""
        return cls(
            label=fields.text("label"),
            model=fields.text("model"),
            on=fields.text("on"),
            tp=fields.whole("tp", 1, 1024),
            pp=fields.whole("pp", 1, 1024),
            seq=fields.whole("seq", 4096, 1 << 20),
            tokens=fields.wanted("tokens"),
            days=fields.wholes("days", (90,), 36500),
            bound=read_bound(fields),
        )

    def run(self, terms: Terms) -> Outcome:
        """Tokens / (days x tokens per second and chip) for every time allowed."""
        found = self._estimate()
        words = "chips needed"
        if isinstance(found, Infeasible):
            needs = f"a plan that fits on {self.on}: {found.reason}"
            return Outcome(Verdict.UNTESTABLE, self.label, words, needs, needs=needs)
        values = [found.tokens_per_s_chip.inverse(self.tokens / (days * _DAY_S)) for days in self.days]
        cells = tuple(
            Cell(f"{days}", self.model, self.bound.judge(value), value)
            for days, value in zip(self.days, values, strict=True)
        )
        region = Region("days", "model", cells) if len(cells) > 1 else None
        verdict = judge.over(cells)
        at = judge.telling(cells, verdict)
        value = values[at]
        is_open = verdict is Verdict.ONLY_IF
        condition = judge.condition(region, self._open(value)) if is_open else ""
        said = (
            f"{self.model} on {si(self.tokens, '')} tokens in {self.days[at]} days: {shown(value)} chips at "
            f"{three(found.tokens_per_s_chip.mid)} tokens/s each (MFU {100 * found.mfu.mid:.0f} %, {found.job})"
        )
        side = SideAnswer(
            self.on, found.target.name, str(found.job), found.tokens_per_s_chip, str(found.grade), found.figures
        )
        return Outcome(verdict, self.label, words, said, value, self.bound, condition, "", (side,), region)

    def _open(self, value: Interval) -> str:
        low, high = three(value.low), three(value.high)
        return f"the number of chips is {self.bound.words('1')}, predicted {low} to {high}"

    def _estimate(self) -> TrainingEstimate | Infeasible:
        """The reference cluster's step with the least recomputation that fits."""
        model, target = models.load(self.model), systems.target(self.on)
        replicas = max(1, target.count // (self.tp * self.pp))
        passes = 4 * self.pp if self.pp > 1 else 1
        answer: TrainingEstimate | Infeasible = Infeasible("nothing was tried")
        for mode in _MODES:
            job = Job(
                precision=Precision.of("bf16"),
                seq=self.seq,
                micro=1,
                global_batch=replicas * passes,
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
