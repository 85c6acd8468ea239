"""Thermodynamic sampler (Extropic): a grid of probabilistic bits that draws from Ising models by two-colour Gibbs."""

from silmark.machines.tsu.machine import Tsu

__all__ = ["Tsu"]
