"""Which plans exist for a model on some chips: every cut, precision and placement, refused early where it cannot be.

The cuts: tp chips share every layer, inside the group that a unit's links allow or over two of them; cp such groups
share a sequence's context; pp stages follow each other; dp replicas repeat that. Of a model with routed experts, ep
parts of the tp chips hold whole experts, and with ranks of attention the group may span any number of units, since then
only experts are exchanged (arXiv:2412.19437, section 3.4). Beside the plan, engines may cut prompts into chunks, draft
tokens, and keep caches elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from silmark.chips.mechanisms import Placement, family
from silmark.errors import BadValue
from silmark.estimation.serving import PLAIN, Serving
from silmark.figures import Interval
from silmark.formats import Precision
from silmark.graph import Attention
from silmark.mapping import Plan, context, probe, refusal
from silmark.mapping.candidates import expert_shape, placed, placements
from silmark.models import Model
from silmark.step import Maturity
from silmark.systems import Target
from silmark.workloads import Workload

_SPANNED = 2
"""Units that share a layer at most: beyond, exchanges over the network take longer than they save."""
OWN = "own"
"""Memory of the chips, in place of a tier of their system."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What plans are wanted for.

    Attributes:
        model: what to run.
        target: all chips that there are.
        workload: requests and promises.
        precisions: formats to try.
        maturity: "own" software or "equal".
        contexts: ways to divide the context of a sequence; None for those that leave each part enough of a prompt.
        kv_in: where caches may lie: tiers of the system beyond its chips, OWN for the chip's.
        servings: what engines may be told beside the plan.
        draft: a model that may draft tokens, None for none.
    """

    model: Model
    target: Target
    workload: Workload
    precisions: tuple[Precision, ...]
    maturity: Maturity = "own"
    contexts: tuple[int, ...] | None = None
    kv_in: tuple[str, ...] = (OWN,)
    servings: tuple[Serving, ...] = (PLAIN,)
    draft: Draft | None = None

    @property
    def divided(self) -> tuple[int, ...]:
        """Ways to divide the context: as asked, or 1 and powers of two with parts of PART tokens at least."""
        if self.contexts is not None:
            return self.contexts
        return tuple(2**i for i in range(max(1, self.workload.prompt // PART).bit_length()))


@dataclass(frozen=True, slots=True)
class Draft:
    """A model that drafts.

    Attributes:
        model: the small one.
        acceptance: chance that a drafted token is kept.
        tokens: numbers of tokens to try.
    """

    model: Model
    acceptance: Interval
    tokens: tuple[int, ...]


MOST_PLANS = 5000
"""Plans of one search: tens of seconds, gigabytes of points."""
PART = 2048
"""Tokens of a prompt that a chip fills its matrix units with: smaller parts are not tried unless asked for."""


@dataclass(slots=True)
class Tally:
    """How many plans were tried and why others were not.

    Attributes:
        tried: plans in all.
        refused: number of plans by kind of reason, and the last of its sentences: plans grow, so the nearest to fit.
    """

    tried: int = 0
    refused: dict[str, tuple[int, str]] = field(default_factory=dict)

    def count(self) -> None:
        """Counts one more plan that is tried; raises BadValue where there are more than anybody waits for."""
        self.tried += 1
        if self.tried > MOST_PLANS:
            raise BadValue(
                "plans",
                f"more than {MOST_PLANS:,}",
                "fewer: formats, contexts, chunks, tiers or drafted tokens multiply",
            )

    def refuse(self, kind: str, reason: str) -> None:
        """Counts one more plan that cannot be."""
        count, _ = self.refused.get(kind, (0, ""))
        self.refused[kind] = (count + 1, reason)

    @property
    def rejected(self) -> int:
        """Plans that cannot be, for whatever reason."""
        return sum(count for count, _ in self.refused.values())


def plans(asked: Asked, tally: Tally) -> Iterator[Plan]:
    """Every plan that divides the model and the chips; what cannot run or divide is counted in the tally."""
    for precision in asked.precisions:
        cannot = refusal(asked.target.chip, probe(asked.model), precision)
        for place in _places(asked):
            for plan in _cuts(asked, precision, place):
                tally.count()
                kind, reason = ("operators and formats", cannot) if cannot else _uneven(asked.model, plan)
                if kind:
                    tally.refuse(kind, str(reason))
                else:
                    yield plan


def _places(asked: Asked) -> Iterator[Placement]:
    """Where weights and caches may lie: on the chip, or with the caches in a tier of the system."""
    places = placements(asked.target.chip, asked.model.kind)
    for tier in asked.kv_in:
        if tier == OWN:
            yield from places
        else:
            yield from (replace(place, kv=tier) for place in places if place.kv == place.weights)


def _cuts(asked: Asked, precision: Precision, place: Placement) -> Iterator[Plan]:
    model, target = asked.model, asked.target
    most = target.count if family(target.chip.family).splits_layers else max(1, model.layer_count)
    for tp, ep, ranks in _groups(model, target):
        for cp in asked.divided if ranks == 1 else (1,):
            rest = target.count // (tp * cp)
            for pp in (ways for ways in divisors(rest) if ways <= most):
                where = placed(model, target.chip, precision, place, pp)
                yield Plan(precision, tp=tp, pp=pp, dp=rest // pp, ep=ep, ranks=ranks, placement=where, cp=cp)


def _groups(model: Model, target: Target) -> Iterator[tuple[int, int, int]]:
    """(tp, ep, ranks): experts whole or cut in groups of up to two units; with ranks, whole over any number of them."""
    experts, _ = expert_shape(model)
    inside = _ways(target.system.group, target.count)
    both = _SPANNED * target.system.group
    for tp in [*inside, *([both] if both <= target.count else [])]:
        for ep in divisors(math.gcd(tp, experts)) if experts else (1,):
            yield tp, ep, 1
    if not experts:
        return
    for tp in _ways(target.count, min(target.count, experts)):
        for ranks in divisors(tp)[1:]:
            if tp // ranks in inside:
                yield tp, tp, ranks


def _ways(group: int, most: int) -> list[int]:
    """Divisors of a group's size and powers of two in it, up to the chips that there are."""
    powers = {2**i for i in range(group.bit_length())}
    return sorted(n for n in powers | set(divisors(group)) if n <= min(group, most))


def divisors(number: int) -> list[int]:
    """All divisors, ascending; none of 0."""
    small = [n for n in range(1, math.isqrt(number) + 1) if number % n == 0]
    return sorted({*small, *(number // n for n in small)})


def _uneven(model: Model, plan: Plan) -> tuple[str, str]:
    """Kind and sentence of what does not divide, empty if everything does."""
    each = plan.tp // plan.ranks
    heads = max((op.heads for op in probe(model) if isinstance(op, Attention)), default=0)
    if heads % each:
        return "divisibility", f"{heads} attention heads do not divide by {each} chips"
    experts, _ = expert_shape(model)
    if experts % plan.ep:
        return "divisibility", f"{experts} experts do not divide by {plan.ep} parts"
    undividable = context.undividable(model, plan)
    return ("context", undividable) if undividable else ("", "")
