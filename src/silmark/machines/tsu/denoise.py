"""A small denoising thermodynamic model: a chain of Ising models, each of which undoes some noise (arXiv:2510.23972).

Forward, every pixel flips with probability q per step. Backward, one step draws

    P(x', z | x) ~ exp(gamma / 2 sum_i x'_i x_i - E(x', z)),   gamma = ln((1 - q) / q),

where x is the noisier picture, x' the cleaner one on the cells that are pixels, and z the cells that are not (gamma is
Eq. A20 for two states, q = (1 - exp(-2 g t)) / 2). So the input acts as a field of +-gamma / 2 on the pixels' cells.
The gradient of the likelihood is a difference of means, <s_i s_j> with the pixels clamped to data minus the same with
pixels drawn; both are estimated by the sampler itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from silmark.machines.tsu.cells import IDEAL, Cells
from silmark.machines.tsu.graph import Floats, Graph, Ints, lattice
from silmark.machines.tsu.sampler import Sampler, Spins

_RATE, _MOMENTUM, _SQUARES = 0.02, 0.9, 0.99
_CLAMPED, _DRAWN = 20, 60


@dataclass(frozen=True, eq=False)
class Denoiser:
    """A chain of models on one lattice.

    Attributes:
        wiring: the lattice; its own couplings are not used.
        pixels: cell of every pixel, row by row.
        couplings, biases: (steps, edges) and (steps, cells); step 0 makes the clean picture.
        flips: q, probability that a pixel flips in one step of noise.
    """

    wiring: Graph
    pixels: Ints
    couplings: Floats
    biases: Floats
    flips: float

    @property
    def steps(self) -> int:
        """Models in the chain."""
        return len(self.couplings)

    @property
    def gamma(self) -> float:
        """Coupling of a pixel to its noisier self, twice over."""
        return math.log((1 - self.flips) / self.flips)

    def model(self, step: int) -> Graph:
        """The graph of one step."""
        return replace(self.wiring, couplings=self.couplings[step], biases=self.biases[step])

    def inputs(self, step: int, noisy: Spins) -> Floats:
        """Biases of every cell for each picture of a batch, shape (pictures, cells)."""
        found = np.repeat(self.biases[step][None], len(noisy), axis=0)
        found[:, self.pixels] += self.gamma / 2 * noisy
        return found


def spread_pixels(side: int, picture: int) -> Ints:
    """Cells of the pixels of a picture x picture image, evenly over a lattice of side x side; the others are latent."""
    line = np.floor((np.arange(picture) + 0.5) * side / picture).astype(np.int32)
    return (line[:, None] * side + line).ravel()


def flips_of(steps: int, left: float = 0.05) -> float:
    """Probability of a flip per step that leaves a correlation `left` with the picture after all steps."""
    return (1.0 - math.exp(math.log(left) / steps)) / 2


def noised(pictures: Spins, flips: float, times: int, rng: np.random.Generator) -> Spins:
    """Pictures after so many steps of noise."""
    odd = (1 - (1 - 2 * flips) ** times) / 2  # flipped an odd number of times
    return np.where(rng.random(pictures.shape, dtype=np.float32) < odd, -pictures, pictures).astype(np.int8)


def train(
    pictures: Spins,
    *,
    kind: str = "z1",
    side: int = 24,
    steps: int = 4,
    updates: int = 500,
    batch: int = 256,
    seed: int = 0,
    told: Callable[[int, int, float], None] = lambda step, update, gap: None,
) -> Denoiser:
    """Learns a chain of models from square pictures of +-1, shape (pictures, pixels).

    Args:
        pictures: the data.
        kind, side: lattice of every model.
        steps: models in the chain.
        updates: of the weights of each model.
        batch: pictures per update.
        seed: of everything that is drawn.
        told: hears step, update and the root mean square of the gradient after every update.
    """
    wiring = lattice(kind, side)
    pixels = spread_pixels(side, math.isqrt(pictures.shape[1]))
    rng = np.random.default_rng([seed, 4])
    couplings = rng.normal(0, 0.02, (steps, len(wiring.edges)))
    made = Denoiser(wiring, pixels, couplings, np.zeros((steps, wiring.spins)), flips_of(steps))
    for step in range(steps):
        fit = _Adam(made.couplings[step], made.biases[step])
        for update in range(updates):
            data = noised(pictures[rng.integers(0, len(pictures), batch)], made.flips, step, rng)
            gradient = _gradient(made, step, data, rng)
            fit.step(gradient, _RATE * min(1.0, 2 * (1 - update / updates)))
            told(step, update, float(np.sqrt((gradient[0] ** 2).mean())))
    return made


def _gradient(made: Denoiser, step: int, data: Spins, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Means with the pixels clamped to data less the means with pixels drawn: (edges,) and (cells,)."""
    noisy = noised(data, made.flips, 1, rng)
    graph, colours = made.model(step), made.wiring.colours
    seeds = rng.integers(0, 1 << 31, 2).tolist()
    clamped = Sampler(graph, len(data), seeds[0], clamped=made.pixels, colours=colours)
    clamped.set_spins(made.pixels, data)
    clamped.sweep(_CLAMPED)
    drawn = Sampler(graph, len(data), seeds[1], biases=made.inputs(step, noisy), colours=colours)
    drawn.set_spins(made.pixels, noisy)
    drawn.sweep(_DRAWN)
    (up, pairs), (other_up, other_pairs) = clamped.moments(), drawn.moments()
    return pairs - other_pairs, up - other_up


class _Adam:
    """D. Kingma and J. Ba, arXiv:1412.6980, ascending, on arrays that it changes in place."""

    def __init__(self, *values: Floats) -> None:
        self._values = values
        self._first = [np.zeros_like(value) for value in values]
        self._second = [np.zeros_like(value) for value in values]
        self._count = 0

    def step(self, gradients: tuple[Floats, ...], rate: float) -> None:
        """One step uphill."""
        self._count += 1
        for index, gradient in enumerate(gradients):
            self._first[index] += (1 - _MOMENTUM) * (gradient - self._first[index])
            self._second[index] += (1 - _SQUARES) * (gradient**2 - self._second[index])
            scale = np.sqrt(self._second[index] / (1 - _SQUARES**self._count)) + 1e-4
            self._values[index][...] += rate * self._first[index] / (1 - _MOMENTUM**self._count) / scale


def generate(
    made: Denoiser, count: int, sweeps: int = 250, *, seed: int = 0, cells: Cells = IDEAL, interval_s: float = 0.0
) -> Spins:
    """Pictures (count, pixels) from noise, down the chain.

    Args:
        made: the models.
        count: pictures.
        sweeps: of every step, from a random state of the cells.
        seed: of all draws.
        cells, interval_s: imperfections of the chip, and the time between two draws of a cell.
    """
    rng = np.random.default_rng([seed, 5])
    found: npt.NDArray[np.int8] = (1 - 2 * rng.integers(0, 2, (count, len(made.pixels)))).astype(np.int8)
    for step in reversed(range(made.steps)):
        sampler = Sampler(
            made.model(step), count, seed * 1000 + step, cells=cells, interval_s=interval_s,
            biases=made.inputs(step, found), colours=made.wiring.colours,
        )  # fmt: skip
        sampler.sweep(sweeps)
        found = sampler.spins[:, made.pixels]
    return found
