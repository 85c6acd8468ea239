"""The systolic array as a machine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from silmark import formats
from silmark.chips import Chip
from silmark.figures import Interval
from silmark.figures.numbers import si
from silmark.machines.base import Facts, Machine, Option, Tile, Value
from silmark.machines.evidence import unverified
from silmark.machines.lowering import Lowered, MatMul, lower
from silmark.machines.program import OWN_FORMAT, Program
from silmark.machines.run import Refusal, Run, joules
from silmark.machines.semantics import execute
from silmark.machines.shapes import Shape, elements, weight_elements
from silmark.machines.systolic import cells
from silmark.machines.systolic.dataflow import DATAFLOWS, Dataflow
from silmark.machines.systolic.floor import floorplan
from silmark.machines.systolic.schedule import MAIN, VECTORS, Core, Schedule, schedule, splits
from silmark.numerics import arithmetic
from silmark.numerics.base import Arithmetic

PLANNED: Mapping[str, str] = {"bf16": "bf16", "int8": "int8", "fp8-e4m3": "fp8"}
"""Format here -> the format under which a chip's file has its rate."""
_STAGED = 0.5
"""Share of the on-die memory for activations; the other half holds the weights of this product and of the next."""


class SystolicArray(Machine):
    """TPU, Gaudi, Sohu, MatX and other chips of their family."""

    name: ClassVar[str] = "systolic"
    title: ClassVar[str] = "systolic array"
    chips: ClassVar[tuple[str, ...]] = (
        "google-tpu-v5e",
        "google-tpu-v6e",
        "intel-gaudi-3-128gb",
        "etched-sohu",
        "matx-one",
    )
    formats: ClassVar[tuple[str, ...]] = tuple(PLANNED)
    operators: ClassVar[tuple[str, ...]] = ("gemm", "gemv", "products", "mlp", "attention", "layer")
    program: ClassVar[str] = "layer"
    options: ClassVar[Mapping[str, Option]] = {
        "dataflow": Option("weight", "the operand that the arrays hold still", choices=DATAFLOWS),
        "weights": Option("main", "where they lie when the program begins", choices=("main", "sram")),
        "execute": Option("tiles", "registers moves every value cell by cell", choices=("tiles", "registers")),
    }  # fmt: skip

    def run(self, program: Program, chip: Chip, **options: Value) -> Run | Refusal:
        """Executes a program."""
        dataflow = cast("Dataflow", options["dataflow"])
        own = [name for name, planned in PLANNED.items() if f"peak.{planned}" in chip.figures]
        format_ = own[0] if program.format == OWN_FORMAT and own else program.format
        if format_ not in own:
            return Refusal(f"{chip.id} gives no rate for {format_}; it has {', '.join(own) or 'none that runs here'}")
        facts = Facts(self.name, chip)
        core = read(facts, format_, resident=options["weights"] == "sram")
        if too_large := _too_large(facts, core, program.sizes()):
            return too_large
        lowered = lower(program)
        inputs = sum(lowered.tensors[name].size for name in lowered.tensors if name.rpartition(".")[2] == "x")
        plan = schedule(core, lowered.instructions, inputs * core.activation_bytes, dataflow)
        how = arithmetic_of(chip, format_)
        if options["execute"] == "registers" and (reason := _beyond_registers(core, plan)):
            return Refusal(reason)
        values = _execute(lowered, how, plan, dataflow, by_cells=options["execute"] == "registers")
        clock = facts.of_chip("compute.clock").value
        return Run(
            outputs={name: values[name].astype(np.float32) for name in lowered.outputs},
            format=how.name,
            cycles=plan.cycles,
            clock_hz=clock,
            energy_j=energy(facts, plan, PLANNED[format_], plan.cycles / clock),
            utilisation={unit: busy / plan.cycles for unit, busy in plan.busy.items()},
            events=plan.events,
            facts={
                "dataflow": f"{dataflow} stationary",
                "arrays": f"{core.arrays} of {core.rows} x {core.columns}",
                "multiply_adds_per_cell_and_cycle": core.at_once,
                "multiply_adds": plan.multiply_adds,
                "cells_used": plan.multiply_adds / (plan.cycles * core.multiply_adds),
                "main_memory_bytes": plan.main_bytes,
                **unverified(chip, facts.of_chip(f"peak.{PLANNED[format_]}"), plan.cycles / clock),
            },
            figures=facts.used,
        )

    def floorplan(self, chip: Chip) -> tuple[Tile, ...]:
        """Arrays beside each other, the vector unit and the on-die memory above, main memory along the edge."""
        return floorplan(Facts(self.name, chip))


