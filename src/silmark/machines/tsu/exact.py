"""Exact answers that samples are held against: enumeration, transfer matrices, Onsager."""

from __future__ import annotations

import math

import numpy as np

from silmark.errors import BadValue
from silmark.machines.tsu.graph import Floats, Graph

MOST_SPINS = 20
MOST_SIDE = 10


def states(spins: int) -> Floats:
    """All configurations, shape (2^spins, spins); spin 0 is the lowest bit of the row's number."""
    if not 0 < spins <= MOST_SPINS:
        raise BadValue("spins", spins, f"1 to {MOST_SPINS} for an enumeration")
    return np.asarray(2.0 * (np.arange(1 << spins)[:, None] >> np.arange(spins) & 1) - 1.0, dtype=np.float64)


def distribution(graph: Graph) -> Floats:
    """Boltzmann probability of every configuration, in the order of `states`."""
    exponent = -graph.beta * graph.energy(states(graph.spins))
    weight = np.exp(exponent - exponent.max())
    return np.asarray(weight / weight.sum(), dtype=np.float64)


def moments(graph: Graph) -> tuple[Floats, Floats]:
    """Exact means of all spins, and correlations over all edges."""
    every, probability = states(graph.spins), distribution(graph)
    pairs = every[:, graph.edges[:, 0]] * every[:, graph.edges[:, 1]]
    return probability @ every, probability @ pairs


def torus_correlation(side: int, strength: float) -> float:
    """Mean of s_i s_j over neighbours of a periodic square lattice, side x side, at beta J = strength.

    A row's own energy V and its coupling to the next, W, make the transfer matrix T = V^1/2 W V^1/2; the mean of a
    row's own bonds is Tr(D T^side) / Tr(T^side), and rows and columns are alike.
    """
    if not 3 <= side <= MOST_SIDE:
        raise BadValue("side", side, f"3 to {MOST_SIDE}: a transfer matrix has 2^side rows")
    rows = states(side)
    bonds = (rows * np.roll(rows, 1, axis=1)).sum(axis=1)
    half = np.exp(strength * (bonds - side) / 2)
    matrix = half[:, None] * np.exp(strength * (rows @ rows.T - side)) * half
    values, vectors = np.linalg.eigh(matrix)
    share = (values / values[-1]) ** side
    means = (vectors**2 * (bonds / side)[:, None]).sum(axis=0)
    return float((share * means).sum() / share.sum())


def onsager_correlation(strength: float) -> float:
    """The same of the infinite lattice (L. Onsager, Phys. Rev. 65, 117, 1944), strength = beta J > 0.

    (coth 2K / 2) (1 + (2 / pi) (2 tanh^2 2K - 1) K1(k)), k = 2 sinh 2K / cosh^2 2K, with the complete elliptic
    integral by the arithmetic-geometric mean.
    """
    if not strength > 0:
        raise BadValue("strength", strength, "beta J above 0")
    tanh = math.tanh(2 * strength)
    complement = abs(2 * tanh**2 - 1)  # sqrt(1 - k^2)
    one, other = 1.0, complement
    while abs(one - other) > 1e-15 * one and other > 0:
        one, other = (one + other) / 2, math.sqrt(one * other)
    integral = math.inf if other == 0 else math.pi / (2 * one)
    second = (2 * tanh**2 - 1) * integral if complement else 0.0
    return (1 + 2 / math.pi * second) / (2 * tanh)
