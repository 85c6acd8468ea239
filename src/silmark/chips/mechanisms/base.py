"""What every mechanism is: operator and chip in, time by resource and energy out, over arrays of shapes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, cast

import numpy as np

from silmark.chips import coefficients
from silmark.chips.spec import Chip
from silmark.figures import Figure
from silmark.formats import Precision
from silmark.graph import Array, Attention, Op

Resource = Literal["compute", "vector", "memory", "sram", "link", "overhead"]
RESOURCES: tuple[Resource, ...] = ("compute", "vector", "memory", "sram", "link", "overhead")
"""What can bound an operator: matrix units, vector units, main memory, on-die memory and streams, links,
and time that no unit is busy in (launches, fixed latencies, synchronisation)."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a plan keeps things on one chip.

    Attributes:
        weights, kv: memory tier that holds them (`main` or `sram`); the cache may also lie in a tier of the system
            beyond the chip, named as its file does (`host`).
        region: cores per side of the region that one layer uses on a wafer (0: not a wafer).
        engine: whose kernels run, `engine[:scheme[:kernel]]` (`vllm`, `trtllm:fp8_block`); empty: what the measured
            engines have in common. Only GPUs have several.
    """

    weights: Literal["main", "sram"] = "main"
    kv: str = "main"
    region: int = 0
    engine: str = ""

    @property
    def beyond(self) -> bool:
        """Whether the cache lies in a tier that the chip reaches through its host link."""
        return self.kv not in ("main", "sram")

    def on_chip(self) -> Placement:
        """The placement as the chip's own mechanism sees it: what comes over the host link passes its memory."""
        return replace(self, kv=self.weights) if self.beyond else self


@dataclass(frozen=True, slots=True)
class Cost:
    """Time and energy of one operator (all `count` instances) on one chip.

    Attributes:
        parts: seconds by the resource that bounds them; their sum is the operator's time. Arrays of one
            broadcast shape. A resource that is hidden behind another does not appear.
        energy_j: energy above idle, same shape.
    """

    parts: Mapping[Resource, Array]
    energy_j: Array

    @property
    def time_s(self) -> Array:
        """Seconds, all resources together."""
        return total_s(self.parts)

    def scaled(self, factor: float) -> Cost:
        """The cost of `factor` such operators one after another."""
        return Cost({r: p * factor for r, p in self.parts.items()}, self.energy_j * factor)

    def bound_by(self) -> Resource:
        """The resource that takes the largest share, summed over all shapes."""
        return longest(self.parts)


def total_s(parts: Mapping[Resource, Array]) -> Array:
    """Seconds of all parts together."""
    total: Array = np.zeros(())
    for part in parts.values():
        total = total + part
    return total


def sparse(op: Attention, price: Callable[[Attention], Mapping[Resource, Array]]) -> Mapping[Resource, Array]:
    """Parts of attention over chosen tokens on a machine without a kernel of its own for it.

    It may gather every query's tokens, or compute all pairs and mask what was not chosen: the faster counts.

    Args:
        op: the operator; without a choice it is priced as it is.
        price: dense attention's seconds by resource.
    """
    if op.selected is None:
        return price(op)
    gathered, masked = price(op.gathered()), price(replace(op, selected=None))
    better = total_s(gathered) < total_s(masked)
    none = np.zeros(())
    used = [r for r in RESOURCES if r in gathered or r in masked]
    return {r: np.where(better, gathered.get(r, none), masked.get(r, none)) for r in used}


def longest(parts: Mapping[Resource, Array]) -> Resource:
    """The resource whose part is the largest, summed over all shapes."""
    return max(parts, key=lambda r: float(np.sum(parts[r])))


