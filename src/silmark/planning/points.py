"""Points: everything that was evaluated, as parallel arrays; one entry is one plan at one load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from silmark.economics import cost_rate
from silmark.graph import Array
from silmark.planning.evaluate import Curve
from silmark.systems import Target

Indices = NDArray[np.int64]
ALONE = -1
"""In place of a prefill plan: the decoding chips prefill too."""


@dataclass(frozen=True, slots=True)
class Points:
    """Plans at loads; all arrays have the same size.

    Attributes:
        prefill: index of the plan of the prefill pool, ALONE where plans are aggregated.
        decode: index of the plan that decodes.
        senders: workers of the prefill pool, 0 where aggregated.
        workers: workers that decode, or replicas.
        batch: sequences in flight in each of them.
        ttft, tpot: mean seconds.
        rate: output tokens per second of all chips.
        watts: of all chips that work.
        usd: per second, for all chips that there are; NaN where no price is public.
    """

    prefill: Indices
    decode: Indices
    senders: Indices
    workers: Indices
    batch: Array
    ttft: Array
    tpot: Array
    rate: Array
    watts: Array
    usd: Array

    @property
    def size(self) -> int:
        """How many there are."""
        return int(self.rate.size)

    def take(self, which: NDArray[np.bool_] | Indices) -> Points:
        """Some of them."""
        return Points(*(getattr(self, each.name)[which] for each in fields(self)))


def joined(parts: Sequence[Points]) -> Points:
    """One after another; at least one part."""
    return Points(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(Points)))


def usd_per_s(target: Target, watts: Array, beyond: bool = False) -> Array:
    """Dollars per second of all chips of a target while they draw so many watts; NaN without a public price.

    Args:
        target: the chips.
        watts: of those that work.
        beyond: whether they exchange data with another target's.
    """
    rate = cost_rate(target, beyond)
    if rate is None:
        return np.full(watts.shape, np.nan)
    return rate.at(target.count, watts)


def aggregated(target: Target, curves: Sequence[Curve]) -> Points:
    """Every plan at every batch, prompts and answers on the same chips."""
    if not curves:
        return none()
    sizes = [curve.steady.batches.size for curve in curves]
    replicas = np.repeat([curve.plan.dp for curve in curves], sizes)
    steady = [curve.steady for curve in curves]
    watts = np.concatenate([curve.watts for curve in curves]) * replicas
    return Points(
        prefill=np.full(replicas.size, ALONE),
        decode=np.repeat(np.arange(len(curves)), sizes),
        senders=np.zeros(replicas.size, dtype=np.int64),
        workers=replicas,
        batch=np.concatenate([each.batches for each in steady]),
        ttft=np.concatenate([each.ttft for each in steady]),
        tpot=np.concatenate([each.tpot for each in steady]),
        rate=np.concatenate([each.rate for each in steady]) * replicas,
        watts=watts,
        usd=usd_per_s(target, watts),
    )


def none() -> Points:
    """No points."""
    whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
    return Points(whole, whole, whole, whole, real, real, real, real, real, real)
