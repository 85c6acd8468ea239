"""From a measured row to the compiled plan that it ran on, or the reason why there is none."""

from __future__ import annotations

import re
from functools import lru_cache

from silmark import chips, models, systems
from silmark.formats import Precision
from silmark.graph import Experts
from silmark.mapping import Infeasible, Plan, probe
from silmark.mapping.candidates import placements
from silmark.step import StepModel, compile_step
from silmark.systems import Target
from silmark.validation import names
from silmark.validation.rows import Row

_EXPERT_WAYS = re.compile(r"\bmoe_tp=(\d{1,4})\b")


def compiled(row: Row) -> StepModel | str:
    """The step model of one row, or why the row cannot be predicted."""
    if "mode=disagg" in row.notes:
        return "prefill and decode on separate chips"
    chip, model = names.chip_id(row), names.model_name(row)
    if chip is None:
        return f"chip {row.hardware!r} is not in the catalogue"
    if model is None:
        return f"model {row.model!r} is not in the catalogue"
    precision = names.precision(row, chips.load(chip))
    if precision is None:
        return f"formats {row.precision!r} are not known"
    ways = _ways(row, any(isinstance(op, Experts) for op in probe(models.load(model))))
    if isinstance(ways, str):
        return ways
    answer = _compiled(chip, model, precision, *ways)
    return answer.reason if isinstance(answer, Infeasible) else answer


def _ways(row: Row, experts: bool) -> tuple[int, int, int, int] | str:
    """tp, pp, dp, ep of the row's plan."""
    if row.tp is None and row.pp is None and (row.devices or 1) > 1:
        return "how the model is cut is not stated"
    tp, pp, dp, ep = (way or 1 for way in (row.tp, row.pp, row.dp, row.ep))
    if experts:
        inside = _EXPERT_WAYS.search(row.notes)
        if dp > 1 or (inside and int(inside[1]) * ep != tp):
            return "attention and experts are cut differently (data-parallel attention)"
        if tp % ep:
            return f"experts in {ep} parts over {tp} chips"
    else:
        ep = 1
    return tp, pp, dp, ep


@lru_cache(maxsize=1024)
def _compiled(
    chip_id: str, model: str, precision: Precision, tp: int, pp: int, dp: int, ep: int
) -> StepModel | Infeasible:
    chip = chips.load(chip_id)
    system = systems.usual(chip)
    count = tp * pp * dp
    if count > system.chips * system.units_max:
        return Infeasible(f"{count} chips, {system.id} joins {system.chips * system.units_max}")
    plan = Plan(precision=precision, tp=tp, pp=pp, dp=dp, ep=ep, placement=placements(chip)[-1])
    return compile_step(models.load(model), Target(chip, system, count), plan)
