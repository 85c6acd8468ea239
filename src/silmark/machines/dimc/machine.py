"""Digital in-memory compute as a machine."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from silmark.chips import Chip
from silmark.figures import Figure, Interval
from silmark.figures.numbers import si
from silmark.machines.base import Facts, Machine, Option, Tile, Value
from silmark.machines.dimc import numbers
from silmark.machines.dimc.floor import floorplan
from silmark.machines.dimc.geometry import Geometry, read
from silmark.machines.dimc.schedule import LINKS, MAIN, VECTORS, Schedule, activations, schedule
from silmark.machines.evidence import unverified
from silmark.machines.lowering import Lowered, MatMul, Move, lower
from silmark.machines.program import Program
from silmark.machines.run import Refusal, Run, joules
from silmark.machines.semantics import execute
from silmark.machines.shapes import weight_elements
from silmark.numerics import formats

PLANNED: Mapping[str, str] = {"bfp16-64": "mxint8", "bfp12-64": "mxint4"}
"""Format here -> the format under which a chip's file has its rate."""

JOINED = "link.scale_up.latency"
"""A chip whose file has no such figure is not joined with others."""


class InMemory(Machine):
    """d-Matrix Corsair, and an edge chip of the kind that Rain announced."""

    name: ClassVar[str] = "dimc"
    title: ClassVar[str] = "digital in-memory compute"
    chips: ClassVar[tuple[str, ...]] = ("dmatrix-corsair", "rain-npu")
    formats: ClassVar[tuple[str, ...]] = tuple(PLANNED)
    operators: ClassVar[tuple[str, ...]] = ("gemm", "gemv", "products", "mlp", "attention", "layer")
    program: ClassVar[str] = "layer"
    options: ClassVar[Mapping[str, Option]] = {
        "cards": Option(1, "cards that share the program", low=1, high=64),
        "weights": Option("sram", "where they lie: main is the vendor's capacity mode", choices=("sram", "main")),
        "clock_mhz": Option(0, "clock of the arrays; 0 for the chip's own", low=0, high=4000),
        "execute": Option("blocks", "bits forms every sum one bit at a time", choices=("blocks", "bits")),
    }  # fmt: skip

    def run(self, program: Program, chip: Chip, **options: Value) -> Run | Refusal:
        """Executes a program."""
        format_, facts = self.format(program), Facts(self.name, chip)
        if f"peak.{PLANNED[format_]}" not in chip.figures:
            return Refusal(f"{chip.id} gives no rate for {format_} ({PLANNED[format_]})")
        if options["cards"] != 1 and JOINED not in chip.figures:
            return Refusal(f"{chip.id} has no links to other cards; one card")
        clock, cards, streamed = 1e6 * int(options["clock_mhz"]), int(options["cards"]), options["weights"] == "main"
        geometry = read(facts, formats.get(format_).bits, cards, clock)
        weights = weight_elements(program.sizes()) * geometry.weight_bytes
        if not streamed and (too_large := _beyond_sram("weights", weights / geometry.all_cores, geometry)):
            return too_large  # before anything of that size is made
        lowered = lower(program)
        plan = schedule(geometry, lowered.instructions, streamed=streamed)
        if too_large := _too_large(facts, geometry, plan, lowered, streamed=streamed):
            return too_large
        values = _execute(lowered, plan, format_, serial=options["execute"] == "bits")
        seconds = plan.now / geometry.clock
        return Run(
            outputs={name: values[name] for name in lowered.outputs},
            format=format_,
            cycles=plan.now,
            clock_hz=geometry.clock,
            energy_j=energy(facts, geometry, plan, seconds),
            utilisation=plan.utilisation(),
            events=tuple(plan.events),
            facts=_facts(chip, facts.of_chip(f"peak.{PLANNED[format_]}"), geometry, plan),
            figures=facts.used,
        )

    def floorplan(self, chip: Chip) -> tuple[Tile, ...]:
        """Chiplets of a card."""
        return floorplan(Facts(self.name, chip))


