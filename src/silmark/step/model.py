"""Compiles a model on a target under a plan, and evaluates steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from silmark import fabric
from silmark.chips.mechanisms import AbstractMechanism, Cost, Placement, Resource, build
from silmark.figures import Figure
from silmark.graph import Array, Attention, Collective, Graph, Op, count
from silmark.mapping import Infeasible, Memory, Plan, context, memory, probe, refusal, shard
from silmark.models import Model
from silmark.step.cost import OpShare, StepCost
from silmark.step.floor import floor_s
from silmark.step.table import Table
from silmark.systems import MemoryTier, Target
from silmark.workloads import Step

Maturity = Literal["own", "equal"]
_BLOCK = 16_384
"""Steps evaluated together in bulk: their intermediate arrays stay in the processor's cache."""


@dataclass(frozen=True, eq=False)
class StepModel:
    """A model compiled for one replica of a plan on a target.

    Two ways to the same numbers: `cost` walks the operators of the given steps, exact and with every
    operator visible; `quick`, `decode_s` and `prefill_s` read tables over the token count and compute only
    attention and scans per step.

    Attributes:
        model, target, plan: what was compiled.
        mechanism: of the target's chip, built for the plan's precision and placement.
        memory: weights, and room for cache, per chip.
        maturity: share of the mechanism's rate that the software stack reaches; None counts as 1.
        tier: memory beyond the chips that holds the cache; None where the chips hold it.
    """

    model: Model
    target: Target
    plan: Plan
    mechanism: AbstractMechanism
    memory: Memory
    maturity: Figure | None = None
    tier: MemoryTier | None = None
    _tables: dict[str, Table] = field(default_factory=dict, repr=False, compare=False)

    def cost(self, step: Step) -> StepCost:
        """Time, energy and operators of the given steps (arrays broadcast together)."""
        return self.collect(self.shares(step))

    def floor(self, step: Step) -> Array:
        """Seconds of the given steps that no software could beat on this chip."""
        return floor_s(self.target.chip, self.plan, self.sharded(step))

    def quick(self, step: Step) -> StepCost:
        """The same from tables (exact at their knots, linear between): no operators, a tenth of the time."""
        return self.table(step.phase).cost(self, step) if self._tabulated else self.cost(step)

    def decode_s(self, batch: ArrayLike, context: ArrayLike) -> Array:
        """Seconds of decode steps: one token for each of `batch` sequences with `context` cached tokens."""
        return self._bulk(Step.decode(batch, context))

    def prefill_s(self, seqs: ArrayLike, prompt: ArrayLike, past: ArrayLike = 0) -> Array:
        """Seconds of prefill steps: `prompt` new tokens for each of `seqs` sequences after `past` cached ones."""
        return self._bulk(Step.prefill(seqs, prompt, past))

    def attention(self, step: Step) -> list[Attention]:
        """What each chip runs of attention in the given steps."""
        ops = self.table(step.phase).shaped(step) if self._tabulated else self.sharded(step)
        return [op for op in ops if isinstance(op, Attention)]

    @property
    def _tabulated(self) -> bool:
        """Tables hold attention by heads only: dividing sequences, a chip's share is not proportional to them."""
        return self.plan.attention == "heads" and self.plan.ranks == 1

    @property
    def depth(self) -> int:
        """Groups of layers that work on different sequences at the same time (pipeline stages, wafer regions)."""
        return min(self.plan.pp * self.mechanism.regions(), max(1, self.model.layer_count))

    @property
    def imbalance(self) -> float:
        """Time of the fullest pipeline stage over the mean, where stages hold whole layers."""
        if self.mechanism.splits_layers or self.plan.pp == 1:
            return 1.0
        layers = max(1, self.model.layer_count)
        return max(1.0, -(-layers // self.plan.pp) * self.plan.pp / layers)

    @property
    def idle_w(self) -> float:
        """Idle power of the replica's chips."""
        return self.mechanism.idle_w * self.plan.replica_chips

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """Every figure that went into this model's times, by key."""
        used = dict(self.mechanism.used)
        tiers = {self.plan.placement.weights, self.plan.placement.kv}
        used |= {k: f for k, f in self.target.chip.figures.items() if k in {f"memory.{t}.capacity" for t in tiers}}
        if self.tier is not None:
            used |= self.tier.figures
        if self.maturity is not None:
            used["software.maturity"] = self.maturity
        if self.plan.tp * self.plan.cp > 1:
            used |= self.target.figures("up")
        spans = self.target.reach(self.plan.tp * self.plan.cp).units > 1
        if spans or (self.plan.pp > 1 and self.target.units > 1):
            used |= self.target.figures("out")
        if self.plan.replica_chips > 1:
            library = self.target.system.library
            names = (f"{library}.", *(["pace."] if self.target.several_dies else []))
            names += (f"network.{library}",) if spans else ()
            fitted = fabric.figures().items()
            used |= {f"calibration.fabric.{k}": f for k, f in fitted if k.startswith(names)}
        if self.plan.ranks > 1:
            own = f"{fabric.library_of(self.target.chip.vendor)}."
            fitted = fabric.exchange_figures().items()
            used |= {f"calibration.exchange.{k}": f for k, f in fitted if k.startswith(own)}
        return used

    def sharded(self, step: Step) -> Graph:
        """What each chip runs in the given steps, collectives and pipeline sends included."""
        graph = shard(context.lower(self.model, step, self.plan), self.plan)
        return (*graph, *self.sends(step))

    def sends(self, step: Step) -> tuple[Collective, ...]:
        """What pipeline stages send each other in the given steps."""
        if self.plan.pp == 1:
            return ()
        tokens = step.tokens if step.phase == "decode" else step.tokens / self.plan.cp
        message = tokens * self.model.hidden * self.plan.precision.activation_bytes
        level: Literal["up", "out"] = "out" if self.target.units > 1 else "up"
        hops = self.plan.pp if step.phase == "decode" else self.plan.pp - 1  # decode returns to the first stage
        return (Collective(name="pipeline.send", count=hops, pattern="send", bytes_=message, group=2, level=level),)

    def shares(self, step: Step) -> Iterable[OpShare]:
        """Every sharded operator of the steps with its cost."""
        return [OpShare(op, self.op_cost(op)) for op in self.sharded(step)]

    def op_cost(self, op: Op) -> Cost:
        """Cost of one sharded operator on one chip, software maturity counted."""
        if isinstance(op, Collective):
            seconds = self._link_s(op) * op.count
            return Cost({"link": seconds}, self.mechanism.busy_energy({"link": seconds}))
        if isinstance(op, Attention) and op.ways > 1:
            return self._over_context(op)
        if isinstance(op, Attention) and self.tier is not None:
            return self._over_host_link(op, self.tier)
        return self._on_chip(op)

    def _on_chip(self, op: Op) -> Cost:
        cost = self.mechanism.cost(op)
        if self.maturity is None or self.maturity.value == 1.0:
            return cost
        return Cost({r: p / self.maturity.value for r, p in cost.parts.items()}, cost.energy_j)

    def _over_context(self, op: Attention) -> Cost:
        """Attention over a divided context; exchanges hide behind it where they can, and the quickest is taken."""
        cost, ways = self.op_cost(context.own(op)), op.ways
        reach = self.target.reach(ways, apart=self.plan.tp)

        def seconds(parts: tuple[tuple[str, Array], ...]) -> Array:
            total = sum((fabric.group_time(name, bytes_, reach) for name, bytes_ in parts), np.zeros(()))
            return total * op.count

        exposed = [
            np.maximum(0.0, seconds(way.hidden) - cost.time_s) + seconds(way.open)
            for way in context.exchanges(op, self.plan)
        ]
        return self._exposed(cost, np.minimum.reduce(np.broadcast_arrays(*exposed)))

    def _over_host_link(self, op: Attention, tier: MemoryTier) -> Cost:
        """Attention over a cache beyond the chip, which it streams in while it computes."""
        cost = self._on_chip(op)
        bytes_ = count(op).kv * op.kv_bytes(self.plan.precision.kv_bytes)
        rate = min(tier.chip_bytes_per_s, tier.bandwidth_bytes_per_s / self.target.system.chips)
        return self._exposed(cost, np.maximum(0.0, bytes_ / rate + tier.latency_s * op.count - cost.time_s))

    def _exposed(self, cost: Cost, seconds: Array) -> Cost:
        """A cost with so many seconds of links behind it."""
        parts = {**cost.parts, "link": cost.parts.get("link", np.zeros(())) + seconds}
        return Cost(parts, cost.energy_j + self.mechanism.busy_energy({"link": seconds}))

    def _link_s(self, op: Collective) -> Array:
        """Seconds of one collective."""
        if op.level == "out":
            return fabric.collective_time(op.pattern, op.bytes_, op.group, self.target.link("out"))
        reach = self.target.reach(op.group)
        if op.pattern not in ("dispatch", "combine"):
            return fabric.group_time(op.pattern, op.bytes_, reach)
        return fabric.exchange_time(op.bytes_, op.copies, reach, fabric.library_of(self.target.chip.vendor))

    def collect(self, shares: Iterable[OpShare]) -> StepCost:
        """Adds up operators; energy is that of the chips that run them.

        A mechanism states a whole chip's energy; where a layer occupies one of several regions, its share.
        """
        ops = tuple(shares)
        parts: dict[Resource, Array] = {}
        energy: Array = np.zeros(())
        for share in ops:
            for resource, seconds in share.cost.parts.items():
                parts[resource] = parts[resource] + seconds if resource in parts else seconds
            energy = energy + share.cost.energy_j
        return StepCost(parts, energy * (self.plan.tp * self.plan.cp / self.mechanism.regions()), ops)

    def table(self, phase: str) -> Table:
        """The phase's table, built at first use."""
        if phase not in self._tables:
            self._tables[phase] = Table.build(self, phase)
        return self._tables[phase]

    def _bulk(self, step: Step) -> Array:
        shape = np.broadcast_shapes(step.seqs.shape, step.new.shape, step.past.shape)
        flat = [np.broadcast_to(x, shape).ravel() for x in (step.seqs, step.new, step.past)]
        result = np.empty(flat[0].size)
        for start in range(0, result.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            part = Step(step.phase, *(x[block] for x in flat))
            tabulated = self._tabulated
            result[block] = self.table(step.phase).seconds(self, part) if tabulated else self.cost(part).time_s
        return result.reshape(shape)


def compile_step(
    model: Model,
    target: Target,
    plan: Plan,
    maturity: Maturity = "own",
    built: dict[Placement, AbstractMechanism] | None = None,
) -> StepModel | Infeasible:
    """Compiles one replica of a plan.

    Args:
        model: what to run.
        target: chips to run it on.
        plan: how it is cut.
        maturity: "own" counts the chip's software maturity, "equal" grants every chip a mature stack.
        built: mechanisms of this chip and precision by placement, used and added to.

    Returns:
        The model, or Infeasible with the reason (an operator or format that the chip lacks, memory).
    """
    reason = refusal(target.chip, probe(model), plan.precision)
    if reason is not None:
        return Infeasible(reason, cannot=True)
    reason = context.undividable(model, plan)
    if reason is not None:
        return Infeasible(reason)
    tier = target.tiers().get(plan.placement.kv) if plan.placement.beyond else None
    if plan.placement.beyond and tier is None:
        return Infeasible(f"{target.system.id} has no memory named {plan.placement.kv} beyond its chips")
    place = memory(model, target.chip, plan, tier.capacity_bytes / target.system.chips if tier else 0.0)
    if isinstance(place, Infeasible):
        return place
    known = {} if built is None else built
    on_chip = plan.placement.on_chip()
    mechanism = known.get(on_chip) or build(target.chip, plan.precision, on_chip)
    known[on_chip] = mechanism
    too_large = next(filter(None, map(mechanism.refuses, probe(model))), None)
    if too_large is not None:
        return Infeasible(f"cannot run: {too_large}", cannot=True)
    own = target.chip.figure("software.maturity") if maturity == "own" else None
    return StepModel(model, target, plan, mechanism, place, own, tier)
