"""Why one plan loses against another: where its chip time goes, and what ends its batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from silmark.figures import Interval
from silmark.planning.evaluate import Curve
from silmark.planning.found import Found
from silmark.planning.objectives import Best
from silmark.planning.points import ALONE, Points
from silmark.step import between_plans

_ALIKE = 0.005
"""Scores within half a percent are called equal."""
_TELLING = 0.2
"""Share of the difference in chip time that a single cause must explain to be named."""


def why(best: Best, winner: Found, second: Found, ended: str) -> str:
    """One sentence about the runner-up.

    Args:
        best: the contest.
        winner, second: both in full.
        ended: what ends the runner-up's batch, from `ends`.
    """
    gap = 100.0 * (best.ratio - 1.0)
    first = "as good" if gap < 100 * _ALIKE else f"{_percent(gap)} {best.objective.worse}"
    parts = [first]
    if best.objective.name == "latency":
        parts.append(
            f"TTFT {_ms(second.ttft_s)} and TPOT {_ms(second.tpot_s)} against "
            f"{_ms(winner.ttft_s)} and {_ms(winner.tpot_s)}"
        )
    elif gap >= 100 * _ALIKE:
        cause = max(second.chip_s, key=lambda part: second.chip_s[part] - winner.chip_s.get(part, 0.0))
        ours, theirs = winner.chip_s.get(cause, 0.0), second.chip_s[cause]
        if theirs - ours > _TELLING * (1 / second.per_chip.mid - 1 / winner.per_chip.mid) > 0:
            parts.append(f"{1e3 * theirs:.3g} ms of chip time per token on {cause} against {1e3 * ours:.3g} ms")
        parts.append(ended)
    if alike(best, winner, second):
        parts.append("within the error bar: the two cannot be told apart")
    return "; ".join(filter(None, parts))


def other_mode(best: Best, other: Found) -> str:
    """How far the best of the other mode is away."""
    gap = 100.0 * (best.other_ratio - 1.0)
    return f"{other.mode} at best {_percent(gap)} {best.objective.worse} ({other.name})"


def alike(best: Best, winner: Found, second: Found) -> bool:
    """Whether measurements could turn the order round.

    Two plans on the same chips share part of their error: they are told apart by how wrong ratios of such plans were.
    Chips, formats, drafts and memories have errors of their own; between these the winner's whole error bar counts.
    """
    common = _common(winner)
    if common is not None and common == _common(second):
        metric = "tpot" if best.objective.name == "latency" else "throughput"
        return best.ratio <= between_plans(winner.pools[-1].target.chip, metric).high
    around = {
        "throughput": winner.tokens_per_s.inverse(),
        "latency": winner.tpot_s,
        "cost": winner.usd_per_mtok,
        "energy": winner.joules,
    }[best.objective.name]
    return around is not None and best.ratio <= around.high / around.mid


def _common(found: Found) -> tuple[object, ...] | None:
    """What two plans must share for the errors of their ratios to be those that were measured; None of mixed chips."""
    last = found.pools[-1]
    if any(pool.target.chip.id != last.target.chip.id for pool in found.pools):
        return None
    places = tuple((pool.plan.placement.weights, pool.plan.placement.kv, pool.serving.offload) for pool in found.pools)
    return last.target.chip.id, last.plan.precision, last.serving.speculation, frozenset(places)


def ends(points: Points, index: int, curves: Sequence[Curve], promises: tuple[float, float]) -> str:
    """What keeps a point's plan from a larger batch: a promise, memory, or nothing gained.

    Args:
        points: all.
        index: which.
        curves: of the plans that decode.
        promises: TTFT and TPOT in seconds.
    """
    if points.prefill[index] != ALONE:
        return ""
    steady = curves[points.decode[index]].steady
    at = int(np.searchsorted(steady.batches, points.batch[index]))
    batch = f"{int(steady.batches[at]):,} sequences per replica"
    if at + 1 >= steady.batches.size:
        return f"memory ends its batch at {batch}"
    if steady.tpot[at + 1] > promises[1]:
        return f"the TPOT promise ends its batch at {batch}"
    if steady.ttft[at + 1] > promises[0]:
        return f"the TTFT promise ends its batch at {batch}"
    return ""


def _percent(gap: float) -> str:
    return f"{gap:.2g} %" if gap < 10 else f"{gap:.0f} %"


def _ms(interval: Interval) -> str:
    return f"{1e3 * interval.mid:.3g} ms"
