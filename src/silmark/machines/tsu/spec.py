"""The `graph` of a program: which model, which spins are clamped, how many samples; bounded and checked."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from silmark.errors import BadFile, BadValue
from silmark.machines.program import Program
from silmark.machines.tsu.denoise import Denoiser, spread_pixels
from silmark.machines.tsu.graph import Graph, lattice, make
from silmark.machines.weights import Weights

MOST_SPINS = 1 << 20
MOST_UPDATES = 1 << 35
"""Spins times sweeps times samples: a minute of a processor's core."""
MOST_STATES = 1 << 26
"""Spins times samples that are kept."""
Number = Annotated[float, Field(ge=-1e3, le=1e3, allow_inf_nan=False)]
Code = Annotated[int, Field(ge=-(1 << 23), le=1 << 23)]
Count = Annotated[int, Field(ge=0, le=1 << 24)]


class Denoising(BaseModel):
    """A chain of models on the lattice, each of which takes away some noise; see `denoise`.

    Attributes:
        flips: probability that a pixel flips in one step of noise.
        picture: pixels along an edge; they lie evenly over the lattice.
        couplings, biases: whole numbers for every edge and spin of every step, the clean picture's first.
        coupling_units, bias_units: what 1 stands for, for each step.
        scored: what the pictures should be: `digits` of the package's own.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    flips: Annotated[float, Field(gt=0, lt=0.5)]
    picture: Annotated[int, Field(ge=1, le=1024)]
    couplings: Annotated[list[list[Code]], Field(min_length=1, max_length=64)]
    biases: Annotated[list[list[Code]], Field(min_length=1, max_length=64)]
    coupling_units: list[Number]
    bias_units: list[Number]
    scored: Literal["digits"] | None = None


class Spec(BaseModel):
    """A model by lattice or by edges, and how it is sampled.

    Attributes:
        lattice, side, periodic: a published lattice of side x side spins.
        coupling, bias: of all its edges and spins; `spread` and `bias_spread` add normal deviates of that size, drawn
            from the program's seed.
        spins, edges, biases: any other graph; an edge is [i, j, J].
        beta: inverse temperature.
        clamps: [spin, -1 or 1] each.
        samples: how many.
        warmup, sweeps: sweeps before all, and before each sample of a chain.
        denoise: a chain of models that shares the lattice's wiring; a sample is then a picture.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    lattice: Literal["square", "g12", "z1"] | None = None
    side: Annotated[int, Field(ge=2, le=1024)] = 70
    periodic: bool = False
    coupling: Number = 0.0
    spread: Annotated[float, Field(ge=0, le=1e3)] = 0.0
    bias: Number = 0.0
    bias_spread: Annotated[float, Field(ge=0, le=1e3)] = 0.0
    spins: Annotated[int, Field(ge=1, le=MOST_SPINS)] | None = None
    edges: Annotated[list[tuple[Count, Count, Number]], Field(max_length=1 << 20)] = []
    biases: Annotated[list[Number], Field(max_length=MOST_SPINS)] = []
    beta: Annotated[float, Field(ge=0, le=1e3, allow_inf_nan=False)] = 1.0
    clamps: Annotated[list[tuple[Count, Literal[-1, 1]]], Field(max_length=MOST_SPINS)] = []
    samples: Annotated[int, Field(ge=1, le=1 << 20)] = 64
    warmup: Count = 0
    sweeps: Annotated[int, Field(ge=1, le=1 << 24)] = 250
    denoise: Denoising | None = None

    @model_validator(mode="after")
    def _sound(self) -> Spec:
        if (self.lattice is None) == (self.spins is None):
            raise ValueError("expected either a lattice or spins with edges")
        if self.lattice is not None and (self.edges or self.biases):
            raise ValueError("a lattice has its own edges; give coupling and bias")
        if self.biases and len(self.biases) != self.count:
            raise ValueError(f"expected {self.count} biases, one for each spin")
        clamped = [spin for spin, _ in self.clamps]
        if len(set(clamped)) != len(clamped) or max(clamped, default=0) >= self.count:
            raise ValueError(f"clamps must name different spins from 0 to {self.count - 1}")
        if self.denoise is not None and (self.lattice is None or self.clamps or self.warmup):
            raise ValueError("denoise needs a lattice, and neither clamps nor warmup")
        work = self.count * self.samples * (self.sweeps * self.steps + self.warmup)
        if work > MOST_UPDATES or self.count * self.samples > MOST_STATES:
            raise ValueError(
                f"{work:,} updates and {self.count * self.samples:,} kept spins; "
                f"expected at most {MOST_UPDATES:,} and {MOST_STATES:,}"
            )
        return self

    @property
    def count(self) -> int:
        """Spins."""
        return self.side * self.side if self.spins is None else self.spins

    @property
    def steps(self) -> int:
        """Models that a sample passes through."""
        return 1 if self.denoise is None else len(self.denoise.couplings)


