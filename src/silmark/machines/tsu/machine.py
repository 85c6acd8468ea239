"""The thermodynamic sampler as a machine: a graph is placed on cells, swept, read; cycles and joules are counted.

One cycle is the time that the cells of one colour take to draw. A round is `sweeps` cycles of each colour and a
readout; as many copies of the graph as fit run side by side. Couplings are resident unless `load=written`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from silmark.chips import Chip
from silmark.figures import Interval
from silmark.machines.base import Facts, Machine, Option, Tile, Value
from silmark.machines.program import Program
from silmark.machines.run import Array, Refusal, Run, joules
from silmark.machines.tsu import digits, exact
from silmark.machines.tsu.cells import IDEAL, Cells
from silmark.machines.tsu.denoise import generate
from silmark.machines.tsu.embed import Placement, place
from silmark.machines.tsu.graph import Graph
from silmark.machines.tsu.plan import COLOURS, Plan, plan
from silmark.machines.tsu.sampler import Sampler, Spins
from silmark.machines.tsu.spec import Spec, denoiser, read

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
        degree = int(facts.of_chip("compute.degree").value)
        placed = place(graph, degree, facts.own("chain.strength").value)
        if placed is None:
            return Refusal(f"{chip.id} has fewer than 3 wires per cell: no chains for {graph.degree} neighbours")
        chain = denoiser(program, spec, graph)
        if chain is not None and placed.chains:
            return Refusal(f"cells of the models need {graph.degree} wires; {chip.id} has {degree}")
        if (needed := placed.cells.spins * spec.steps) > held:
            chains = f" in chains ({graph.degree} neighbours)" if placed.chains else ""
            models = f"{spec.steps} models of " if chain is not None else ""
            return Refusal(f"{models}{graph.spins:,} spins need {needed:,} cells{chains}; {chip.id} has {held:,}")
        laid = plan(spec, placed.cells.spins, facts, written=options["load"] == "written")
        cells = _cells(facts, options)
        reads = spec.samples * placed.cells.spins
        if chain is None:
            states, drawn = _draw(program, spec, placed, laid, cells)
            samples = placed.read(states)[: spec.samples]
            outputs, quality = _outputs(graph, samples), _quality(graph, spec, samples, states, placed)
            quality |= _memory(placed.read(states), laid)
        else:
            pictures = generate(
                chain, spec.samples, spec.sweeps, seed=program.seed, cells=cells, interval_s=COLOURS / laid.clock_hz
            )
            reads = pictures.size
            drawn = placed.cells.spins * spec.samples * spec.steps * spec.sweeps
            outputs, quality = {"pictures": pictures.astype(np.float32)}, _score(spec, pictures)
        return Run(
            outputs=outputs,
            format=self.format(program),
            cycles=laid.cycles,
            clock_hz=laid.clock_hz,
            energy_j=_energy(laid, drawn, reads, placed.cells.spins * laid.copies * spec.steps, facts, options),
            utilisation=laid.utilisation(drawn, held),
            events=laid.events(),
            facts={
                "spins": graph.spins,
                "cells": needed,
                "copies side by side": laid.copies,
                "rounds": laid.rounds,
                **quality,
                **_noise(cells, laid),
            },
            figures=facts.used,
        )

    def floorplan(self, chip: Chip) -> tuple[Tile, ...]:
        """A chessboard of cells with converters above and readout below; no photograph or plan is published."""
        del chip
        board = tuple(Tile("", f"colour {(x + y) % 2}", x, y + 2, 1, 1) for x in range(12) for y in range(12))
        return (
            *board,
            Tile("readout", "readout", 0, 0.5, 12, 1.2),
            Tile("couplings and biases: converters", "writing", 0, 14.3, 12, 1.2),
        )


def _cells(facts: Facts, options: Mapping[str, Value]) -> Cells:
    """The cells that were asked for: one by one, else all ideal or all as assumed."""
    assumed = options["cells"] == "assumed"

    def chosen(option: str, key: str, scale: float) -> float:
        asked = float(options[option])  # -1: as `cells` says
        if asked >= 0:
            return asked * scale
        return facts.own(key).value if assumed else 0.0

    return Cells(
        bits=round(chosen("bits", "cells.bits", 1)),
        gain=chosen("gain", "cells.gain", 1),
        offset=chosen("offset", "cells.offset", 1),
        correlation_s=chosen("correlation_ns", "cells.correlation", 1e-9),
    )


def _draw(program: Program, spec: Spec, placed: Placement, laid: Plan, cells: Cells) -> tuple[Spins, int]:
    """States of the cells at every readout (rounds * copies, cells), and how many draws the kept ones took."""
    clamped = dict(spec.clamps)
    which = np.flatnonzero(np.isin(placed.spin, list(clamped)))
    sampler = Sampler(
        placed.cells, laid.copies, program.seed, cells=cells, interval_s=COLOURS / laid.clock_hz, clamped=which,
        colours=placed.colours,
    )  # fmt: skip
    if len(which):
        sampler.set_spins(which, np.array([clamped[int(spin)] for spin in placed.spin[which]]))
    sampler.sweep(laid.warmup)
    states = sampler.samples(laid.rounds, laid.sweeps).reshape(-1, placed.cells.spins)
    return states, sampler.free * (spec.samples * laid.sweeps + laid.copies * laid.warmup)


def _energy(
    laid: Plan, drawn: int, reads: int, writes: int, facts: Facts, options: Mapping[str, Value]
) -> dict[str, Interval]:
    """Joules of so many draws, cells read and cells written."""
    cell = facts.of_chip("energy.cell")
    if options["cell_fj"]:
        cell = facts.used["energy.cell"] = cell.at(float(options["cell_fj"]) * 1e-15)
    parts = {"sampling": joules(drawn, cell), "readout": joules(reads, facts.of_chip("energy.read"))}
    if laid.writing:
        parts["writing"] = joules(writes, facts.of_chip("energy.write"))
    return parts


def _score(spec: Spec, pictures: Spins) -> dict[str, str | int | float]:
    """How many pictures are what they should be, beside fresh data and noise."""
    if spec.denoise is None or spec.denoise.scored is None:
        return {}
    share, away, counts = digits.recognised(pictures)
    return {
        "recognised as digits": share,
        "pixels to the nearest digit": away,
        "digits of each kind": " ".join(map(str, counts)),
        "recognised of fresh data": digits.recognised(digits.draw(len(pictures), 1)[0])[0],
    }


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


def _memory(states: Spins, laid: Plan) -> dict[str, str | int | float]:
    """How much of a copy's magnetisation one readout leaves to the next: near 0 if the sweeps between them suffice."""
    if laid.rounds < 3:
        return {}
    means = states.mean(axis=1, dtype=np.float64).reshape(laid.rounds, laid.copies)
    away = means - means.mean()
    spread = float((away**2).mean())
    return {"magnetisation kept between rounds": float((away[1:] * away[:-1]).mean()) / spread} if spread else {}


def _noise(cells: Cells, laid: Plan) -> dict[str, str | int | float]:
    if cells == IDEAL:
        return {"imperfect cells": "none"}
    found: dict[str, str | int | float] = {"converter bits": cells.bits or "exact", "gain spread": cells.gain}
    stay = cells.stay(COLOURS / laid.clock_hz)
    return found | {"offset spread": cells.offset, "noise kept from draw to draw": stay}
