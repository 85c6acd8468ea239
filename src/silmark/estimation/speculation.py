"""Speculative decoding: a small model drafts tokens, the large one checks them in one pass.

Source: Leviathan et al., arXiv:2211.17192. A cycle is k steps of the draft and one pass of the target over the k
drafted tokens and the one before them, of which the target gives logits for every token. With acceptance a, the chance
that a drafted token is kept, a cycle yields (1 - a^(k+1)) / (1 - a) tokens (equation 1).

The draft runs on the chips of the replica: cut over all of them, or as copies on some of them that divide a batch.
Copies are quicker where a small model cut over many chips mostly waits for exchanges. Machines that pipeline prompts
one by one pipeline the tokens of a check as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from silmark.chips.mechanisms import Resource
from silmark.errors import BadValue
from silmark.estimation.chunks import Prompts, prompts
from silmark.figures import Figure, Grade, Interval
from silmark.graph import Array
from silmark.mapping import Infeasible
from silmark.mapping.memory import usable
from silmark.step import StepCost, StepModel
from silmark.workloads import Step

MOST_TOKENS = 64


@dataclass(frozen=True, eq=False)
class Speculation:
    """A draft model beside a target.

    Attributes:
        draft: one copy of the draft model, on as many chips of the target's replica as its plan takes.
        tokens: drafted per cycle.
        acceptance: chance that a drafted token is kept.
    """

    draft: StepModel
    tokens: int
    acceptance: Interval

    def __post_init__(self) -> None:
        if not 1 <= self.tokens <= MOST_TOKENS:
            raise BadValue("draft-tokens", self.tokens, f"a whole number from 1 to {MOST_TOKENS}, or auto")
        low, mid, high = self.acceptance.low, self.acceptance.mid, self.acceptance.high
        if not 0 <= low <= mid <= high <= 1:
            raise BadValue("acceptance", mid, "a share from 0 to 1, or low:mid:high")

    def per_cycle(self) -> Interval:
        """Tokens that a cycle yields (Leviathan et al., equation 1)."""
        low, mid, high = (
            expected(a, self.tokens) for a in (self.acceptance.low, self.acceptance.mid, self.acceptance.high)
        )
        return Interval(low, mid, high)

    def copies(self, target: StepModel) -> int:
        """Copies of the draft on the chips of one replica of the target."""
        return target.plan.replica_chips // self.draft.plan.replica_chips

    def step(self, seqs: Array, context: float) -> Step:
        """The target's pass: drafted tokens and the one before them, each with its logits."""
        return Step("decode", seqs, np.asarray(self.tokens + 1.0), np.asarray(context))

    def decode(self, target: StepModel, batches: Array, context: float, run: Callable[[Step], StepCost]) -> StepCost:
        """Cost per token of cycles.

        Args:
            target: whose tokens are drafted.
            batches: sequences that decode, of which a pipeline works on as many groups as it has stages.
            context: cached tokens.
            run: evaluates steps of the target.
        """
        seqs = np.maximum(1.0, batches / target.depth)
        check = self.step(seqs, context)
        checked, copies = run(check), self.copies(target)
        drafted = self.draft.quick(Step.decode(np.maximum(1.0, seqs / copies), context))
        # All groups of a pipeline draft on the same chips: where the draft has fewer stages they wait for each other.
        groups = np.minimum(target.depth, batches)
        if not target.mechanism.batches_prompts:
            checked = self._flowing(checked, run(Step.decode(seqs, context)), target.depth, groups)
        crowd = np.maximum(1.0, groups / self.draft.depth * np.minimum(1.0, seqs / copies))
        each = 1.0 / self.per_cycle().mid
        parts: dict[Resource, Array] = {r: np.asarray(p * each) for r, p in checked.parts.items()}
        for resource, seconds in drafted.parts.items():
            more = seconds * (self.tokens * crowd * each)
            parts[resource] = parts[resource] + more if resource in parts else np.asarray(more)
        energy = checked.energy_j + drafted.energy_j * (self.tokens * np.minimum(copies, seqs))
        floor = target.floor(check) if checked.floor_s is None else checked.floor_s
        return StepCost(parts, np.asarray(energy * each), floor_s=np.asarray(floor * each))

    def _flowing(self, together: StepCost, single: StepCost, depth: int, groups: Array) -> StepCost:
        """A check whose tokens follow one another through a pipeline, where that is sooner than side by side.

        Machines that pipeline prompts pipeline tokens: the last ends k / depth of a step after the first, and not
        before the stages have done the work of all groups in flight.
        """
        whole, one, more = together.time_s, single.time_s, float(self.tokens)
        work = np.minimum(whole, (1.0 + more) * one)
        flowing = np.maximum(one * (1.0 + more / depth), groups / depth * work)
        share = np.minimum(1.0, flowing / whole)
        return replace(together, parts={r: np.asarray(p * share) for r, p in together.parts.items()})

    def prompts(self, target: StepModel, own: Prompts, new: int, past: int, chunk: int | None) -> Prompts:
        """The target's prompts with the draft's, whose cache must hold them as well."""
        drafted = prompts(self.draft, new, past, chunk, self.draft.quick)
        return own.beside(drafted, target.depth / (self.draft.depth * self.copies(target)))

    def held(self, target: StepModel, tokens: float) -> float:
        """Bytes of the draft's cache of a sequence, per chip of the target."""
        return float(self.draft.memory.per_sequence(tokens)) / self.copies(target)

    def sequences(self, target: StepModel, context: float) -> int | Infeasible:
        """Sequences of so many tokens that fit with both caches, beside both models' weights."""
        memory, draft, place = target.memory, self.draft.memory, target.plan.placement
        room = usable(target.target.chip, place.weights)
        if memory.weights + draft.weights > room:
            return Infeasible(
                f"weights of model and draft take {(memory.weights + draft.weights) / 1e9:.3g} GB per chip, "
                f"{room / 1e9:.3g} GB are there"
            )
        free = memory.capacity - (draft.weights if place.kv == place.weights else 0.0)
        each = float(memory.per_sequence(context)) + self.held(target, context)
        return int(min(1_000_000, free / each))

    def figure(self) -> Figure:
        """The acceptance as an input of the answer."""
        a = self.acceptance
        return Figure(
            "acceptance", a.mid, a.low, a.high, "1", "silmark-assumption", Grade.ASSUMED, note="set by the question"
        )

    def __str__(self) -> str:
        chips = self.draft.plan.replica_chips
        on = f"{chips} chip{'s' if chips > 1 else ''}"
        return f"{self.draft.model.name} on {on} drafts {self.tokens}, {self.per_cycle().mid:.3g} tokens a cycle"


def expected(acceptance: float, tokens: int) -> float:
    """Tokens of a cycle (Leviathan et al., arXiv:2211.17192, equation 1): the accepted ones and the target's own."""
    return float(sum(acceptance**i for i in range(tokens + 1)))
