"""From a row to the compiled plan that it ran on, or the reason why there is none."""

from __future__ import annotations

import math
import re
from functools import lru_cache

from silmark import chips, models, systems
from silmark.chips import Chip
from silmark.estimation.disaggregated import Pool
from silmark.figures.tables import packaged
from silmark.formats import FORMATS, Precision
from silmark.graph import Experts
from silmark.mapping import Infeasible, Plan, probe
from silmark.mapping.candidates import cut, least_chips, placements
from silmark.step import StepModel, compile_step
from silmark.systems import Target
from silmark.validation import names
from silmark.validation.rows import Row

_EXPERT_WAYS = re.compile(r"\bmoe_tp=(\d{1,4})\b")
_POOLS = re.compile(r"prefill\([\w,]*\)=\(([\d', ]+)\); *decode=\(([\d', ]+)\)")
SPLIT_LAYERS = "llama.cpp layer/row split"
"""What the notes say of an engine whose devices run one after another."""


def compiled(row: Row) -> StepModel | str:
    """The step model of one row, or why the row cannot be predicted."""
    found = named(row)
    if isinstance(found, str):
        return found
    chip, model, precision = found
    plan = _plan(row, chip, model, precision)
    if isinstance(plan, str):
        return plan
    answer = _compiled(chip, model, plan)
    group = (row.devices or 1) // plan.pp
    if isinstance(answer, Infeasible) and group > plan.tp and group % plan.tp == 0 and _routed(model):
        # The row counts more chips than its cut: it states one rank of data-parallel attention.
        answer = _compiled(chip, model, _ranked(precision, group, plan.pp, group // plan.tp, row.ep or group))
    return answer.reason if isinstance(answer, Infeasible) else answer


def named(row: Row) -> tuple[str, str, Precision] | str:
    """Chip, model and formats of a row as the catalogue has them, or which of them it has not."""
    chip = names.chip_id(row) or _alias("hardware", row.hardware)
    model = names.model_name(row) or _alias("models", row.model.lower())
    if chip is None:
        return f"chip {row.hardware!r} is not in the catalogue"
    if model is None:
        return f"model {row.model!r} is not in the catalogue"
    known = chips.load(chip)
    precision = names.precision(row, known) or _formats(row)
    if precision is None:
        return f"formats {row.precision!r} are not known"
    return chip, model, _runnable(precision, known)


def _alias(kind: str, text: str) -> str | None:
    """What `data/aliases` says to a name of the end-to-end tables."""
    found = packaged("aliases").get(kind, {}).get("end_to_end", {}).get(text)
    return str(found) if found else None


def _formats(row: Row) -> Precision | None:
    """Formats that are written as words: the first of them that is one, else what the model's own name says."""
    text = row.precision.lower()
    said = [word for word in re.split(r"[^a-z0-9]+", text) if word in FORMATS]
    if said:
        return Precision.of(said[0])
    if row.table == "mlperf_inference_llm" or "model id" in text:
        return Precision.of("fp8" if "fp8" in row.model.lower() else "bf16")
    return None


def _runnable(precision: Precision, chip: Chip) -> Precision:
    """The formats in which the chip's engines run a checkpoint.

    Weights of a format that the chip does not multiply are widened on their way: only their size counts.
    """
    if precision.compute in chip.formats:
        return precision
    wide = next((name for name in ("bf16", "fp16") if name in chip.formats), precision.compute)
    weights = wide if precision.weights in ("fp16", "bf16") else precision.weights
    cache = wide if precision.kv in ("fp16", "bf16") else precision.kv
    return Precision(weights, wide, cache)


def pools(row: Row) -> tuple[Pool, Pool] | str:
    """Prefill and decode pools of a row that serves on two of them, or why they are not known.

    One worker each where the row does not say how many; `arrivals` keeps such rows apart.
    """
    found = named(row)
    if isinstance(found, str):
        return found
    chip, model, precision = found
    stated = _POOLS.search(row.notes)
    if stated is None:
        return "the pools of prefill and decode are not described"
    both: list[Pool] = []
    for text in stated.groups():
        sizes = [max(1, int(size.strip(" '") or 1)) for size in text.split(",")]
        if len(sizes) < 6:
            return "the pools of prefill and decode are not described"
        workers, tp, pp, ranks, inner, ways = sizes[:6]
        group = max(tp * ranks, inner * ways) if _routed(model) else tp
        plan = _ranked(precision, group, pp, group // tp if group % tp == 0 else 1, ways)
        answer = _compiled(chip, model, plan)
        if isinstance(answer, Infeasible):
            return answer.reason
        both.append(Pool(answer, workers))
    return both[0], both[1]


def _ranked(precision: Precision, group: int, pp: int, ranks: int, ways: int) -> Plan:
    """A plan whose experts are divided over the whole group, attention over its ranks."""
    return Plan(precision, tp=group, pp=pp, ep=math.gcd(group, ways), ranks=ranks)


def _plan(row: Row, chip: str, model: str, precision: Precision) -> Plan | str:
    """The row's plan; the usual cut where it states none."""
    place = placements(chips.load(chip))[-1]
    if row.tp is None and row.pp is None and (row.devices or 1) > 1:
        known = chips.load(chip)
        system = systems.usual(known)
        count, most = row.devices or 1, system.chips * system.units_max
        if count > most:
            return f"{count} chips, {system.id} joins {most}"
        one = min(count, _power(least_chips(models.load(model), known, precision, place)))
        plan = cut(models.load(model), Target(known, system, one), precision, place)
        return Plan(precision, plan.tp, plan.pp, max(1, count // one), plan.ep, placement=plan.placement)
    tp, pp, dp, ep = (way or 1 for way in (row.tp, row.pp, row.dp, row.ep))
    if SPLIT_LAYERS in row.notes:
        return Plan(precision, 1, tp * pp, placement=place)
    if not _routed(model):
        return Plan(precision, tp, pp, dp, placement=place)
    inside = _EXPERT_WAYS.search(row.notes)
    group = max(ep, int(inside[1]) * ep) if inside and int(inside[1]) else ep
    if dp > 1 and (group == tp * dp or ep % dp == 0):  # attention in dp ranks, experts over all of them
        return _ranked(precision, tp * dp, pp, dp, ep)
    return Plan(precision, tp, pp, dp, math.gcd(tp, ep), placement=place)


def _power(count: int) -> int:
    """The smallest power of two that is not below."""
    return 1 << max(0, count - 1).bit_length()


def _routed(model: str) -> bool:
    return any(isinstance(op, Experts) for op in probe(models.load(model)))


@lru_cache(maxsize=1024)
def _compiled(chip_id: str, model: str, plan: Plan) -> StepModel | Infeasible:
    chip = chips.load(chip_id)
    system = systems.usual(chip)
    if plan.chips > system.chips * system.units_max:
        return Infeasible(f"{plan.chips} chips, {system.id} joins {system.chips * system.units_max}")
    return compile_step(models.load(model), Target(chip, system, plan.chips), plan)
