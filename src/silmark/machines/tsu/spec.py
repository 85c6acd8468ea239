"""The `graph` of a program: which model, which spins are clamped, how many samples; bounded and checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from silmark.errors import BadFile, BadValue
from silmark.machines.program import Program
from silmark.machines.tsu.graph import Graph, lattice, make
from silmark.machines.weights import Weights

MOST_SPINS = 1 << 20
MOST_UPDATES = 1 << 35
"""Spins times sweeps times samples: a minute of a processor's core."""
MOST_STATES = 1 << 26
"""Spins times samples that are kept."""
Number = Annotated[float, Field(ge=-1e3, le=1e3, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1 << 24)]


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
        work = self.count * self.samples * self.sweeps + self.count * self.warmup
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
        raise BadFile(program.name, remedy, key) from None
    except BadValue as wrong:
        raise BadFile(program.name, str(wrong), "graph") from None
    weights = Weights(program.weights)
    couplings, biases = weights.vector("couplings", len(graph.edges)), weights.vector("biases", graph.spins)
    weights.close()
    if couplings is not None and biases is not None:
        graph = replace(graph, couplings=couplings.astype(np.float64), biases=biases.astype(np.float64))
    return spec, graph


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
        plain = lattice(
            spec.lattice, spec.side, spec.coupling, bias=spec.bias, beta=spec.beta, periodic=spec.periodic
        )
    if not (spec.spread or spec.bias_spread):
        return plain
    rng = np.random.default_rng([seed, 3])
    couplings = plain.couplings + spec.spread * rng.standard_normal(len(plain.edges))
    return replace(plain, couplings=couplings, biases=plain.biases + spec.bias_spread * rng.standard_normal(plain.spins))