def _facts(chip: Chip, rate: Figure, geometry: Geometry, plan: Schedule) -> dict[str, str | int | float]:
    return {
        "chiplets": geometry.chiplets,
        "cores": geometry.all_cores,
        "multiply_adds": plan.issued,
        "multipliers_used": plan.issued / (plan.now * geometry.multiply_adds),
        "weights_per_core_bytes": plan.core_bytes,
        "sent_between_chiplets_bytes": sum(plan.sent),
        "dispatching_s": plan.dispatched * geometry.dispatch / geometry.clock,
        "waiting_for_links_s": plan.busy.get(LINKS, 0) / geometry.clock,
        **unverified(chip, rate, plan.now / geometry.clock),
    }


def _execute(lowered: Lowered, plan: Schedule, format_: str, *, serial: bool) -> dict[str, NDArray[Any]]:
    """All tensors; blocks are summed in the chains in which they were placed."""
    block = formats.get(format_).block

    def multiply(one: MatMul, tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        chains = plan.placed[one.name].blocks(ceil(one.k / block))
        return numbers.multiply(format_, tensors[one.left], tensors[one.right], chains, serial=serial)

    return execute(lowered, multiply, lambda _, x: numbers.rounded(np.asarray(x, dtype=np.float32)))


def _too_large(facts: Facts, geometry: Geometry, plan: Schedule, lowered: Lowered, *, streamed: bool) -> Refusal | None:
    """Weights, caches and activations have to lie in the SRAM, or the weights in main memory."""
    stash = min(geometry.stash_bytes, geometry.core_bytes * geometry.chain)
    needed = activations(geometry, lowered.instructions)
    if needed > stash:
        return Refusal(
            f"activations of {si(needed, 'B')} > {si(stash, 'B')} of stash per group of cores; fewer rows at once"
        )
    caches = sum(one.elements for one in lowered.instructions if isinstance(one, Move) and one.layout == "append")
    held = needed / geometry.chain + caches * geometry.weight_bytes / geometry.all_cores
    if streamed:
        room = facts.of_chip("memory.main.capacity").value * geometry.cards
        if plan.main_bytes > room:
            return Refusal(f"weights of {si(plan.main_bytes, 'B')} > {si(room, 'B')} of LPDDR")
        return _beyond_sram("caches and activations", held, geometry)
    return _beyond_sram("weights, caches and activations", held + plan.core_bytes, geometry)


def _beyond_sram(what: str, held: float, geometry: Geometry) -> Refusal | None:
    """Refuses what is more per core than it has, saying what would do."""
    if held <= geometry.core_bytes:
        return None
    ways = [f"{ceil(held / geometry.core_bytes)} times the cores"]
    ways += ["weights=main"] if what.startswith("weights") else []
    return Refusal(f"{what} of {si(held, 'B')} per core > {si(geometry.core_bytes, 'B')}; {' or '.join(ways)}")


def energy(facts: Facts, geometry: Geometry, plan: Schedule, seconds: float) -> dict[str, Interval]:
    """Joules by part; the energy of an operation follows the square of the voltage, and that the clock."""
    tdp, idle = facts.of_chip("power.tdp"), facts.of_chip("power.idle_share")
    faster = geometry.clock / facts.of_chip("compute.clock").value
    exponent = facts.own("power.exponent")
    speed = sorted(faster ** (power - 1) for power in (exponent.low, exponent.high))
    mac, vector = facts.of_chip("energy.mac"), facts.own("energy.vector")
    scale = Interval(speed[0], faster ** (exponent.value - 1), speed[1])
    parts = {
        "arrays": _scaled(joules(plan.issued * geometry.mac_share, mac), scale),
        VECTORS: _scaled(joules(plan.vector_operations, vector), scale),
        "idle": Interval(*(
            geometry.cards * seconds * watts
            for watts in (tdp.low * idle.low, tdp.value * idle.value, tdp.high * idle.high)
        )),
    }  # fmt: skip
    for level, bytes_ in zip(geometry.levels, plan.sent, strict=True):
        parts[level.name] = joules(8 * bytes_, level.energy)
    if plan.main_bytes:
        parts[MAIN] = joules(8 * plan.main_bytes, facts.own("energy.main"))
    return parts


def _scaled(part: Interval, factor: Interval) -> Interval:
    return Interval(part.low * factor.low, part.mid * factor.mid, part.high * factor.high)
