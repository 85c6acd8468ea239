"""Memory behind links: average access, interleaving, what slower memory costs a program.

All functions take numbers or arrays that broadcast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def average_access_s(near_share: ArrayLike, near_s: ArrayLike, far_s: ArrayLike) -> Array:
    """Average access time of two tiers: h L_near + (1 - h) L_far (Hennessy and Patterson, appendix B.2)."""
    share = np.asarray(near_share, dtype=np.float64)
    return np.asarray(share * np.asarray(near_s) + (1.0 - share) * np.asarray(far_s))


def interleave_share(near: ArrayLike, far: ArrayLike) -> Array:
    """Share of pages on the far tier at which both are busy all the time: B_far / (B_near + B_far)."""
    far_rate = np.asarray(far, dtype=np.float64)
    return np.asarray(far_rate / (np.asarray(near) + far_rate))


def interleaved_bandwidth(near: ArrayLike, far: ArrayLike, far_share: ArrayLike) -> Array:
    """Bytes per second of both tiers when a share of the traffic goes to the far one; the slower ends last."""
    share = np.asarray(far_share, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(np.minimum(np.asarray(near) / (1.0 - share), np.asarray(far) / share))


def slowdown(stall_share: ArrayLike, near_s: ArrayLike, far_s: ArrayLike, overlap: ArrayLike = 0.0) -> Array:
    """Time on the far tier over time on the near one, of a program that waits for memory part of its time.

    The form of SupMario (Melody, arXiv:2409.14317): stalls grow with latency, less what prefetching and
    independent misses hide: 1 + s (L_far / L_near - 1) (1 - o).
    """
    growth = np.asarray(far_s, dtype=np.float64) / np.asarray(near_s) - 1.0
    return np.asarray(1.0 + np.asarray(stall_share) * growth * (1.0 - np.asarray(overlap)))


def gather_speedup(bandwidth_ratio: ArrayLike, gather_share: ArrayLike = 1.0) -> Array:
    """Speed-up of a program by more memory bandwidth, of whose time a share gathers from memory (Amdahl)."""
    share = np.asarray(gather_share, dtype=np.float64)
    return np.asarray(1.0 / (1.0 - share + share / np.asarray(bandwidth_ratio)))
