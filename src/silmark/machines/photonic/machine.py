"""The photonic tensor core as a machine: schedules, executes, counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from silmark.chips import Chip
from silmark.figures import Interval
from silmark.figures.numbers import si
from silmark.machines.base import Facts, Machine, Option, Tile, Value
from silmark.machines.lowering import Lowered, MatMul, Move, Vector, lower
from silmark.machines.photonic import mesh
from silmark.machines.photonic.crossbar import Crossbar
from silmark.machines.photonic.energy import LASER_LOSS, energy
from silmark.machines.photonic.execute import Executed, Executor, Fault, Optics
from silmark.machines.photonic.floor import floorplan
from silmark.machines.photonic.geometry import ACTIVATION_BYTES, RESULT_BYTES, Geometry, of_crossbar, of_mesh, reload
from silmark.machines.photonic.schedule import schedule
from silmark.machines.program import OWN_FORMAT, Program
from silmark.machines.run import Refusal, Run, total
from silmark.machines.shapes import weight_elements
from silmark.numerics import analog, arithmetic
from silmark.numerics.analog import presets

_SILICON, _IDEAL = "lightmatter-2025-silicon", "abfp-ideal"
MESH = "clements-mesh"
"""What the mesh of Mars computes with; no chip of the catalogue has it."""
_BF16 = arithmetic.get("bf16")
"""Of the electronic dies."""


class Photonic(Machine):
    """Lightmatter's processor of 2025, Envise as briefed in 2021, and the mesh of Mars."""

    name: ClassVar[str] = "photonic"
    title: ClassVar[str] = "photonic tensor core"
    chips: ClassVar[tuple[str, ...]] = ("lightmatter-processor-2025", "lightmatter-envise-2021")
    formats: ClassVar[tuple[str, ...]] = (_SILICON, _IDEAL)
    operators: ClassVar[tuple[str, ...]] = ("gemm", "gemv", "products", "mlp", "attention", "layer")
    program: ClassVar[str] = "layer"
    options: ClassVar[Mapping[str, Option]] = {
        "optics": Option("crossbar", "mesh: the interferometers of Mars", choices=("crossbar", "mesh")),
        "attention": Option("digital", "optical writes keys and values into the cells", choices=("digital", "optical")),
        "buffers": Option(1, "planes of weight cells per core; the second does not work in the silicon", low=1, high=2),
        "reload": Option("chip", "rows: a row of weights per transfer at 25 MHz", choices=("chip", "rows")),
        "cells": Option("empty", "first: they hold the first tiles before the run", choices=("empty", "first")),
        "weights": Option("main", "where they lie when the program begins", choices=("main", "sram")),
        "clock_ghz": Option(0.0, "vectors per ns; 0 for the chip's own clock", low=0, high=10),
        "hours": Option(0.0, "since the last calibration", low=0, high=1e5),
        "every": Option(0.0, "hours between calibrations; 0 for the machine's own", low=0, high=1e6),
        "gain": Option(0.0, "of the amplifiers before the converters; 0 for the machine's own", low=0, high=1000),
        "die": Option(0, "which die was made", low=0, high=1e6),
    }  # fmt: skip

    def run(self, program: Program, chip: Chip, **options: Value) -> Run | Refusal:
        """Executes a program."""
        facts, meshed = Facts(self.name, chip), options["optics"] == "mesh"
        form = _format(program, chip, meshed=meshed)
        if isinstance(form, Refusal):
            return form
        floor = (of_mesh if meshed else of_crossbar)(facts, options)
        weights = 0 if options["weights"] == "main" else weight_elements(program.sizes())
        if weights > floor.sram_bytes:
            return Refusal(f"weights of {si(weights, 'B')} > {si(floor.sram_bytes, 'B')} of SRAM; weights=main")
        lowered = lower(program)
        held = _held(lowered) + weights
        if held + floor.cores * floor.tile_bytes > floor.sram_bytes:
            return Refusal(f"caches and activations of {si(held - weights, 'B')} with "
                           f"{si(weights or floor.cores * floor.tile_bytes, 'B')} of weights > "
                           f"{si(floor.sram_bytes, 'B')} of SRAM; fewer rows at once")  # fmt: skip
        floor = replace(floor, staging=floor.sram_bytes - held)
        hours = float(options["hours"])
        plan = schedule(floor, lowered, hours)
        optics = _optics(facts, form, floor, options)
        executor = Executor(floor, lowered, optics, seed=program.seed, hours=hours)
        done = executor.run(plan, _multiply, lambda _, x: _BF16.left.quantize(x))
        if done.cycles != plan.cycles:
            raise Fault(f"executed in {done.cycles} cycles, predicted were {plan.cycles}")
        spent = energy(facts, floor, done.counts, done.cycles / floor.clock, meshed=meshed)
        return Run(
            outputs={name: done.tensors[name] for name in lowered.outputs},
            format=form,
            cycles=done.cycles,
            clock_hz=floor.clock,
            energy_j=spent,
            utilisation={unit: busy / done.cycles for unit, busy in done.busy.items()},
            events=done.events,
            facts={"memory_bytes": held + done.staged_bytes}
            | _words(lowered, floor, done, spent)
            | _time_words(facts, floor, options, lowered)
            | (mesh.words(facts, floor.clock) if meshed else {}),
            figures=facts.used,
        )

    def floorplan(self, chip: Chip) -> tuple[Tile, ...]:
        """Cores and electronic dies of the crossbar machine."""
        return floorplan(Facts(self.name, chip))


