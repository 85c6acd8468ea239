"""Kernels that the host launches one by one, instead of replaying them from a captured graph.

Two things are added: the host's own time, behind which a short kernel hides, and a copy of the tensor into the buffer
that the neighbours may read, which a graph registers once (vLLM and SGLang, `CustomAllreduce`).
"""

from __future__ import annotations

import numpy as np

from silmark.fabric.curve import Array
from silmark.fabric.terms import figures

_READ_AND_WRITTEN = 2.0


def eager(busy_s: Array, payload: Array, memory_bytes_per_s: float) -> Array:
    """Seconds of a collective without a graph.

    Args:
        busy_s: seconds inside a graph, any shape.
        payload: bytes of the tensor on one chip, same shape.
        memory_bytes_per_s: what the chip's memory sustains.
    """
    host = figures()["host.eager"].value
    return np.asarray(np.maximum(host, busy_s + _READ_AND_WRITTEN * payload / memory_bytes_per_s))
