"""Control: how a fleet is led, as the arrays of `rules`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from silmark.serving.kernel.rules import CHANGE, EITHER, RULES, Links

_NONE = -1
_NEVER = np.iinfo(np.int64).max
_SIZES = 32


class Control(NamedTuple):
    """What `fleets.control` makes of a fleet's options.

    Attributes:
        pools: of each replica.
        up: how many replicas, the first ones, are up at the start.
        rules: one row of RULES.
        changes: of dtype CHANGE, by time.
        links: what moving KV costs.
        tiers: blocks of the memory below the cache of each replica; 0 for none.
    """

    pools: NDArray[np.int64]
    up: int
    rules: NDArray[np.void]
    changes: NDArray[np.void]
    links: Links
    tiers: NDArray[np.int64]


def no_rules() -> NDArray[np.void]:
    """Round robin over one pool, nothing from outside."""
    rules = np.zeros(1, dtype=RULES)
    rules["tick_ns"] = rules["outside_ns"] = _NEVER
    rules["parked"] = rules["parked_last"] = _NONE
    rules["credit"] = rules["prefill_scale"] = rules["target"] = 1.0
    return rules


def no_links(kinds: int) -> Links:
    """Nothing costs time."""
    nothing = np.zeros(kinds, dtype=np.int64)
    return Links(nothing, np.zeros((kinds, _SIZES)), nothing, np.zeros(kinds), nothing, nothing)


def plain(kinds: int, replicas: int) -> Control:
    """Round robin, and nothing else."""
    pools = np.full(replicas, EITHER, dtype=np.int64)
    nothing = np.zeros(replicas, dtype=np.int64)
    return Control(pools, replicas, no_rules(), np.zeros(0, dtype=CHANGE), no_links(kinds), nothing)
