"""All-reduce: every chip gets the sum of everybody's tensor; the payload is the whole tensor.

one_shot: everybody sends its tensor to everybody and adds; one exchange, (n - 1) payloads.
two_shot: everybody adds one n-th and sends it round; two exchanges, 2 (n - 1) / n payloads.
ring: the same traffic in 2 (n - 1) steps between neighbours (a bucket per axis on a torus).
tree: two payloads in 2 log2(n) steps, up and down two trees at once (NCCL; inside a node its trees are chains).
bucket: as ring, scheduled at compile time along every axis.
in_switch: the switch adds while chips read, and copies while they write: (n + 1) / n payloads per direction, two steps.

On GPUs one- and two-shot kernels are the engines' own. They write into each other's memory, which PCIe allows in
pairs only: vLLM, SGLang and TensorRT-LLM leave larger groups without NVLink to the library.
"""

from __future__ import annotations

import math

from silmark.fabric.link import COMPILED, Link
from silmark.fabric.terms import Algorithm, on_axes

_PAIR = 2
_NODE = 8
"""Chips of one node, up to which NCCL's trees are chains."""


def _shots(n: int, link: Link) -> bool:
    return link.library in COMPILED or (link.kernels and (n <= _PAIR or not link.through_host))


ALGORITHMS: dict[str, Algorithm] = {
    "all_reduce_one_shot": Algorithm(lambda n, s: (n - 1) * s.hops / s.direct, lambda n, s: s.depth, _shots),
    "all_reduce_two_shot": Algorithm(
        lambda n, s: 2 * (n - 1) / n * s.hops / s.direct, lambda n, s: 2 * s.depth, _shots
    ),
    "all_reduce_ring": Algorithm(lambda n, s: 2 * (n - 1) / n / s.ring, lambda n, s: 2 * s.steps),
    "all_reduce_tree": Algorithm(
        lambda n, s: 2 * s.hops / s.direct, lambda n, s: 2 * math.log2(n) * s.depth, lambda n, link: n > _NODE
    ),
    "all_reduce_bucket": Algorithm(lambda n, s: 2 * (n - 1) / n / s.ring, lambda n, s: 2 * s.steps, on_axes),
    "all_reduce_in_switch": Algorithm(
        lambda n, s: (n + 1) / n, lambda n, s: 2 * s.depth, lambda n, link: link.in_network_reduction
    ),
}