def read(program: Program) -> tuple[Spec, Graph]:
    """The checked description and its graph.

    Weights, where the program names a file, are the tensors `couplings` (edges,) in the order of the lattice or of
    the list, and `biases` (spins,).

    Raises:
        BadFile: names the key and what would be right.
    """
    try:
        spec = Spec.model_validate({**program.graph, **_as_tuples(program)})
        graph = _graph(spec, program.seed)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        remedy = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            remedy = f"unknown key; a graph has {', '.join(Spec.model_fields)}"
        key = ".".join(["graph", *map(str, first["loc"])])
        raise BadFile(program.path, remedy, key) from None
    except BadValue as wrong:
        raise BadFile(program.path, str(wrong), "graph") from None
    weights = Weights(program.weights)
    couplings, biases = weights.vector("couplings", len(graph.edges)), weights.vector("biases", graph.spins)
    weights.close()
    if couplings is not None and biases is not None:
        graph = replace(graph, couplings=couplings.astype(np.float64), biases=biases.astype(np.float64))
    return spec, graph


def denoiser(program: Program, spec: Spec, wiring: Graph) -> Denoiser | None:
    """The chain of models, None where the program has none; raises BadFile where its numbers do not fit the lattice."""
    given = spec.denoise
    if given is None:
        return None
    for name, rows, units, wanted in (
        ("couplings", given.couplings, given.coupling_units, len(wiring.edges)),
        ("biases", given.biases, given.bias_units, wiring.spins),
    ):
        if {len(row) for row in rows} != {wanted} or not len(rows) == len(units) == spec.steps:
            problem = f"expected {wanted:,} numbers for each of {spec.steps} steps, and a unit for each step"
            raise BadFile(program.path, problem, f"graph.denoise.{name}")
    if given.picture > spec.side:
        raise BadFile(program.path, f"expected at most {spec.side}, the side of the lattice", "graph.denoise.picture")
    couplings = np.asarray(given.couplings, dtype=np.float64) * np.asarray(given.coupling_units)[:, None]
    biases = np.asarray(given.biases, dtype=np.float64) * np.asarray(given.bias_units)[:, None]
    return Denoiser(wiring, spread_pixels(spec.side, given.picture), couplings, biases, given.flips)


def denoising(made: Denoiser, bits: int = 8, scored: Literal["digits"] | None = None) -> dict[str, object]:
    """A learned chain as the `denoise` of a program, its numbers rounded to codes of so many bits."""
    most = 2 ** (bits - 1) - 1
    found: dict[str, object] = {"flips": made.flips, "picture": math.isqrt(len(made.pixels)), "scored": scored}
    for name, values in (("coupling", made.couplings), ("bias", made.biases)):
        units = np.abs(values).max(axis=1) / most
        found[f"{name}_units"] = units.tolist()
        found["couplings" if name == "coupling" else "biases"] = np.rint(values / units[:, None]).astype(int).tolist()
    return found


def _as_tuples(program: Program) -> dict[str, object]:
    """JSON has no tuples, which strict checking asks for."""
    found: dict[str, object] = {}
    for key in ("edges", "clamps"):
        rows = program.graph.get(key)
        if isinstance(rows, list):
            found[key] = [tuple(row) if isinstance(row, list) else row for row in rows]
    return found


def _graph(spec: Spec, seed: int) -> Graph:
    if spec.lattice is None:
        ends = [(i, j) for i, j, _ in spec.edges]
        biases = spec.biases or [spec.bias] * spec.count
        plain = make(biases, ends, [strength for *_, strength in spec.edges], spec.beta)
    else:
        plain = lattice(spec.lattice, spec.side, spec.coupling, bias=spec.bias, beta=spec.beta, periodic=spec.periodic)
    if not (spec.spread or spec.bias_spread):
        return plain
    rng = np.random.default_rng([seed, 3])
    couplings = plain.couplings + spec.spread * rng.standard_normal(len(plain.edges))
    return replace(
        plain, couplings=couplings, biases=plain.biases + spec.bias_spread * rng.standard_normal(plain.spins)
    )
