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
from silmark.machines.tsu.kernel import STEP

Singles = npt.NDArray[np.float32]


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
    """A graph as the core reads it: rows padded to whole steps, weights and slopes folded together.

    Attributes:
        start, neighbour, weight: rows; weight is 2 beta J / (1 + g).
        slope, centre: 1 / (1 + g) and d / (1 + g) of every spin.
        full_scale: what the largest code of a bias stands for; 0: biases are exact.
        bits: of a bias.
        twice_beta: 2 beta.
    """

    start: Ints
    neighbour: Ints
    weight: Singles
    slope: Floats
    centre: Floats
    full_scale: float
    bits: int
    twice_beta: float

    def field(self, biases: Floats) -> Singles:
        """What biases (..., spins) add to the sigmoid's argument."""
        held = converted(biases, self.bits, self.full_scale)
        return (held * self.twice_beta * self.slope + self.centre).astype(np.float32)


def converted(values: Floats, bits: int, full_scale: float) -> Floats:
    """Values as a converter of that many bits holds them: symmetric codes, ties to even, saturating."""
    if bits == 0 or full_scale == 0:
        return values
    most = 2 ** (bits - 1) - 1
    return np.clip(np.rint(values * (most / full_scale)), -most, most) * (full_scale / most)


def programmed(graph: Graph, cells: Cells = IDEAL, most_bias: float = 0.0) -> Programmed:
    """Writes a graph into cells.

    Args:
        graph: the model.
        cells: the chip's imperfections.
        most_bias: full scale of biases that change later (at least the graph's own largest).
    """
    couplings = converted(graph.couplings, cells.bits, float(np.abs(graph.couplings).max(initial=0.0)))
    rng = np.random.default_rng(cells.seed)
    gains = np.clip(cells.gain * rng.standard_normal(graph.spins), -0.9, None)
    slope = 1.0 / (1.0 + gains)
    centre = cells.offset * rng.standard_normal(graph.spins) * slope
    start, neighbour, edge = graph.rows
    padded = -(-graph.degrees // STEP) * STEP
    first = np.concatenate([[0], np.cumsum(padded)]).astype(np.int32)
    place = np.arange(len(neighbour)) + np.repeat(first[:-1] - start[:-1], graph.degrees)
    near = np.zeros(first[-1], dtype=np.int32)
    weight = np.zeros(first[-1], dtype=np.float32)
    near[place] = neighbour
    weight[place] = 2.0 * graph.beta * couplings[edge] * np.repeat(slope, graph.degrees)
    scale = max(most_bias, float(np.abs(graph.biases).max(initial=0.0)))
    return Programmed(first, near, weight, slope, centre, scale, cells.bits, 2.0 * graph.beta)
