"""All-gather: every chip gets the parts of all; the payload is the gathered result, of which 1 / n is there already."""

from __future__ import annotations

from silmark.fabric.terms import Algorithm, on_axes

ALGORITHMS: dict[str, Algorithm] = {
    "all_gather_ring": Algorithm(lambda n, s: (n - 1) / n / s.ring, lambda n, s: s.steps),
    "all_gather_bucket": Algorithm(lambda n, s: (n - 1) / n / s.ring, lambda n, s: s.steps, on_axes),
    "all_gather_direct": Algorithm(lambda n, s: (n - 1) / n * s.hops / s.direct, lambda n, s: s.depth),
}
