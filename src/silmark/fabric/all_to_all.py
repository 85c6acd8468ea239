"""All-to-all: every chip sends a different part to each other; the payload is what one chip sends in total.

On rings, tori and meshes parts travel several hops and use up links on the way.
"""

from __future__ import annotations

from silmark.fabric.terms import Algorithm

ALGORITHMS: dict[str, Algorithm] = {
    "all_to_all_direct": Algorithm(lambda n, s: s.hops / s.direct, lambda n, s: s.depth),
}
