"""What a plan can be best at, who comes second, and why.

Chips bought are paid in chip time: a token costs chips / rate seconds of it, which is spent on the parts of decode
steps and of prompts, and on waiting. The part on which the second spends most more than the first is named.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silmark.graph import Array
from silmark.planning.points import ALONE, Points
from silmark.workloads import Workload

_EQUAL = 1e-6
"""Scores that differ by less are the same: a full prefill pool sets the rate of many decode plans."""


@dataclass(frozen=True, slots=True)
class Objective:
    """A quantity to minimise.

    Attributes:
        name: as written in answers.
        label: what the winner is best at.
        score: seconds, joules or dollars per token of every point; the smallest is best.
        worse: what a larger score means in words, after "5 %".
    """

    name: str
    label: str
    score: Callable[[Points, Workload], Array]
    worse: str


OBJECTIVES = (
    Objective("throughput", "tokens/s/chip", lambda p, _: 1.0 / p.rate, "more chip time per token"),
    Objective("latency", "time of an answer", lambda p, w: p.ttft + (w.output - 1) * p.tpot, "longer answers"),
    Objective("cost", "$/Mtok", lambda p, _: p.usd / p.rate, "more dollars per token"),
    Objective("energy", "J/token", lambda p, _: p.watts / p.rate, "more joules per token"),
)


@dataclass(frozen=True, slots=True)
class Best:
    """Who is best at an objective.

    Attributes:
        objective: at what.
        winner: index of the point.
        second: best point of any plan that decodes otherwise, None if there is none.
        ratio: score of the second over the winner's.
        other: best point of the other mode (aggregated or disaggregated), None if there is none.
        other_ratio: its score over the winner's.
    """

    objective: Objective
    winner: int
    second: int | None
    ratio: float
    other: int | None
    other_ratio: float


def kept(points: Points, work: Workload) -> NDArray[np.bool_]:
    """Which points keep the promises."""
    return np.asarray((points.ttft <= work.ttft_s) & (points.tpot <= work.tpot_s))


def best(points: Points, work: Workload) -> tuple[Best, ...]:
    """The winner of every objective among the points that keep the promises, and its runner-up."""
    allowed = kept(points, work)
    found = []
    for objective in OBJECTIVES:
        score = np.where(allowed, objective.score(points, work), np.inf)
        score = np.where(np.isnan(score), np.inf, score)  # without a public price
        winner = _first(score, points)
        if not np.isfinite(score[winner]):
            continue
        mode = (points.prefill == ALONE) == (points.prefill[winner] == ALONE)
        same = mode & (points.decode == points.decode[winner])
        found.append(Best(objective, winner, *_next(score, same, winner, points), *_next(score, mode, winner, points)))
    return tuple(found)


def _next(score: Array, left_out: NDArray[np.bool_], winner: int, points: Points) -> tuple[int | None, float]:
    """The best point of the others, and its score over the winner's; None and infinity if there is none."""
    others = np.where(left_out, np.inf, score)
    index = _first(others, points)
    ratio = float(others[index] / score[winner])
    return (index, ratio) if np.isfinite(ratio) else (None, np.inf)


def _first(score: Array, points: Points) -> int:
    """Index of the smallest score; of equal ones the quickest per token."""
    equal = score <= score.min() * (1.0 + _EQUAL)
    return int(np.argmin(np.where(equal, points.tpot, np.inf)))


def nearest(points: Points, work: Workload) -> int:
    """The point that misses the promises by the smallest factor."""
    return int(np.argmin(np.maximum(points.ttft / work.ttft_s, points.tpot / work.tpot_s)))
