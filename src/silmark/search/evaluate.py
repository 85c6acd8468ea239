"""Plans over batches: steady states of everything that fits, with work shared between plans.

Plans that differ in their number of stages or replicas run the same operators on each chip. Those are evaluated once
for the batches of all of them; a plan adds only the messages between its stages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from silmark.chips.mechanisms import AbstractMechanism, Placement, Resource
from silmark.estimation.mixture import Mixture, batch_grid, inside_groups
from silmark.estimation.power import host_w
from silmark.formats import Precision
from silmark.graph import Array
from silmark.mapping import Infeasible, Plan
from silmark.search.space import Asked, Tally, plans
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

    @property
    def worker(self) -> int:
        """Chips of one replica."""
        return self.plan.chips // self.plan.dp


def evaluate(asked: Asked, tally: Tally) -> list[Curve]:
    """The curve of every plan that can be; the others are counted in the tally."""
    groups: dict[Plan, list[StepModel]] = {}
    for step_model in _compiled(asked, tally):
        plan = step_model.plan
        groups.setdefault(replace(plan, pp=1, dp=1), []).append(step_model)
    return [curve for members in groups.values() for curve in _curves(asked, members)]


def _compiled(asked: Asked, tally: Tally) -> Iterator[StepModel]:
    built: dict[Precision, dict[Placement, AbstractMechanism]] = {}
    final = asked.workload.prompt + asked.workload.output
    for plan in plans(asked, tally):
        own = built.setdefault(plan.precision, {})
        found = compile_step(asked.model, asked.target, plan, asked.maturity, own)
        if isinstance(found, Infeasible):
            tally.refuse("operators and formats" if found.cannot else "weights", found.reason)
        elif found.memory.sequences(final) < 1:
            tally.refuse("cache", f"no room for the cache of one sequence of {final:,} tokens")
        else:
            yield found


def _curves(asked: Asked, members: list[StepModel]) -> Iterator[Curve]:
    work = asked.workload
    room = [model.memory.sequences(work.prompt + work.output) for model in members]
    grids = [batch_grid(work, most, model.depth, model.plan.dp) for model, most in zip(members, room, strict=True)]
    inside = [inside_groups(grid, model.depth) for grid, model in zip(grids, members, strict=True)]
    shared = Shared(members[0])
    shared.announce(inside)
    for model, most in zip(members, room, strict=True):
        steady = Mixture(model, work, most, run=partial(shared.cost, model))
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
