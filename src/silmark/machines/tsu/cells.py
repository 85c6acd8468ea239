"""From a graph to what the cells are programmed with, and how real cells differ from ideal ones.

    P(s_i = +1) = sigma((2 beta gamma_i + d_i) / (1 + g_i)),  gamma_i = b_i + sum_j J_ij s_j

after Eq. D6 of arXiv:2510.23972, sigma(V / V_s - phi), with a slope and a centre of its own for every cell. All of it
folds into the cell's row of couplings and its field, so that imperfect cells cost an emulation nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from silmark.errors import BadValue
from silmark.machines.tsu.graph import Floats, Graph, Ints

Singles = npt.NDArray[np.float32]
STEP = 4
"""Neighbours that the core adds at a time; rows are padded to multiples of it with couplings of 0."""


@dataclass(frozen=True, slots=True)
class Cells:
    """How cells differ from ideal ones; all zero is ideal.

    Attributes:
        bits: bits of the converters that set couplings and biases, sign included; 0: exact.
        gain: spread between cells of the slope, relative, one standard deviation.
        offset: spread between cells of the centre, in units of the sigmoid's argument, one standard deviation.
        correlation_s: time in which a cell's noise forgets (tau0); 0: every draw is fresh.
        seed: which chip: its gains and offsets.
    """

    bits: int = 0
    gain: float = 0.0
    offset: float = 0.0
    correlation_s: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.bits and not 2 <= self.bits <= 24:
            raise BadValue("bits", self.bits, "2 to 24 bits, or 0 for exact couplings")
        for name in ("gain", "offset", "correlation_s"):
            if not 0 <= getattr(self, name) < (0.3 if name == "gain" else math.inf):
                most = " below 0.3" if name == "gain" else ""
                raise BadValue(name, getattr(self, name), f"a number of at least 0{most}")

    def stay(self, interval_s: float) -> float:
        """Probability that the noise has not renewed itself since the last draw: exp(-t / tau0).

        The circuit's output is a telegraph signal, whose autocorrelation decays so; as renewal of the whole uniform
        number it keeps every probability of a single draw exact.
        """
        return math.exp(-interval_s / self.correlation_s) if self.correlation_s > 0 else 0.0


IDEAL = Cells()


@dataclass(frozen=True, slots=True, eq=False)
class Programmed:
    """A graph as the core reads it: rows padded to whole steps, slopes folded in.

    Attributes:
        start, neighbour, weight: rows; weight is 2 beta J / (1 + g).
        field: what biases and centres add to the sigmoid's argument, (spins,) or (chains, spins).
    """

    start: Ints
    neighbour: Ints
    weight: Singles
    field: Singles


def converted(values: Floats, bits: int) -> Floats:
    """Values as converters of that many bits hold them: symmetric codes, ties to even, the largest value full scale."""
    full_scale = float(np.abs(values).max(initial=0.0))
    if bits == 0 or full_scale == 0:
        return values
    most = 2 ** (bits - 1) - 1
    return np.asarray(np.rint(values * (most / full_scale)) * (full_scale / most), dtype=np.float64)


def programmed(graph: Graph, cells: Cells, biases: Floats) -> Programmed:
    """Writes a graph into cells, with its biases or each chain's own: (spins,) or (chains, spins)."""
    couplings = converted(graph.couplings, cells.bits)
    rng = np.random.default_rng(cells.seed)
    slope = 1.0 / (1.0 + np.clip(cells.gain * rng.standard_normal(graph.spins), -0.9, None))
    centre = cells.offset * rng.standard_normal(graph.spins)
    field = (2.0 * graph.beta * converted(biases, cells.bits) + centre) * slope
    start, neighbour, edge = graph.rows
    padded = -(-graph.degrees // STEP) * STEP
    first = np.concatenate([[0], np.cumsum(padded)]).astype(np.int32)
    place = np.arange(len(neighbour)) + np.repeat(first[:-1] - start[:-1], graph.degrees)
    near = np.zeros(first[-1], dtype=np.int32)
    weight = np.zeros(first[-1], dtype=np.float32)
    near[place] = neighbour
    weight[place] = 2.0 * graph.beta * couplings[edge] * np.repeat(slope, graph.degrees)
    return Programmed(first, near, weight, field.astype(np.float32))
