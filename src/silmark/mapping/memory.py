"""What fits: weights and cache per chip against the memory tier that holds them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike

from silmark.chips import Chip
from silmark.figures import assumptions
from silmark.formats import FORMATS
from silmark.graph import Array, Attention, Experts
from silmark.mapping.context import lower
from silmark.mapping.plan import Infeasible, Plan
from silmark.mapping.sharding import shard
from silmark.models import Model
from silmark.workloads import Step

_MOST = 1e6
"""Sequences that a replica is said to hold where they take no room."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one chip under a plan.

    Attributes:
        weights: bytes of weights.
        capacity: usable bytes of the tier that holds the cache, weights already taken off if they share it.
    """

    weights: float
    capacity: float
    model: Model
    plan: Plan
    _kept: list[Attention] = field(default_factory=list, repr=False, compare=False)

    def per_sequence(self, context: ArrayLike) -> Array:
        """Bytes of cache and state that one sequence of that many tokens takes on one chip."""
        if self.model.kind != "decoder":
            return np.zeros(())
        usual, past = self.plan.precision.kv_bytes, np.maximum(np.asarray(context, dtype=np.float64) - 1, 0)
        cache = sum(
            (op.count * replace(op, past=past).held() * (op.kv_width * op.kv_bytes(usual)) for op in self._attention()),
            start=np.zeros(()),
        )
        if self.plan.attention == "batch":
            cache = cache / self.plan.tp
        cache = cache / (self.plan.ranks * self.plan.cp)  # a sequence lies on one rank, divided over a context group
        state = self.model.state_elements / self.plan.tp
        return np.asarray((cache + state * 4.0) / self.plan.pp)

    def _attention(self) -> list[Attention]:
        """What caches, on one chip, for one sequence; lowered once."""
        if not self._kept:
            graph = shard(lower(self.model, Step.decode(1, 0), self.plan), self.plan)
            self._kept.extend(op for op in graph if isinstance(op, Attention))
        return self._kept

    def sequences(self, context: float) -> int:
        """Largest number of sequences of that many tokens that one replica holds."""
        each = float(self.per_sequence(context))
        return int(_MOST if each == 0 else min(_MOST, self.capacity / each))

    def rooms(self, contexts: ArrayLike) -> Array:
        """`sequences` for each of several lengths."""
        each = self.per_sequence(contexts) + np.zeros(np.shape(contexts))
        most = np.divide(self.capacity, each, out=np.full(each.shape, np.inf), where=each > 0)
        return np.asarray(np.floor(np.minimum(most, _MOST)))


def memory(model: Model, chip: Chip, plan: Plan, beyond: float = 0.0) -> Memory | Infeasible:
    """Places weights and cache; Infeasible says which tier is too small and by how much.

    Args:
        model: what is to be held.
        chip: one chip.
        plan: how the model is cut.
        beyond: one chip's share of the memory beyond the chips that the plan keeps the cache in, bytes.
    """
    bits = FORMATS[plan.precision.weights].bits
    weights = model.weight_bytes(bits)
    if plan.ranks > 1:  # every rank keeps its own copy of all but the experts
        weights += (plan.ranks - 1) * (weights - _expert_bytes(model, bits))
    weights /= plan.tp * plan.pp
    if model.kind == "sampler":
        return Memory(weights=0.0, capacity=float("inf"), model=model, plan=plan)
    place = plan.placement
    room = usable(chip, place.weights)
    if weights > room:
        where = chip.kinds.get(f"memory.{place.weights}", place.weights)
        return Infeasible(
            f"weights take {weights / 1e9:.3g} GB per chip at {plan.replica_chips} chips, "
            f"{where} holds {room / 1e9:.3g} GB"
        )
    elsewhere = beyond if place.beyond else usable(chip, place.kv)
    cache_room = room - weights if place.kv == place.weights else elsewhere
    return Memory(weights=weights, capacity=cache_room, model=model, plan=plan)


def _expert_bytes(model: Model, bits: float) -> float:
    """Bytes of all routed experts."""
    experts = [op for op in model.lower(Step.decode(1, 1)) if isinstance(op, Experts)]
    return sum(op.count * op.experts * op.weights_per_expert * (op.weight_bits or bits) / 8 for op in experts)


def usable(chip: Chip, tier: str) -> float:
    """Bytes of a tier that an engine may fill; 0 if the chip has no such tier."""
    share = assumptions("engine")["memory.usable" if tier == "main" else "memory.usable_sram"].value
    return chip.si(f"memory.{tier}.capacity", 0.0) * share
