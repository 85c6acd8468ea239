"""The wafer mesh as a machine: chooses a region, schedules, executes tile by tile, counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from silmark.chips import Chip
from silmark.figures import Interval
from silmark.figures.numbers import si
from silmark.machines.base import Facts, Machine, Option, Tile, Value
from silmark.machines.lowering import Lowered, MatMul, lower
from silmark.machines.program import Program
from silmark.machines.run import Refusal, Run, joules
from silmark.machines.semantics import execute
from silmark.machines.shapes import weight_elements
from silmark.machines.wafer.core import HALF_BYTES, WAVELET, Wafer, read
from silmark.machines.wafer.execute import PRODUCTS, Product, multiply
from silmark.machines.wafer.floor import floorplan, utilisation
from silmark.machines.wafer.layout import squares
from silmark.machines.wafer.reductions import WAYS, Way
from silmark.machines.wafer.schedule import Plan, Schedule, schedule
from silmark.numerics import arithmetic

SIDES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 360, 420, 480, 540, 600, 660, 720, 750)
"""Cores per side that are tried where the user names none."""
AUTO: tuple[Product, ...] = ("meshgemv", "meshgemm")
"""Products that are tried where the user names none: WaferLLM's."""
ARITHMETIC = "cerebras-fp16"


class WaferMesh(Machine):
    """Cerebras WSE-2 and WSE-3: a program on a square region of one wafer."""

    name: ClassVar[str] = "wafer"
    title: ClassVar[str] = "wafer mesh"
    chips: ClassVar[tuple[str, ...]] = ("cerebras-wse-2", "cerebras-wse-3")
    formats: ClassVar[tuple[str, ...]] = ("fp16",)
    operators: ClassVar[tuple[str, ...]] = ("gemm", "gemv", "products", "mlp", "attention", "layer")
    program: ClassVar[str] = "layer"
    options: ClassVar[Mapping[str, Option]] = {
        "side": Option(0, "cores per side of the region; 0 for the fastest that holds the program", high=1192),
        "product": Option("auto", "how matrices are multiplied; auto: the faster of WaferLLM's two",
                          choices=("auto", *PRODUCTS)),
        "reduce": Option("tree", "how sums meet over a line of cores", choices=WAYS),
        "levels": Option(2, "levels of the tree, WaferLLM's K", low=1, high=6),
        "steps": Option("free", "together: every step of a product by tiles waits for all cores",
                        choices=("free", "together")),
        "clock_ghz": Option(0.0, "clock; 0 for the chip's own", low=0, high=4),
    }  # fmt: skip

    def run(self, program: Program, chip: Chip, **options: Value) -> Run | Refusal:
        """Executes a program."""
        facts = Facts(self.name, chip)
        wafer = read(facts, 1e9 * float(options["clock_ghz"]))
        most = min(wafer.width, wafer.height)
        if (side := int(options["side"])) > most:
            return Refusal(f"{side} cores per side > {most} of {chip.id}")
        sides = (side,) if side else tuple(one for one in SIDES if one <= most)
        if reason := _too_large(wafer, max(sides), HALF_BYTES * weight_elements(program.sizes()) / max(sides) ** 2):
            return Refusal(reason)
        lowered = lower(program)
        products = AUTO if options["product"] == "auto" else (cast("Product", options["product"]),)
        way, levels = cast("Way", options["reduce"]), int(options["levels"])
        together = options["steps"] == "together"
        plans = [Plan(one, product, way, levels, together) for one in sides for product in products]
        chosen = _choose(wafer, lowered, plans)
        if isinstance(chosen, Refusal):
            return chosen
        values = _execute(lowered, chosen.plan)
        return Run(
            outputs={name: values[name] for name in lowered.outputs},
            format=self.formats[0],
            cycles=chosen.cycles,
            clock_hz=wafer.clock,
            energy_j=_energy(chosen, facts, wafer),
            utilisation=utilisation(chosen, wafer.core),
            events=tuple(chosen.events),
            facts=_facts(chosen, wafer),
            figures=facts.used,
        )

    def floorplan(self, chip: Chip) -> tuple[Tile, ...]:
        """A region of the mesh, drawn coarsely."""
        return floorplan()


def _choose(wafer: Wafer, lowered: Lowered, plans: list[Plan]) -> Schedule | Refusal:
    """The fastest of the plans that fit."""
    inputs = {name: value.shape for name, value in lowered.tensors.items()}
    found = [schedule(wafer.core, lowered.instructions, inputs, plan) for plan in plans if plan.colours <= wafer.routes]
    if not found:
        return Refusal(f"{min(plan.colours for plan in plans)} colours > {wafer.routes} that a router tells apart")
    fits = [one for one in found if one.bytes <= wafer.core.memory]
    if fits:
        return min(fits, key=lambda one: one.now)
    least = min(found, key=lambda one: one.bytes)
    return Refusal(_too_large(wafer, least.plan.side, least.bytes))


def _too_large(wafer: Wafer, side: int, bytes_: float) -> str:
    """Why a core's memory does not do; empty where it does."""
    if bytes_ <= wafer.core.memory:
        return ""
    most = min(wafer.width, wafer.height)
    more = f"; a larger side, up to {most}" if side < most else "; more than one wafer"
    return f"{si(bytes_, 'B')} per core on {side} x {side} cores > {si(wafer.core.memory, 'B')} of memory{more}"


def _execute(lowered: Lowered, plan: Plan) -> dict[str, NDArray[Any]]:
    """All tensors: products tile by tile, everything else rounded once as numerics says."""
    rules = arithmetic.get(ARITHMETIC)

    def product(one: MatMul, tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        left = np.asarray(rules.left.quantize(tensors[one.left], axis=-1)).reshape(one.batch, one.m, one.k)
        right = np.asarray(rules.right.quantize(tensors[one.right], axis=-2)).reshape(one.batch, one.k, one.n)
        inner, _ = squares(plan.side, one.batch)
        out = [multiply(plan.product, a, b, inner, plan.way, plan.levels) for a, b in zip(left, right, strict=True)]
        return np.stack(out).reshape(*tensors[one.left].shape[:-1], one.n)

    return execute(lowered, product, lambda kind, x: np.asarray(rules.vector(np.asarray(x, np.float32), kind)))


def _energy(done: Schedule, facts: Facts, wafer: Wafer) -> dict[str, Interval]:
    """Joules by part; the appliance draws its idle power whatever the region."""
    tdp, idle = facts.of_chip("power.tdp"), facts.of_chip("power.idle_share")
    seconds = done.cycles / wafer.clock
    bits = 8 * HALF_BYTES
    return {
        "multiply-adds": joules(done.multiply_adds, facts.own("energy.mac")),
        "other vector work": joules(done.operations, facts.own("energy.vector")),
        "memory": joules(3 * bits * (done.multiply_adds + done.operations), facts.own("energy.sram")),
        "links": joules(WAVELET * bits * done.crossings, facts.own("energy.link")),
        "idle": Interval(*(seconds * tdp.value * part for part in (idle.low, idle.value, idle.high))),
    }


def _facts(done: Schedule, wafer: Wafer) -> dict[str, str | int | float]:
    plan = done.plan
    return {
        "region": f"{plan.side} x {plan.side} cores of {wafer.width} x {wafer.height}",
        "product": plan.product,
        "bytes_per_core": int(done.bytes),
        "colours": plan.colours,
        "multipliers_used": done.multiply_adds / (done.now * plan.side**2 * wafer.core.lanes),
        "wavelet_hops": done.crossings,
    }
