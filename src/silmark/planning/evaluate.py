"""Plans over batches: steady states of everything that fits, with work shared between plans.

Plans that differ in their number of stages or replicas run the same operators on each chip. Those are evaluated once
for the batches of all of them; a plan adds only the messages between its stages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product

import numpy as np
from numpy.typing import NDArray

from silmark.chips.mechanisms import AbstractMechanism, Placement, Resource
from silmark.estimation.drafts import copies
from silmark.estimation.mixture import Mixture, batch_grid, inside_groups
from silmark.estimation.power import host_w
from silmark.estimation.serving import Serving
from silmark.estimation.speculation import Speculation
from silmark.formats import Precision
from silmark.graph import Array
from silmark.mapping import Infeasible, Plan
from silmark.planning.space import Asked, Tally, plans
from silmark.step import OpShare, StepCost, StepModel, compile_step
from silmark.workloads import Step


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """One plan's steady state over batches; the arrays run along `steady.batches`.

    Attributes:
        steady: times and rates of one replica.
        watts: power of one replica.
        shared: steps that it has in common with plans of other depths.
    """

    steady: Mixture
    watts: Array
    shared: Shared

    @property
    def step_model(self) -> StepModel:
        """What was evaluated."""
        return self.steady.model

    @property
    def plan(self) -> Plan:
        """The plan, with as many replicas as the chips allow."""
        return self.steady.model.plan

    def decode(self, sequences: Array) -> StepCost:
        """What a token costs where so many sequences decode on a replica."""
        steady, run = self.steady, partial(self.shared.cost, self.step_model)
        speculation = steady.serving.speculation
        if speculation is None:
            return run(Step.decode(inside_groups(sequences, steady.depth), steady.context))
        return speculation.decode(self.step_model, sequences, steady.context, run)

    @property
    def worker(self) -> int:
        """Chips of one replica."""
        return self.plan.chips // self.plan.dp


@dataclass(frozen=True, slots=True)
class _Option:
    """A plan, how it serves, and the sequences that one replica's memory holds."""

    step_model: StepModel
    serving: Serving
    most: int


def evaluate(asked: Asked, tally: Tally) -> list[Curve]:
    """The curve of every plan that can be; the others are counted in the tally."""
    groups: dict[Plan, list[_Option]] = {}
    for step_model in _compiled(asked, tally):
        key = replace(step_model.plan, pp=1, dp=1)
        groups.setdefault(key, []).extend(_options(asked, step_model, tally))
    return [curve for options in groups.values() if options for curve in _curves(asked, options)]


def _compiled(asked: Asked, tally: Tally) -> Iterator[StepModel]:
    built: dict[Precision, dict[Placement, AbstractMechanism]] = {}
    for plan in plans(asked, tally):
        own = built.setdefault(plan.precision, {})
        found = compile_step(asked.model, asked.target, plan, asked.maturity, own)
        if isinstance(found, Infeasible):
            tally.refuse("operators and formats" if found.cannot else "weights", found.reason)
        else:
            yield found


def _options(asked: Asked, step_model: StepModel, tally: Tally) -> Iterator[_Option]:
    """Ways to serve with a plan; the plan itself is counted already."""
    final = asked.workload.prompt + asked.workload.output
    for number, serving in enumerate(_servings(asked, step_model, tally)):
        if number:
            tally.count()
        speculation = serving.speculation
        most = step_model.memory.sequences(final) if speculation is None else speculation.sequences(step_model, final)
        if isinstance(most, Infeasible):
            tally.refuse("weights", most.reason)
        elif most < 1:
            tally.refuse("cache", f"no room for the cache of one sequence of {final:,} tokens")
        else:
            yield _Option(step_model, serving, most)


def _servings(asked: Asked, step_model: StepModel, tally: Tally) -> Iterator[Serving]:
    yield from asked.servings
    if asked.draft is None:
        return
    drafts = copies(step_model, asked.draft.model, asked.maturity)
    if isinstance(drafts, Infeasible):
        tally.count()
        tally.refuse("drafts", drafts.reason)
        return
    for serving, draft, tokens in product(asked.servings, drafts, asked.draft.tokens):
        yield replace(serving, speculation=Speculation(draft, tokens, asked.draft.acceptance))


def _curves(asked: Asked, options: list[_Option]) -> Iterator[Curve]:
    work, shared = asked.workload, Shared(options[0].step_model)
    depths = [(option.step_model.depth, option.step_model.plan.dp, option.most) for option in options]
    shared.announce(inside_groups(batch_grid(work, most, depth, dp), depth) for depth, dp, most in set(depths))
    for option in options:
        model = option.step_model
        steady = Mixture(model, work, option.most, run=partial(shared.cost, model), serving=option.serving)
        yield Curve(steady, steady.dynamic_w() + (model.idle_w + host_w(model)), shared)


class Shared:
    """Steps that plans of different depth have in common: one stage's operators, whatever their number.

    Decode steps that were announced are evaluated together, once.
    """

    def __init__(self, member: StepModel) -> None:
        self._one = replace(member, plan=replace(member.plan, pp=1))
        self._announced: Array = np.zeros(0)
        self._kept: dict[tuple[str, bytes, bytes, bytes], StepCost] = {}

    def announce(self, seqs: Iterable[Array]) -> None:
        """Says which numbers of sequences will be asked of decode steps, until the next call."""
        self._announced = np.unique(np.concatenate(list(seqs)))
        self._kept = {}

    def cost(self, model: StepModel, step: Step) -> StepCost:
        """The steps of one of the plans."""
        places = np.searchsorted(self._announced, step.seqs)
        last = self._announced.size - 1
        known = step.phase == "decode" and np.array_equal(self._announced[np.minimum(places, last)], step.seqs)
        asked = replace(step, seqs=self._announced) if known else step
        key = (step.phase, asked.seqs.tobytes(), step.new.tobytes(), step.past.tobytes())
        if key not in self._kept:
            self._kept[key] = replace(self._one.cost(asked), ops=())
        found = self._kept[key]
        return _with_sends(model, step, _taken(found, asked.seqs.shape, places) if known else found)


def _taken(cost: StepCost, shape: tuple[int, ...], places: NDArray[np.intp]) -> StepCost:
    parts: dict[Resource, Array] = {r: np.broadcast_to(p, shape)[places] for r, p in cost.parts.items()}
    return StepCost(parts, np.broadcast_to(cost.energy_j, shape)[places])


def _with_sends(model: StepModel, step: Step, cost: StepCost) -> StepCost:
    sends = model.sends(step)
    if not sends:
        return cost
    more = model.collect(OpShare(op, model.op_cost(op)) for op in sends)
    parts = dict(cost.parts)
    for resource, seconds in more.parts.items():
        parts[resource] = parts[resource] + seconds if resource in parts else seconds
    return StepCost(parts, cost.energy_j + more.energy_j)
