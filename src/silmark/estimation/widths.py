"""Error bars of a steady state: those of its steps, and what is uncertain besides - an acceptance, a memory tier."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from silmark.estimation.offload import Blend, Restored
from silmark.figures import Grade
from silmark.figures.figure import quadrature
from silmark.step import StepCost, grade, log_widths

if TYPE_CHECKING:
    from silmark.estimation.mixture import Mixture


def token_widths(found: Mixture, cost: StepCost, metric: str, index: int) -> tuple[float, float]:
    """Widths below and above of a time per token, in natural logarithms.

    Args:
        found: the steady state.
        cost: of a token, its part of prompts included.
        metric: whose residuals to take.
        index: of the batch.
    """
    below, above = ([width] for width in log_widths(found.model, cost, metric))
    tpot = float(found.tpot[index])
    if found.serving.speculation is not None:
        share = float(found.decode.at(index).time_s * found.stall[index]) / tpot
        cycle = found.serving.speculation.per_cycle()
        below.append(math.log(cycle.high / cycle.mid) * share)
        above.append(math.log(cycle.mid / cycle.low) * share)
    restored = _bounded(found, index)
    if restored is not None and isinstance(found.prompts, Blend):
        fresh, old = (kind.seconds(found.batches)[index] for kind in (found.fresh, found.prompts.restored))
        saved = restored.share * float(fresh - old) * found.model.imbalance * float(found.per_token[index]) / tpot
        more, less = _tier(restored, with_room=True)
        below.append(saved * min(more, math.log(found.workload.reuse_share / restored.share)))
        above.append(saved * less)
    return quadrature(below), quadrature(above)


def first_widths(found: Mixture, first: StepCost, index: int) -> tuple[float, float]:
    """Widths of the time to the first token; the pace of a memory tier joins with the share of its copies."""
    below, above = log_widths(found.model, first, "ttft")
    restored = found.restored(index)
    if restored is None:
        return below, above
    share = restored.share * restored.read_s / float(found.ttft[index])
    quick, slow = _tier(restored, with_room=False)
    return quadrature([below, quick * share]), quadrature([above, slow * share])


def token_grade(found: Mixture, cost: StepCost, index: int) -> Grade:
    """The worst grade of what a time per token is made of; an acceptance is the question's own assumption."""
    worst = Grade.ASSUMED if found.serving.speculation is not None else grade(found.model, cost, "tpot")
    restored = _bounded(found, index)
    return max(worst, *(figure.grade for figure in restored.figures.values())) if restored else worst


def _bounded(found: Mixture, index: int) -> Restored | None:
    """What was restored, where room or pace of a tier bound it."""
    restored = found.restored(index)
    whole = found.workload.reuse_share * (1 - 1e-9)
    return restored if restored is not None and restored.figures and 0.0 < restored.share < whole else None


def _tier(restored: Restored, with_room: bool) -> tuple[float, float]:
    """How much better and worse the most uncertain figure of a tier may be, its room included or not."""
    figures = [figure for figure in restored.figures.values() if with_room or figure.unit != "B"]
    return max((f.log_high for f in figures), default=0.0), max((f.log_low for f in figures), default=0.0)
