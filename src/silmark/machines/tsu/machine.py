"""The thermodynamic sampler as a machine: a graph is placed on cells, swept, read; cycles and joules are counted.

One cycle is the time that the cells of one colour take to draw. A round is `sweeps` cycles of each colour and a
readout; as many copies of the graph as fit run side by side. Couplings are resident unless `load=written`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from silmark.chips import Chip
from silmark.figures import Figure, Interval
from silmark.machines.base import Facts, Machine, Option, Tile, Value
from silmark.machines.program import Program
from silmark.machines.run import Array, Event, Refusal, Run, joules
from silmark.machines.tsu import exact
from silmark.machines.tsu.cells import IDEAL, Cells
from silmark.machines.tsu.embed import Placement, place
from silmark.machines.tsu.graph import Graph
from silmark.machines.tsu.sampler import Sampler, Spins
from silmark.machines.tsu.spec import Spec, read

COLOURS = 2
MOST_EVENTS = 4096
_OWN = -1.0
"""An option that leaves the choice to `cells`."""


class Tsu(Machine):
    """Extropic's X0 class and Z1."""

    name: ClassVar[str] = "tsu"
    title: ClassVar[str] = "thermodynamic sampler"
    chips: ClassVar[tuple[str, ...]] = ("extropic-z1", "extropic-x0")
    formats: ClassVar[tuple[str, ...]] = ("binary",)
    operators: ClassVar[tuple[str, ...]] = ("graph",)
    program: ClassVar[str] = "ising"
    options: ClassVar[Mapping[str, Option]] = {
        "cells": Option("ideal", "ideal, or assumed: bits, gain, offset and correlation of the machine's file",
                        choices=("ideal", "assumed")),
        "bits": Option(-1, "bits of couplings and biases, 0 for exact; -1 as `cells` says", -1, 24),
        "gain": Option(_OWN, "spread of the cells' slopes; -1 as `cells` says", -1, 0.29),
        "offset": Option(_OWN, "spread of the cells' centres; -1 as `cells` says", -1, 100),
        "correlation_ns": Option(_OWN, "time in which a cell's noise forgets; -1 as `cells` says", -1, 1e9),
        "cell_fj": Option(0.0, "energy per cell and sweep in fJ; 0: the chip's file", 0, 1e9),
        "load": Option("resident", "whether couplings are written before the run", choices=("resident", "written")),
    }  # fmt: skip

    def run(self, program: Program, chip: Chip, **options: Value) -> Run | Refusal:
        """Draws the samples of a graph."""
        facts = Facts(self.name, chip)
        spec, graph = read(program)
        held = int(facts.of_chip("compute.cells").value)
        placed = place(graph, int(facts.of_chip("compute.degree").value), facts.own("chain.strength").value)
        if placed is None:
            return Refusal(f"{chip.id} has fewer than 3 wires per cell: no chains for {graph.degree} neighbours")
        if placed.cells.spins > held:
            chains = f" in chains ({graph.degree} neighbours)" if placed.chains else ""
            return Refusal(f"{graph.spins:,} spins need {placed.cells.spins:,} cells{chains}; {chip.id} has {held:,}")
        plan = _plan(spec, placed, facts, options)
        cells = _cells(facts, options)
        states, drawn = _draw(program, spec, placed, plan, cells)
        samples = placed.read(states)[: spec.samples]
        return Run(
            outputs=_outputs(graph, samples),
            format=self.format(program),
            cycles=plan.cycles,
            clock_hz=plan.clock_hz,
            energy_j=_energy(spec, placed, plan, drawn, facts, options),
            utilisation=plan.utilisation(drawn, held),
            events=plan.events(),
            facts={
                "spins": graph.spins,
                "cells": placed.cells.spins,
                "copies side by side": plan.copies,
                "rounds": plan.rounds,
                **_quality(graph, spec, samples, states, placed),
                **_noise(cells, plan),
            },
            figures=facts.used,
        )

    def floorplan(self, chip: Chip) -> tuple[Tile, ...]:
        """A chessboard of cells with converters above and readout below; no photograph or plan is published."""
        del chip
        board = tuple(
            Tile("", f"colour {(x + y) % 2}", x, y + 2, 1, 1) for x in range(12) for y in range(12)
        )
        return (
            *board,
            Tile("readout", "readout", 0, 0.5, 12, 1.2),
            Tile("couplings and biases: converters", "writing", 0, 14.3, 12, 1.2),
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """The static schedule of a run.

    Attributes:
        copies: graphs side by side.
        rounds: how often they are read.
        warmup, sweeps: before the first round, and in every round.
        writing, reading: cycles of writing all couplings, and of one readout.
        clock_hz: colours per second.
    """

    copies: int
    rounds: int
    warmup: int
    sweeps: int
    writing: int
    reading: int
    clock_hz: float

    @property
    def sweeping(self) -> int:
        """Cycles in which cells draw."""
        return COLOURS * (self.warmup + self.rounds * self.sweeps)

    @property
    def cycles(self) -> int:
        """Of the whole run."""
        return self.writing + self.sweeping + self.rounds * self.reading

    def utilisation(self, drawn: int, cells: int) -> dict[str, float]:
        """Busy shares; `cells` counts draws over all that the chip's cells could have made."""
        return {
            "colour 0": self.sweeping / COLOURS / self.cycles,
            "colour 1": self.sweeping / COLOURS / self.cycles,
            "readout": self.rounds * self.reading / self.cycles,
            "writing": self.writing / self.cycles,
            "cells": drawn / (cells * self.cycles / COLOURS),
        }

    def events(self) -> tuple[Event, ...]:
        """Every sweep of the first rounds, then rounds as a whole."""
        found = [Event("writing", "couplings and biases", 0, self.writing)] if self.writing else []
        now = self.writing
        for index in range(self.rounds):
            count = self.sweeps + (self.warmup if index == 0 else 0)
            if len(found) + COLOURS * count <= MOST_EVENTS:
                found += [
                    Event(f"colour {cycle % COLOURS}", f"round {index}", now + cycle, 1)
                    for cycle in range(COLOURS * count)
                ]
            elif len(found) < MOST_EVENTS:
                found.append(Event("colour 0", f"round {index}: {count} sweeps of both colours", now, COLOURS * count))
            now += COLOURS * count
            if self.reading and len(found) < MOST_EVENTS:
                found.append(Event("readout", f"round {index}", now, self.reading))
            now += self.reading
        return tuple(found)


def _plan(spec: Spec, placed: Placement, facts: Facts, options: Mapping[str, Value]) -> _Plan:
    colour_s = facts.of_chip("compute.colour_time").value
    copies = min(int(facts.of_chip("compute.cells").value) // placed.cells.spins, spec.samples)
    written = options["load"] == "written"
    return _Plan(
        copies=copies,
        rounds=-(-spec.samples // copies),
        warmup=spec.warmup,
        sweeps=spec.sweeps,
        writing=_whole(1 / facts.of_chip("compute.write_rate").value / colour_s) if written else 0,
        reading=_whole(facts.of_chip("compute.readout").value / colour_s),
        clock_hz=1 / colour_s,
    )


def _whole(cycles: float) -> int:
    """Cycles that something lasts, rounded up; 2500.0000000000005 are 2500."""
    return math.ceil(round(cycles, 6))


def _cells(facts: Facts, options: Mapping[str, Value]) -> Cells:
    """The cells that were asked for: one by one, else all ideal or all as assumed."""
    assumed = options["cells"] == "assumed"

    def chosen(option: str, key: str, scale: float) -> float:
        asked = float(options[option])
        if asked >= 0:
            return asked * scale
        return facts.own(key).value if assumed else 0.0

    return Cells(
        bits=round(chosen("bits", "cells.bits", 1)),
        gain=chosen("gain", "cells.gain", 1),
        offset=chosen("offset", "cells.offset", 1),
        correlation_s=chosen("correlation_ns", "cells.correlation", 1e-9),
    )


def _draw(program: Program, spec: Spec, placed: Placement, plan: _Plan, cells: Cells) -> tuple[Spins, int]:
    """States of the cells at every readout (rounds * copies, cells), and how many draws the kept ones took."""
    clamped = {spin: sign for spin, sign in spec.clamps}
    which = np.flatnonzero(np.isin(placed.spin, list(clamped)))
    sampler = Sampler(
        placed.cells, plan.copies, program.seed, cells=cells, interval_s=COLOURS / plan.clock_hz, clamped=which,
        colours=placed.colours,
    )  # fmt: skip
    if len(which):
        sampler.set_spins(which, np.array([clamped[int(spin)] for spin in placed.spin[which]]))
    sampler.sweep(plan.warmup)
    states = sampler.samples(plan.rounds, plan.sweeps).reshape(-1, placed.cells.spins)
    return states, sampler.free * (spec.samples * plan.sweeps + plan.copies * plan.warmup)


def _energy(
    spec: Spec, placed: Placement, plan: _Plan, drawn: int, facts: Facts, options: Mapping[str, Value]
) -> dict[str, Interval]:
    cell: Figure = facts.of_chip("energy.cell")
    if options["cell_fj"]:
        cell = facts.used["energy.cell"] = cell.at(float(options["cell_fj"]) * 1e-15)
    parts = {
        "sampling": joules(drawn, cell),
        "readout": joules(spec.samples * placed.cells.spins, facts.of_chip("energy.read")),
    }
    if plan.writing:
        parts["writing"] = joules(plan.copies * placed.cells.spins, facts.of_chip("energy.write"))
    return parts


def _outputs(graph: Graph, samples: Spins) -> dict[str, Array]:
    return {
        "samples": samples.astype(np.float32),
        "means": samples.mean(axis=0, dtype=np.float64).astype(np.float32),
        "correlations": graph.agreement(samples).astype(np.float32),
        "energies": graph.energy(samples).astype(np.float32),
    }


def _quality(
    graph: Graph, spec: Spec, samples: Spins, states: Spins, placed: Placement
) -> dict[str, str | int | float]:
    """How good the samples are: against exact answers where there are any, and whether chains of samples forget."""
    found: dict[str, str | int | float] = {}
    if len(graph.edges):
        found["neighbour correlation"] = float(graph.agreement(samples).mean())
    alike = len(graph.edges) and (graph.couplings == graph.couplings[0]).all() and not graph.biases.any()
    if graph.lattice == "square" and graph.periodic and alike and not spec.clamps and graph.couplings[0] > 0:
        found["of the infinite lattice (Onsager)"] = exact.onsager_correlation(graph.beta * graph.couplings[0])
    if graph.spins <= exact.MOST_SPINS and not spec.clamps:
        means, pairs = exact.moments(graph)
        errors = [np.abs(samples.mean(axis=0) - means).max(), *np.abs(graph.agreement(samples) - pairs)]
        found["largest error of a mean or correlation"] = float(max(errors))
        found["one standard error"] = len(samples) ** -0.5
    if placed.chains:
        found |= {"spins in chains": placed.chains, "torn chains": placed.torn(states)}
    return found


def _noise(cells: Cells, plan: _Plan) -> dict[str, str | int | float]:
    if cells == IDEAL:
        return {"imperfect cells": "none"}
    found: dict[str, str | int | float] = {"converter bits": cells.bits or "exact", "gain spread": cells.gain}
    stay = cells.stay(COLOURS / plan.clock_hz)
    return found | {"offset spread": cells.offset, "noise kept from draw to draw": stay}
