"""One plan in full: the estimate that `silmark train` gives, its dollars, and what a run of so many tokens takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from silmark.economics import Bill, Machines, public
from silmark.figures import Interval
from silmark.training import Job, TrainingEstimate
from silmark.training.timing import WORDS

_SECONDS_PER_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Run:
    """A whole training run without failures, checkpoints and evaluations.

    Attributes:
        usd: everything that the chips that the plan uses cost, or their rent; None without a public price.
    """

    tokens: float
    days: Interval
    joules: Interval
    usd: Interval | None


@dataclass(frozen=True)
class Found:
    """A plan with error bars and dollars."""

    estimate: TrainingEstimate

    @property
    def job(self) -> Job:
        """Its cut."""
        return self.estimate.job

    @property
    def headroom(self) -> float | None:
        """Bytes that are left on the fullest chip; None where weights stream by."""
        need = self.estimate.memory
        return need.capacity - float(need.total) if need is not None else None

    @cached_property
    def bill(self) -> Bill | None:
        """Dollars per second of work; None without a public price."""
        return public(Machines(self.estimate.target, self.job.chips, self.estimate.power_w))

    @property
    def usd_per_mtok(self) -> Interval | None:
        """Dollars per million tokens."""
        return self._usd(1e6)

    def run(self, tokens: float) -> Run:
        """What so many tokens take."""
        rate = self.estimate.tokens_per_s
        return Run(
            tokens=tokens,
            days=rate.inverse(tokens / _SECONDS_PER_DAY),
            joules=self.estimate.joules_per_token.scaled(tokens),
            usd=self._usd(tokens),
        )

    def _usd(self, tokens: float) -> Interval | None:
        if self.bill is None:
            return None
        return self.bill.per_million(self.estimate.tokens_per_s).interval().scaled(tokens / 1e6)


def why(winner: Found, second: Found, scores: tuple[float, float], per_chip: bool) -> str:
    """One sentence about the runner-up: fewer chips, or the part of the step that takes most more.

    Args:
        scores: what both were judged by, the winner's first: the smaller is better.
        per_chip: whether that was chip time per token, not time.
    """
    gap = scores[1] / scores[0]
    said = "as good" if gap < 1.0005 else f"{100 * (gap - 1):.2g} % {'more chip time' if per_chip else 'longer'}"
    ours, theirs = _parts(winner, per_chip), _parts(second, per_chip)
    cause = max(theirs, key=lambda name: theirs[name] - ours[name])
    fewer = winner.job.chips / second.job.chips
    if not per_chip and fewer > max(1.0, gap) ** 0.5:
        said += f": {second.job.chips:,} chips against {winner.job.chips:,}"
    elif theirs[cause] > ours[cause]:
        unit = "chip-s per step" if per_chip else "s"
        said += f": {theirs[cause]:.3g} {unit} of {WORDS[cause]} against {ours[cause]:.3g}"
    if gap <= winner.estimate.step_s.high / winner.estimate.step_s.mid:
        said += "; within the error bar"
    return said


def _parts(found: Found, per_chip: bool) -> Mapping[str, float]:
    scale = found.job.chips if per_chip else 1
    return {name: seconds * scale for name, seconds in found.estimate.timing.parts.items()}
