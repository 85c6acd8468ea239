"""Options that are words, as the numbers that stand for them in arrays.

Which policies a fleet has is told by a type as well (of `State.policies`), so that others are not compiled.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, get_args

import numpy as np

from silmark.serving.options import Order, Policy

POLICIES: tuple[str, ...] = get_args(Policy)
VLLM, SGLANG, TRTLLM = range(len(POLICIES))
"""Whose scheduler decides."""
MARKS: tuple[type[np.signedinteger[Any]], ...] = (np.int8, np.int16, np.int32)
"""By policy: the type of `State.policies` where a fleet has no other."""

ORDERS: tuple[str, ...] = get_args(Order)
FCFS, LPM, LOF = range(len(ORDERS))
"""SGLang's order of the queue."""


def mark(policies: Collection[str]) -> type[np.signedinteger[Any]]:
    """The type of `State.policies` of a fleet with these policies."""
    return MARKS[POLICIES.index(next(iter(policies)))] if len(policies) == 1 else np.int64
