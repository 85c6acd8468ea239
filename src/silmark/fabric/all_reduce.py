"""All-reduce: every chip gets the sum of everybody's tensor; the payload is the whole tensor.

one_shot: everybody sends its tensor to everybody and adds; one exchange, (n - 1) payloads.
two_shot: everybody adds one n-th and sends it round; two exchanges, 2 (n - 1) / n payloads.
ring: the same traffic in 2 (n - 1) steps between neighbours (a bucket per dimension on a torus).
in_switch: the switch adds while chips read, and copies while they write: (n + 1) / n payloads per direction.
"""

from __future__ import annotations

from silmark.fabric.terms import Algorithm

ALGORITHMS: dict[str, Algorithm] = {
    "all_reduce_one_shot": Algorithm(lambda n, s: (n - 1) * s.hops / s.direct, lambda n, s: s.depth),
    "all_reduce_two_shot": Algorithm(lambda n, s: 2 * (n - 1) / n * s.hops / s.direct, lambda n, s: 2 * s.depth),
    "all_reduce_ring": Algorithm(lambda n, s: 2 * (n - 1) / n / s.ring, lambda n, s: 2 * s.steps),
    "all_reduce_in_switch": Algorithm(
        lambda n, s: (n + 1) / n, lambda n, s: 2 * s.steps, lambda n, link: link.in_network_reduction
    ),
}