def read(facts: Facts, format_: str, *, resident: bool = False) -> Core:
    """A chip's sizes and rates in a format, per cycle of its clock."""
    rows, columns, arrays = (round(facts.of_chip(f"compute.{key}").value) for key in ("rows", "columns", "arrays"))
    clock, peak = facts.of_chip("compute.clock").value, facts.of_chip(f"peak.{PLANNED[format_]}").value
    tiers = (f"memory.{tier}.capacity" for tier in ("sram", "cache"))
    on_die = next((key for key in tiers if key in facts.chip.figures), "")
    bytes_ = formats.get(PLANNED[format_]).bytes
    return Core(
        rows=rows,
        columns=columns,
        arrays=arrays,
        splits=splits(facts.of_chip("compute.splits").value if "compute.splits" in facts.chip.figures else 1),
        at_once=max(1, round(peak / (2 * rows * columns * arrays * clock))),
        bandwidth=facts.of_chip("memory.main.bandwidth").value / clock,
        resident=facts.of_chip("memory.sram.bandwidth").value / clock if resident else 0.0,
        vector=facts.of_chip("peak.vector").value / clock,
        staged=facts.of_chip(on_die).value * _STAGED if on_die else 0.0,
        weight_bytes=bytes_,
        activation_bytes=bytes_,
        exponential=facts.own("vector.exponential").value,
    )


@cache
def arithmetic_of(chip: Chip, format_: str) -> Arithmetic:
    """How a chip multiplies in a format; Gaudi's FP8 has scales and limits of its own."""
    own = f"gaudi{chip.id.removeprefix('intel-gaudi-')[:1]}-fp8"
    if format_ == "fp8-e4m3" and chip.id.startswith("intel-gaudi-") and own in arithmetic.names():
        return arithmetic.get(own)
    return arithmetic.get(format_)


def _too_large(facts: Facts, core: Core, shape: Shape) -> Refusal | None:
    """Everything has to lie in main memory; resident weights in the on-die memory."""
    needs = [("memory.main.capacity", "weights, caches and activations", elements(shape))]
    if core.resident:
        needs.append(("memory.sram.capacity", "weights", weight_elements(shape)))
    for key, what, count in needs:
        bytes_ = count * core.weight_bytes
        if bytes_ > (room := facts.of_chip(key).value):
            place = "main" if "main" in key else "on-die"
            return Refusal(f"{what} of {si(bytes_, 'B')} > {si(room, 'B')} of {facts.chip.id}'s {place} memory")
    return None


def _beyond_registers(core: Core, plan: Schedule) -> str:
    """Why a program cannot be executed cell by cell; empty where it can."""
    if core.at_once > 1:
        return f"cells do {core.at_once} multiply-adds per cycle in this format; registers are modelled with one"
    if (work := sum(cells.steps(layout) for layout in plan.layouts.values())) > cells.MOST_STEPS:
        return f"{work:,} cells times cycles > {cells.MOST_STEPS:,} that are executed cell by cell; a smaller program"
    return ""


def _execute(
    lowered: Lowered, how: Arithmetic, plan: Schedule, dataflow: Dataflow, *, by_cells: bool
) -> dict[str, NDArray[Any]]:
    """All tensors."""

    def multiply(one: MatMul, tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        left, right = tensors[one.left], tensors[one.right]
        if by_cells:
            return cells.multiply(how, one, left, right, plan.layouts[one.name], dataflow)
        return np.asarray(how.matmul(left, right))

    return execute(lowered, multiply, lambda kind, x: np.asarray(how.vector(x, kind)))


def energy(facts: Facts, plan: Schedule, planned: str, seconds: float) -> dict[str, Interval]:
    """Joules by part."""
    tdp, idle = facts.of_chip("power.tdp"), facts.of_chip("power.idle_share")
    waiting = (tdp.low * idle.low, tdp.value * idle.value, tdp.high * idle.high)
    return {
        "cells": joules(plan.multiply_adds, facts.own(f"energy.mac_{planned}")),
        MAIN: joules(8 * plan.main_bytes, facts.own("energy.main")),
        "on-die memory": joules(8 * plan.sram_bytes, facts.own("energy.sram")),
        VECTORS: joules(plan.vector_operations, facts.own("energy.vector")),
        "idle": Interval(*(seconds * watts for watts in waiting)),
    }
