"""Reduce-scatter: every chip gets one n-th of the sum; the payload is the whole tensor that each chip holds."""

from __future__ import annotations

from silmark.fabric.terms import Algorithm, on_axes

ALGORITHMS: dict[str, Algorithm] = {
    "reduce_scatter_ring": Algorithm(lambda n, s: (n - 1) / n / s.ring, lambda n, s: s.steps),
    "reduce_scatter_bucket": Algorithm(lambda n, s: (n - 1) / n / s.ring, lambda n, s: s.steps, on_axes),
    "reduce_scatter_direct": Algorithm(lambda n, s: (n - 1) / n * s.hops / s.direct, lambda n, s: s.depth),
}
