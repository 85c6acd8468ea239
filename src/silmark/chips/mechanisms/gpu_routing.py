"""Where tokens go when experts are not equally popular: the load of the busiest rank.

Benchmarks of fused expert kernels draw each expert's popularity from a power law and time the rank with the most
rows. The law here is the bounded Pareto distribution between one token and four fifths of all (inverse transform
sampling); the load of the busiest rank is the mean over a few fixed draws.
"""

from __future__ import annotations

import numpy as np

from silmark.chips.mechanisms.gpu_experts import ROWS, Routing
from silmark.graph import Array

_DRAWS = 8
_MOST = 0.8  # of all tokens that the most popular expert may attract before scaling


def balanced(tokens: Array, experts: Array, top_k: Array, ranks: Array) -> Routing:
    """Rows spread as evenly as whole rows allow."""
    pairs = tokens * top_k / ranks
    touched = np.minimum(experts / ranks, pairs)
    rows = ROWS[:, None]
    each = pairs / touched
    return Routing(pairs, touched, np.maximum(touched, touched * np.ceil(each / rows)), tokens * top_k)


def skewed(tokens: Array, experts: Array, top_k: Array, ranks: Array, alpha: float) -> Routing:
    """Loads of the busiest rank under a power law.

    Args:
        tokens, experts, top_k, ranks: per row; experts and top_k of the whole layer.
        alpha: exponent; the larger, the more equal most experts are.
    """
    loads = np.array(
        [_busiest(t, int(e), k, int(r), alpha) for t, e, k, r in zip(tokens, experts, top_k, ranks, strict=True)]
    ).T
    return Routing(loads[0], np.maximum(loads[1], 0.3), np.maximum(loads[2:], 0.3), tokens * top_k)


def _busiest(tokens: float, experts: int, top_k: float, ranks: int, alpha: float) -> Array:
    """Rows, touched experts and tiles per tile shape of the busiest rank, means over the draws."""
    rng = np.random.default_rng(0)
    power = 1.0 - alpha
    most = max(_MOST * tokens, 1.0001) ** power
    found = []
    for _ in range(_DRAWS):
        popularity = ((most - 1.0) * rng.random(experts) + 1.0) ** (1.0 / power)
        share = np.minimum(popularity / popularity.sum() * tokens * top_k, tokens)
        share = np.minimum(share * (tokens * top_k / share.sum()), tokens)
        by_rank = rng.permutation(share).reshape(ranks, -1)
        own = by_rank[np.argmax(by_rank.sum(axis=1))]
        counts = np.floor(own) + (rng.random(own.size) < own - np.floor(own))
        tiles = np.ceil(counts[None, :] / ROWS[:, None]).sum(axis=1)
        found.append([counts.sum(), (counts > 0).sum(), *tiles])
    return np.asarray(np.mean(found, axis=0))
