"""Answer: everything that a search found; figures with error bars are made for what is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from silmark.planning import found, objectives, points, pools, split, why
from silmark.planning.evaluate import Curve, evaluate
from silmark.planning.found import Found
from silmark.planning.frontier import frontier, thinned
from silmark.planning.objectives import Best, Objective
from silmark.planning.points import ALONE, Indices, Points
from silmark.planning.space import Asked, Tally
from silmark.systems import Target
from silmark.workloads import Workload

MODES = ("both", "aggregated", "disaggregated")
SHOWN = 16
"""Points of a frontier that are shown with their error bars."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The best at an objective, the runner-up, and why it lost.

    Attributes:
        why: a sentence.
        alike: whether measurements could turn their order round.
        other: the best of the other mode, aggregated or disaggregated.
    """

    objective: Objective
    winner: Found
    second: Found | None
    why: str
    alike: bool
    other: Found | None


@dataclass(frozen=True, eq=False)
class Answer:
    """What a search found.

    Attributes:
        work: what was asked.
        targets: the chips, of each pool where they are not shared.
        prefill, decode: plans by index of `points`; the same where chips are shared.
        points: every plan at every load that was evaluated.
        tally: how many plans were tried, and why others were not.
    """

    work: Workload
    targets: tuple[Target, ...]
    prefill: Sequence[Curve]
    decode: Sequence[Curve]
    points: Points
    tally: Tally
    _found: dict[int, Found] = field(default_factory=dict, repr=False)

    def at(self, index: int) -> Found:
        """One point in full."""
        if index not in self._found:
            all_, decode = self.points, self.decode[self.points.decode[index]]
            batch, first = float(all_.batch[index]), int(all_.prefill[index])
            self._found[index] = (
                found.aggregated(decode, batch)
                if first == ALONE
                else split.disaggregated(
                    self.prefill[first], decode, int(all_.senders[index]), int(all_.workers[index]), batch
                )
            )
        return self._found[index]

    @cached_property
    def best(self) -> tuple[Best, ...]:
        """Winner and runner-up of every objective; empty where no plan keeps the promises."""
        return objectives.best(self.points, self.work) if self.points.size else ()

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """Which points keep the promises."""
        return objectives.kept(self.points, self.work)

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The same with figures and reasons."""
        return tuple(self._verdict(best) for best in self.best)

    def _verdict(self, best: Best) -> Verdict:
        winner = self.at(best.winner)
        if best.second is None:
            return Verdict(best.objective, winner, None, "no other plan keeps the promises", alike=False, other=None)
        second, other = self.at(best.second), None if best.other is None else self.at(best.other)
        ended = why.ends(self.points, best.second, self.decode, (self.work.ttft_s, self.work.tpot_s))
        reason = why.why(best, winner, second, ended)
        if other is not None and other is not second:
            reason += f"; {why.other_mode(best, other)}"
        return Verdict(best.objective, winner, second, reason, why.alike(best, winner, second), other)

    @property
    def chips(self) -> int:
        """All chips that there are."""
        return sum(target.count for target in self.targets)

    @cached_property
    def nearest(self) -> Found | None:
        """Where no plan keeps the promises, the one that misses them by the smallest factor."""
        return self.at(objectives.nearest(self.points, self.work)) if self.points.size and not self.best else None

    @cached_property
    def frontier(self) -> Indices:
        """Undominated points by falling speed of a user, of those that keep the promise for the first token."""
        allowed = (self.points.ttft <= self.work.ttft_s).nonzero()[0]
        return allowed[frontier(1.0 / self.points.tpot[allowed], self.points.rate[allowed])]

    @cached_property
    def shown(self) -> tuple[Found, ...]:
        """Some of the frontier in full, evenly along the speed of a user."""
        return tuple(self.at(int(i)) for i in thinned(self.frontier, 1.0 / self.points.tpot, SHOWN))


def search(prefill: Asked | None, decode: Asked, mode: str) -> Answer:
    """Tries all plans.

    Args:
        prefill: chips of a prefill pool of their own; None where both phases share the chips.
        decode: chips that decode, or all.
        mode: aggregated, disaggregated or both.
    """
    tally = Tally()
    decoding = evaluate(decode, tally)
    sending = decoding if prefill is None else evaluate(prefill, tally)
    parts = list(_parts(sending, decoding, decode, "disaggregated" if prefill else mode))
    targets = tuple(asked.target for asked in (prefill, decode) if asked is not None)
    return Answer(decode.workload, targets, sending, decoding, points.joined(parts), tally)


def _parts(sending: Sequence[Curve], decoding: Sequence[Curve], asked: Asked, mode: str) -> Iterator[Points]:
    if mode != "disaggregated":
        yield points.aggregated(asked.target, decoding)
    if mode != "aggregated":
        yield pools.disaggregated(sending, decoding, asked.workload)
