"""Plans worth trying on a system, smallest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from silmark.chips import Chip
from silmark.chips.mechanisms import Placement, family
from silmark.formats import FORMATS, Precision
from silmark.graph import Experts
from silmark.mapping.memory import usable
from silmark.mapping.plan import Plan
from silmark.mapping.support import probe
from silmark.models import Model
from silmark.models.spec import Kind
from silmark.systems import System, Target

STEPS = (1, 2, 3, 4, 6, 8, 9, 10, 12, 16, 20, 24, 32, 40, 48, 64, 72, 80, 96, 128, 145, 192, 256, 384, 512, 768, 1024)
"""Numbers of units that are tried."""
_CACHE_ROOM = 1.1
"""A layer's region holds its weights and a tenth as much of cache and activations."""
_REPLICA_SIZES = 4
"""Sizes of a replica tried in one unit: the smallest that fits, and up to eight times it."""
_MIN_SRAM = 1e9
"""A tier below this holds activations, not weights (a GPU's shared memory, a TPU's VMEM)."""


def placements(chip: Chip, kind: Kind = "decoder") -> tuple[Placement, ...]:
    """Where weights and cache may lie, fastest first, and whose kernels run.

    Args:
        chip: the chip.
        kind: of model. Encoders and vision networks are compiled where the chip's stack has TensorRT.
    """
    main, sram = "memory.main.capacity" in chip.figures, chip.si("memory.sram.capacity", 0.0)
    if not main:
        return (Placement("sram", "sram"),)
    compiled = chip.family == "gpu" and "TensorRT" in chip.stack and kind in ("encoder", "vision")
    in_main = Placement("main", "main", engine="tensorrt:static" if compiled else "")
    if sram >= _MIN_SRAM and chip.family in ("dimc", "systolic"):
        return Placement("sram", "sram"), Placement("sram", "main"), in_main
    return (in_main,)


@dataclass(frozen=True, slots=True)
class Layout:
    """So many replicas of so many chips, with weights in one place."""

    chips: int
    replicas: int
    place: Placement

    def plan(self, model: Model, target: Target, precision: Precision) -> Plan:
        """The usual cut of one replica, repeated."""
        one = replace(target, count=self.chips)
        return replace(cut(model, one, precision, self.place), dp=self.replicas)


def layouts(
    system: System, needed: Mapping[Placement, int], most: int, alone: bool, rounds: int
) -> Iterator[list[Layout]]:
    """Rounds of layouts, each round one size of system, smallest first.

    Args:
        system: the usual unit.
        needed: fewest chips that hold the weights, by placement.
        most: chips available.
        alone: one replica only (a fixed number of users).
        rounds: sizes to try beyond the first that holds the weights.
    """
    least = min(needed.values())
    inside = sorted({2**i for i in range(system.chips.bit_length()) if 2**i <= system.chips} | {system.chips})
    inside = [n for n in inside if least <= n <= most]
    groups: list[list[tuple[int, int]]]
    if alone:
        groups = [[(n, 1)] for n in inside]
    elif system.kind == "slice":  # any part of it is a system of its own
        groups = [[(n, 1) for n in inside[:_REPLICA_SIZES]]] if inside else []
    else:
        unit = min(system.chips, most)
        groups = [[(n, unit // n) for n in inside[:_REPLICA_SIZES]]] if inside else []
    first = math.ceil(least / system.chips)
    units = sorted({u for u in STEPS if u > 1} | ({first} if first > 1 else set()))
    groups += [[(u * system.chips, 1)] for u in units if first <= u and u * system.chips <= most]
    for group in groups[: rounds + 1]:
        yield [Layout(n, r, place) for n, r in group for place, need in needed.items() if n >= need]


def least_chips(model: Model, chip: Chip, precision: Precision, place: Placement) -> int:
    """Fewest chips whose tier holds the weights with some room for a cache."""
    if model.kind == "sampler":
        return 1
    room = usable(chip, place.weights)
    if room <= 0:
        return 10**9
    return max(1, math.ceil(1.02 * model.weight_bytes(FORMATS[precision.weights].bits) / room))


def cut(model: Model, target: Target, precision: Precision, place: Placement) -> Plan:
    """The usual cut for that many chips: tensor parallelism inside the group that allows it, pipeline beyond.

    Experts are divided among the chips of a group where cutting each of them would leave slices narrower
    than 512, too thin for a matrix unit.
    """
    chip = target.chip
    # Weights that lie on the die are read so fast that a layer gains nothing from more chips but exchanges.
    tiered = place.weights == "sram" and "memory.main.capacity" in chip.figures
    tp = 1 if tiered else _tensor_ways(target.count, min(target.system.group, 64))
    pp = target.count // tp
    experts, inner = expert_shape(model)
    ep = math.gcd(tp, experts) if experts and inner / tp < 512 else 1
    return Plan(precision=precision, tp=tp, pp=pp, ep=ep, placement=placed(model, chip, precision, place, pp))


def placed(model: Model, chip: Chip, precision: Precision, place: Placement, pp: int) -> Placement:
    """The placement with the region that a layer is best given on a wafer, where so many stages share the layers."""
    layers = max(1, model.layer_count)
    layer_bytes = _CACHE_ROOM * model.weight_bytes(FORMATS[precision.weights].bits) / layers
    side = family(chip.family).region(chip, math.ceil(layers / pp), layer_bytes, model.active_parameters / layers)
    return replace(place, region=side)


def _tensor_ways(count: int, most: int) -> int:
    ways = [w for w in range(1, most + 1) if count % w == 0]
    powers = [w for w in ways if w & (w - 1) == 0]
    return max(powers) if max(powers) * 2 > max(ways) else max(ways)


@lru_cache(maxsize=64)
def expert_shape(model: Model) -> tuple[int, int]:
    """(experts, width of one) of the model's routed layers; (0, 0) if it has none."""
    return next(((op.experts, op.inner) for op in probe(model) if isinstance(op, Experts)), (0, 0))
