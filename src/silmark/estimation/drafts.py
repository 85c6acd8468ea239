"""Choice of how a model drafts for another: on how many chips, and how many tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from silmark.estimation.mixture import Mixture
from silmark.estimation.request import prepare
from silmark.estimation.serving import Serving
from silmark.estimation.speculation import Speculation
from silmark.figures import Interval
from silmark.mapping import Infeasible, probe, refusal
from silmark.mapping.candidates import cut, least_chips
from silmark.models import Model
from silmark.step import Maturity, StepModel, compile_step
from silmark.workloads import Workload

LONGEST = 16
"""Draft tokens up to which the best number is looked for: at an acceptance of 0.9 the next is kept in 1 of 6 cycles."""

PADDING = 0.01
"""Vocabularies of one tokenizer differ by what checkpoints pad them with."""


def copies(target: StepModel, draft: Model, maturity: Maturity = "own") -> list[StepModel] | Infeasible:
    """The draft compiled for the chips of one replica of the target: on all, on half of them, ..., on the fewest."""
    plan, chip = target.plan, target.target.chip
    if abs(draft.vocab / target.model.vocab - 1) > PADDING:
        return Infeasible(
            f"{draft.name} cannot draft for {target.model.name}: vocabularies of {draft.vocab:,} and "
            f"{target.model.vocab:,} tokens"
        )
    refused = refusal(chip, probe(draft), plan.precision)
    if refused is not None:
        return Infeasible(f"{draft.name} as draft: {refused}")
    least = least_chips(draft, chip, plan.precision, plan.placement)
    sizes = [plan.replica_chips] if least <= plan.replica_chips else []
    for size in range(plan.replica_chips // 2, least - 1, -1):
        if plan.replica_chips % size == 0 and 2 * size <= sizes[-1]:
            sizes.append(size)
    answer = Infeasible(f"{draft.name} as draft: needs {least:,} chips, a replica has {plan.replica_chips:,}")
    found = []
    for size in sizes:
        on = replace(target.target, count=size)
        compiled = compile_step(draft, on, cut(draft, on, plan.precision, plan.placement), maturity)
        if isinstance(compiled, Infeasible):
            answer = Infeasible(f"{draft.name} as draft: {compiled.reason}")
        else:
            found.append(compiled)
    return found or answer


def speculate(
    target: StepModel,
    workload: Workload,
    drafts: list[StepModel],
    acceptance: Interval,
    tokens: int | None = None,
    serving: Serving | None = None,
) -> Mixture | Infeasible:
    """The best way to draft: of those that keep the promises the highest throughput, else the nearest miss.

    Args:
        target: one replica of the model that answers.
        workload: what is asked.
        drafts: from `copies`.
        acceptance: chance that a drafted token is kept.
        tokens: drafted per cycle, None for the best number.
        serving: what else the engine is told.
    """
    best: Mixture | Infeasible = Infeasible("no draft")
    for speculation in _ways(drafts, acceptance, tokens):
        asked = replace(serving or Serving(), speculation=speculation)
        found = prepare(target, workload, True, asked)
        if not isinstance(found, Mixture):
            best = best if isinstance(best, Mixture) else found  # type: ignore[assignment]
        elif isinstance(best, Infeasible) or found.beats(best):
            best = found
    return best


def _ways(drafts: list[StepModel], acceptance: Interval, tokens: int | None) -> Iterator[Speculation]:
    for draft in drafts:
        for count in range(1, LONGEST + 1) if tokens is None else (tokens,):
            yield Speculation(draft, count, acceptance)
