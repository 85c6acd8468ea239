"""StepCost: time by resource and energy of steps, with the operators behind them on request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silmark.chips.mechanisms import Cost, Resource
from silmark.chips.mechanisms.base import longest, total_s
from silmark.graph import Array, Op


@dataclass(frozen=True, slots=True)
class OpShare:
    """One operator's part of a step: the sharded operator and the cost of all its instances on one chip."""

    op: Op
    cost: Cost


@dataclass(frozen=True, slots=True)
class StepCost:
    """Time and energy of steps.

    Attributes:
        parts: seconds by bounding resource; they add up to the step's latency.
        energy_j: energy above idle of all chips of the replica.
        ops: operator by operator, in graph order.
        floor_s: seconds that no software could beat on this chip; None where `StepModel.floor` must tell.
    """

    parts: Mapping[Resource, Array]
    energy_j: Array
    ops: tuple[OpShare, ...] = ()
    floor_s: Array | None = None

    @property
    def time_s(self) -> Array:
        """Latency of the step through all layers."""
        return total_s(self.parts)

    def at(self, index: int | NDArray[np.intp]) -> StepCost:
        """The cost of one step, or of some, of a one-dimensional array of them."""
        shape = self.time_s.shape
        parts = {r: np.broadcast_to(p, shape)[index] for r, p in self.parts.items()}
        floor = None if self.floor_s is None else np.broadcast_to(self.floor_s, shape)[index]
        return StepCost(parts, np.broadcast_to(self.energy_j, shape)[index], floor_s=floor)

    def bound_by(self) -> Resource:
        """The resource that takes the largest share."""
        return longest(self.parts)

    def shares(self) -> dict[Resource, float]:
        """Share of each resource in the (summed) time."""
        total = float(np.sum(self.time_s)) or 1.0
        size = self.time_s.size
        return {r: float(np.sum(p)) * (size / np.size(p)) / total for r, p in self.parts.items()}

    def shares_each(self) -> dict[Resource, Array]:
        """Share of each resource in the time of every single step."""
        total = self.time_s
        total = np.where(total == 0, 1.0, total)
        return {r: np.asarray(p / total) for r, p in self.parts.items()}
