"""Table: what of a step depends only on its token count, evaluated once at knots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from silmark.chips.mechanisms import Resource
from silmark.graph import Array, Attention, Op, Scan
from silmark.step.cost import OpShare, StepCost
from silmark.step.floor import floor_s
from silmark.workloads import Step

if TYPE_CHECKING:
    from silmark.step.model import StepModel

_ONE = np.ones(())
_TWO, _THREE = np.asarray(2.0), np.asarray(3.0)


def _knots() -> Array:
    """Every count to 512, where decode batches and tile edges lie; then whole tiles of 64; then coarser."""
    fine = np.arange(1, 513)
    middle = np.arange(576, 16_385, 64)
    coarse = np.arange(17_408, 262_145, 1024)
    rest = 262_144 * 2.0 ** np.arange(1, 10)
    return np.concatenate([fine, middle, coarse, rest]).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Table:
    """Costs over token count, and the operators that depend on more.

    Attributes:
        knots: token counts of the table.
        body: cost at the knots of all operators over the tokens of a step.
        head: cost at the knots of operators over its sequences (logits); None if there are none.
        seen: cost at the knots of operators over all tokens in sight (keys of latent attention, made anew from every
            cached latent); None if there are none.
        total: seconds of body, all resources together.
        floor: seconds of body that no software could beat.
        contextual: attention and scans, to be given each step's shapes.
    """

    knots: Array
    body: StepCost
    head: StepCost | None
    seen: StepCost | None
    total: Array
    floor: Array
    contextual: tuple[Attention | Scan, ...]

    @classmethod
    def build(cls, model: StepModel, phase: str) -> Table:
        """Evaluates the graph of a phase at the knots."""
        knots = _knots()
        # Of two sequences of three tokens (on each chip), an operator over sequences is the one that has two rows.
        probe = model.sharded(_step(phase, _TWO, _THREE * model.plan.cp))
        contextual = {i for i, op in enumerate(probe) if isinstance(op, Attention | Scan)}
        heads = {i for i, op in enumerate(probe) if phase != "decode" and float(getattr(op, "m", 0.0)) == 2.0}
        heads -= contextual
        later = model.sharded(Step("prefill", _TWO, _THREE * model.plan.cp, _TWO)) if phase == "prefill" else probe
        rows = [(float(getattr(op, "m", 0.0)) for op in ops) for ops in (probe, later)]
        sighted = {i for i, (before, after) in enumerate(zip(*rows, strict=True)) if before != after}
        over_tokens = _step(phase, *((knots, _ONE) if phase == "decode" else (_ONE, knots)))
        ops = list(enumerate(model.sharded(over_tokens)))
        plain = [op for i, op in ops if i not in contextual | heads]
        body = _sum(model, [op for i, op in ops if i not in contextual | heads | sighted])
        seen = _sum(model, [op for i, op in ops if i in sighted]) if sighted else None
        floor = floor_s(model.target.chip, model.plan, tuple(plain)) + np.zeros(knots.size)
        over_sequences = model.sharded(_step(phase, knots, _ONE)) if heads else ()
        head = _sum(model, [op for i, op in enumerate(over_sequences) if i in heads]) if heads else None
        kept = tuple(op for op in probe if isinstance(op, Attention | Scan))
        return cls(knots, body, head, seen, body.time_s + np.zeros(knots.size), floor, kept)

    def seconds(self, model: StepModel, step: Step) -> Array:
        """Step times of one-dimensional arrays."""
        total = np.asarray(np.interp(step.tokens, self.knots, self.total))
        if self.head is not None:
            total += np.interp(step.seqs, self.knots, self.head.time_s)
        if self.seen is not None:
            total += np.interp(_in_sight(step), self.knots, self.seen.time_s)
        for op in self.shaped(step):
            total += model.op_cost(op).time_s
        return total

    def cost(self, model: StepModel, step: Step) -> StepCost:
        """Step costs by resource, any shape."""
        pieces = [self._read(self.body, step.tokens)]
        if self.head is not None:
            pieces.append(self._read(self.head, step.seqs))
        if self.seen is not None:
            pieces.append(self._read(self.seen, _in_sight(step)))
        context = model.collect(OpShare(op, model.op_cost(op)) for op in self.shaped(step))
        parts: dict[Resource, Array] = dict(context.parts)
        energy = context.energy_j
        for more, joules in pieces:
            for resource, seconds in more.items():
                parts[resource] = parts[resource] + seconds if resource in parts else seconds
            energy = energy + joules
        return StepCost(parts, energy, floor_s=np.asarray(np.interp(step.tokens, self.knots, self.floor)))

    def _read(self, kept: StepCost, at: Array) -> tuple[Mapping[Resource, Array], Array]:
        flat = np.zeros(self.knots.size)
        parts = {r: np.asarray(np.interp(at, self.knots, p + flat)) for r, p in kept.parts.items()}
        return parts, np.asarray(np.interp(at, self.knots, kept.energy_j + flat))

    def shaped(self, step: Step) -> list[Op]:
        """Attention and scans of the given steps."""
        shaped: list[Op] = []
        for op in self.contextual:
            if isinstance(op, Attention):
                shaped.append(replace(op, seqs=step.seqs, new=step.new, past=step.past))
            else:
                shaped.append(replace(op, m=step.tokens, seqs=step.seqs))
        return shaped


def _in_sight(step: Step) -> Array:
    return np.asarray(step.seqs * (step.past + step.new))


def _step(phase: str, seqs: Array, new: Array) -> Step:
    return Step(phase, seqs, new if phase != "decode" else _ONE, np.zeros(()))  # type: ignore[arg-type]


def _sum(model: StepModel, ops: list[Op]) -> StepCost:
    return replace(model.collect(OpShare(op, model.op_cost(op)) for op in ops), ops=())
