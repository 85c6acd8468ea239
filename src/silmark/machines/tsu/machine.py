"""The thermodynamic sampler as a machine: a graph is placed on cells, swept, read; cycles and joules are counted.

One cycle is the time that the cells of one colour take to draw. A round is `sweeps` cycles of each colour and a
readout; as many copies of the graph as fit run side by side. Couplings are resident unless `load=written`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from silmark.chips import Chip
from silmark.figures import Interval
from silmark.machines.base import Facts, Machine, Option, Tile, Value
from silmark.machines.program import Program
from silmark.machines.run import Array, Refusal, Run, joules
from silmark.machines.tsu import digits, exact
from silmark.machines.tsu.cells import IDEAL, Cells
from silmark.machines.tsu.denoise import Denoiser, generate
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
        """Draws the samples of a graph, or the pictures of a chain of models."""
        facts = Facts(self.name, chip)
        spec, graph = read(program)
        chain = denoiser(program, spec, graph)
        placed = _placed(spec, graph, facts)
        if isinstance(placed, Refusal):
            return placed
        laid = plan(spec, placed.cells.spins, facts, written=options["load"] == "written")
        cells = _cells(facts, options)
        if chain is None:
            done = _sampled(program.seed, spec, graph, placed, laid, cells)
        else:
            done = _denoised(program.seed, spec, chain, laid, cells)
        resident = placed.cells.spins * spec.steps
        return Run(
            outputs=done.outputs,
            format=self.format(program),
            cycles=laid.cycles,
            clock_hz=laid.clock_hz,
            energy_j=_energy(laid, done, laid.copies * resident, facts, options),
            utilisation=laid.utilisation(done.draws, int(facts.of_chip("compute.cells").value)),
            events=laid.events(),
            facts={
                "spins": graph.spins,
                "cells": resident,
                "copies side by side": laid.copies,
                "rounds": laid.rounds,
                **done.quality,
                **_noise(cells, laid),
            },
            figures=facts.used,
        )

    def floorplan(self, chip: Chip) -> tuple[Tile, ...]:
        """A chessboard of the two colours between converters and readout: a sketch, since no plan is published."""
        del chip
        board = (
            Tile(f"colour {(x + y) % 2}", f"colour {(x + y) % 2}", 2 * x, 2 * y + 2, 2, 2)
            for x in range(6)
            for y in range(6)
        )
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


@dataclass(frozen=True, slots=True)
class _Done:
    """What was drawn.

    Attributes:
        outputs: by name.
        quality: facts about them.
        draws: of cells, for samples that are kept.
        reads: cells read out for them.
    """

    outputs: dict[str, Array]
    quality: dict[str, str | int | float]
    draws: int
    reads: int


def _placed(spec: Spec, graph: Graph, facts: Facts) -> Placement | Refusal:
    """The graph on cells; a refusal where the chip has too few, or too few wires."""
    name, held = facts.chip.id, int(facts.of_chip("compute.cells").value)
    degree = int(facts.of_chip("compute.degree").value)
    models = f"{spec.steps} models of " if spec.steps > 1 else ""
    if graph.spins * spec.steps > held:
        return Refusal(f"{models}{graph.spins:,} spins need as many cells; {name} has {held:,}")
    placed = place(graph, degree, facts.own("chain.strength").value)
    if placed is None:
        return Refusal(
            f"{graph.degree} neighbours, or an odd cycle, need chains of cells of 3 wires; {name} has {degree}"
        )
    if placed.chains and spec.denoise is not None:
        return Refusal(f"cells of the models need {graph.degree} wires; {name} has {degree}")
    if placed.cells.spins > held:
        needed = f"{placed.cells.spins:,} cells in chains ({graph.degree} neighbours)"
        return Refusal(f"{graph.spins:,} spins need {needed}; {name} has {held:,}")
    return placed


def _sampled(seed: int, spec: Spec, graph: Graph, placed: Placement, laid: Plan, cells: Cells) -> _Done:
    """Samples of one graph; a copy draws one in every round."""
    clamped = dict(spec.clamps)
    which = np.flatnonzero(np.isin(placed.spin, list(clamped)))
    sampler = Sampler(
        placed.cells, laid.copies, seed, cells=cells, interval_s=COLOURS / laid.clock_hz, clamped=which,
        colours=placed.colours,
    )  # fmt: skip
    if len(which):
        sampler.set_spins(which, np.array([clamped[int(spin)] for spin in placed.spin[which]]))
    sampler.sweep(laid.warmup)
    states = sampler.samples(laid.rounds, laid.sweeps).reshape(-1, placed.cells.spins)
    values = placed.read(states)
    samples = values[: spec.samples]
    return _Done(
        outputs=_outputs(graph, samples),
        quality=_quality(graph, spec, samples) | _chains(placed, states) | _memory(values, laid),
        draws=sampler.free * (spec.samples * laid.sweeps + laid.copies * laid.warmup),
        reads=spec.samples * placed.cells.spins,
    )


def _denoised(seed: int, spec: Spec, chain: Denoiser, laid: Plan, cells: Cells) -> _Done:
    """Pictures from noise, down a chain of models."""
    pictures = generate(chain, spec.samples, spec.sweeps, seed=seed, cells=cells, interval_s=COLOURS / laid.clock_hz)
    return _Done(
        outputs={"pictures": pictures.astype(np.float32)},
        quality=_score(spec, pictures),
        draws=chain.wiring.spins * spec.samples * laid.sweeps,
        reads=pictures.size,
    )


def _energy(laid: Plan, done: _Done, writes: int, facts: Facts, options: Mapping[str, Value]) -> dict[str, Interval]:
    cell = facts.of_chip("energy.cell")
    if options["cell_fj"]:
        cell = facts.used["energy.cell"] = cell.at(float(options["cell_fj"]) * 1e-15)
    parts = {"sampling": joules(done.draws, cell), "readout": joules(done.reads, facts.of_chip("energy.read"))}
    if laid.writing:
        parts["writing"] = joules(writes, facts.of_chip("energy.write"))
    return parts


def _score(spec: Spec, pictures: Spins) -> dict[str, str | int | float]:
    """How many pictures are what they should be, beside fresh data."""
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


def _quality(graph: Graph, spec: Spec, samples: Spins) -> dict[str, str | int | float]:
    """How good samples are, against exact answers where there are any."""
    found: dict[str, str | int | float] = {}
    if len(graph.edges):
        found["neighbour correlation"] = float(graph.agreement(samples).mean())
    alike = len(graph.edges) and (graph.couplings == graph.couplings[0]).all() and not graph.biases.any()
    torus = graph.lattice == "square" and graph.periodic and alike and not spec.clamps
    if torus and (strength := float(graph.beta * graph.couplings[0])) > 0:
        found["of the infinite lattice (Onsager)"] = exact.onsager_correlation(strength)
    if graph.spins <= exact.MOST_SPINS and not spec.clamps:
        means, pairs = exact.moments(graph)
        errors = [np.abs(samples.mean(axis=0) - means).max(), *np.abs(graph.agreement(samples) - pairs)]
        found["largest error of a mean or correlation"] = float(max(errors))
        found["one standard error"] = len(samples) ** -0.5
    return found


def _chains(placed: Placement, states: Spins) -> dict[str, str | int | float]:
    return {"spins in chains": placed.chains, "torn chains": placed.torn(states)} if placed.chains else {}


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