class AbstractMechanism(ABC):
    """One architecture family's way to turn operators into time and energy.

    A mechanism is built for one chip, precision and placement; building reads every figure that it will
    need through `fact` and `coefficient`, so that the answer can list them. `cost` must be vectorised.
    """

    family: ClassVar[str]
    runs: ClassVar[frozenset[str]]
    """Operator kinds that the family can run in principle (a chip's own `cannot` comes on top)."""
    splits_layers: ClassVar[bool] = False
    """Whether a pipeline stage may hold part of a layer (statically scheduled machines place freely)."""
    batches_prompts: ClassVar[bool] = True
    """Whether one pass may hold several prompts (pipelined machines take them one after another)."""

    def __init__(self, chip: Chip, precision: Precision, placement: Placement) -> None:
        self.chip = chip
        self.precision = precision
        self.placement = placement
        self.request_s = 0.0  # host time of a request's first token, beside the steps
        self.used: dict[str, Figure] = {}
        self.bounds: dict[Resource, set[str]] = {}
        tdp = self.fact("power.tdp")
        idle = self.fact("power.idle_share")
        self.idle_w = tdp * idle
        matrix = tdp * max(0.0, self.fact("power.prefill_share") - idle)
        other = tdp * max(0.0, self.fact("power.decode_share") - idle)
        self._busy_w: dict[Resource, float] = {r: matrix if r == "compute" else other for r in RESOURCES}

    @abstractmethod
    def cost(self, op: Op) -> Cost:
        """Time and energy of a (sharded) operator on one chip, all `op.count` instances."""

    @classmethod
    def region(cls, chip: Chip, layers: int, layer_bytes: float, layer_macs: float) -> int:
        """Cores per side of the region that a layer is best placed on; 0 where layers take whole chips.

        Args:
            chip: one chip.
            layers: layers that it must hold.
            layer_bytes: weights of one layer, with room for its cache.
            layer_macs: multiply-adds of one token in one layer.
        """
        del chip, layers, layer_bytes, layer_macs
        return 0

    def refuses(self, op: Op) -> str | None:
        """Why this chip cannot hold an operator of this size, None if it can."""
        del op
        return None

    def regions(self) -> int:
        """How many layers can be in flight on one chip at once (a wafer's regions); 1 elsewhere."""
        return 1

    def fact(self, key: str, *bounds: Resource, default: float | None = None) -> float:
        """Reads a figure of the chip, noting that it was used and which resources' time it sets."""
        if default is not None and key not in self.chip.figures:
            return default
        return self.note(key, self.chip.figure(key), *bounds)

    def coefficient(self, key: str, *bounds: Resource) -> float:
        """Reads a fitted parameter of the family, noting its use."""
        return self.note(f"calibration.{self.family}.{key}", coefficients.fitted(self.family, key), *bounds)

    def note(self, key: str, figure: Figure, *bounds: Resource) -> float:
        """Returns a figure's value, remembering that it was used and which resources' time it sets."""
        self.used[key] = figure
        for resource in bounds:
            self.bounds.setdefault(resource, set()).add(key)
        return figure.value

    def busy_energy(self, parts: Mapping[Resource, Array]) -> Array:
        """Energy above idle from measured power shares.

        Matrix-bound time counts at the prefill share of the limit, all other time at the decode share, which
        was measured over whole decode steps.
        """
        total: Array = np.zeros(())
        for resource, part in parts.items():
            total = total + part * self._busy_w[resource]
        return total

    def finish(self, op: Op, parts: Mapping[Resource, Array]) -> Cost:
        """Cost of all instances of an operator from the parts of one, with energy from power shares."""
        scaled = {r: np.asarray(p * op.count, dtype=np.float64) for r, p in parts.items()}
        return Cost(scaled, self.busy_energy(scaled))


def slowest(overhead: Array | float, **candidates: Array) -> dict[Resource, Array]:
    """Parts of an operator whose resources overlap: the slowest takes the time, the others hide behind it.

    Args:
        overhead: seconds that nothing overlaps with.
        candidates: seconds by resource.
    """
    shape: tuple[int, ...]
    parts: dict[str, Array] = {}
    if len(candidates) == 2:  # nearly all operators: twice as fast as the general way
        (first, a), (second, b) = candidates.items()
        mine = np.asarray(a >= b)
        parts[first], parts[second], shape = np.where(mine, a, 0.0), np.where(mine, 0.0, b), mine.shape
    else:
        arrays = np.broadcast_arrays(*candidates.values())
        top = arrays[0] if len(arrays) == 1 else np.maximum.reduce(arrays)
        free, shape = np.ones(top.shape, dtype=bool), top.shape
        for name, seconds in zip(candidates, arrays, strict=True):
            mine = free & (seconds >= top)
            parts[name] = np.where(mine, seconds, 0.0)
            free &= ~mine
    if np.any(overhead):
        parts["overhead"] = np.broadcast_to(np.asarray(overhead, dtype=np.float64), shape)
    return cast("dict[Resource, Array]", parts)
