"""Thermodynamic sampler (Extropic): a grid of probabilistic bits that draws from Ising models by two-colour Gibbs."""