def _format(program: Program, chip: Chip, *, meshed: bool) -> str | Refusal:
    """The arithmetic: errors that were measured on a chip are that chip's alone."""
    if meshed:
        if program.format == OWN_FORMAT:
            return MESH
        return Refusal(f"a mesh does not multiply in {program.format}; a program of the default format", cannot=True)
    measured = chip.id in presets.preset(_SILICON).words.get("chips", ())
    if program.format == OWN_FORMAT:
        return _SILICON if measured else _IDEAL
    if program.format == _SILICON and not measured:
        return Refusal(f"errors of {chip.id} were never measured; it runs {_IDEAL}", cannot=True)
    return program.format


def _optics(facts: Facts, form: str, floor: Geometry, options: Mapping[str, Value]) -> Optics:
    """The cores, with the amplifiers' gain that was asked for."""
    gain, die = float(options["gain"]), int(options["die"])
    if form == MESH:
        devices = mesh.read(facts, floor.clock)
        return mesh.InterferometerMesh(replace(devices, gain=gain or devices.gain), die)
    known = analog.load(form)
    return Crossbar(replace(known, gain=gain or known.gain), floor.rows, floor.columns, die)


def _words(
    lowered: Lowered, floor: Geometry, done: Executed, spent: Mapping[str, Interval]
) -> dict[str, str | int | float]:
    """What a reader should know of a run."""
    seconds = done.cycles / floor.clock
    package = total(part for name, part in spent.items() if name != LASER_LOSS)
    adds = sum(one.multiply_adds for one in lowered.instructions if isinstance(one, MatMul))
    return {
        "cores": f"{floor.cores} of {floor.rows} x {floor.columns}",
        "tiles_written": round(done.counts.get("written", 0) / (floor.rows * floor.columns)),
        "multiply_adds": adds,
        "cells_used": done.counts["lit"] / (done.cycles * floor.multiply_adds),
        "package_power": f"{si(package.mid / seconds, 'W')}, {si(package.mid / adds, 'J')} per multiply-add",
    }


def _time_words(
    facts: Facts, floor: Geometry, options: Mapping[str, Value], lowered: Lowered
) -> dict[str, str | int | float]:
    """How long the program takes with the times per tile that the figure allows, and with either way of attention."""

    def time(one: Geometry) -> str:
        return si(schedule(one, lowered, float(options["hours"])).cycles / one.clock, "s")

    figure = reload(facts, options, floor.rows)
    shortest, longest = (time(floor.reloading(bound / figure.value)) for bound in (figure.low, figure.high))
    found: dict[str, str | int | float] = {
        "reload": f"{si(floor.install / floor.clock, 's')} per tile; as it is known {shortest} to {longest}"
    }
    if any(isinstance(one, MatMul) and not one.stored for one in lowered.instructions):
        digital, optical = (time(replace(floor, optical_attention=one)) for one in (False, True))
        found["attention"] = f"{digital} with it on the electronic dies, {optical} by reloads"
    return found


def _held(lowered: Lowered) -> int:
    """Bytes of caches, and of operands and result of the largest instruction: they have to lie on the package."""
    caches = sum(values.size for name, values in lowered.tensors.items() if name.endswith(".cache"))
    largest = 0
    for one in lowered.instructions:
        match one:
            case MatMul():
                right = 0 if one.stored else one.k * one.n
                needed = one.batch * ((one.m * one.k + right) * ACTIVATION_BYTES + one.m * one.n * RESULT_BYTES)
            case Vector():
                needed = (1 + len(one.inputs)) * one.elements * ACTIVATION_BYTES
            case Move():
                needed = 2 * one.elements * ACTIVATION_BYTES
        largest = max(largest, needed)
    return largest + caches * ACTIVATION_BYTES


def _multiply(one: MatMul, tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """A product on the electronic dies: bf16 operands, float32 sums, bf16."""
    return np.asarray(_BF16.left.quantize(_BF16.matmul(tensors[one.left], tensors[one.right])))
