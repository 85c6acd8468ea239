"""Which plans of a training step are tried: the cross product of cuts, schedules, sharding and recomputation.

The axes are those that can matter: tensor parallelism divides the group that a unit's links join, or takes two of them;
of numbers of stages (and of chunks in a stage) whose fullest holds equally many layers the smallest is kept; replicas
and micro batches divide the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadValue
from silmark.graph import Attention, Scan
from silmark.models import Model
from silmark.systems import Target
from silmark.training.job import RECOMPUTE, Job, Jobs, Whole
from silmark.workloads import Step

Mask = NDArray[np.bool_]
AXES = ("tp", "pp", "dp", "micro", "interleave", "recompute", "zero")
"""What a search varies; `recompute` by index into RECOMPUTE."""
SHARDING = (0, 1, 2, 3)
MOST = 30_000_000
"""Plans of one search: a few seconds and a gigabyte."""


@dataclass(frozen=True)
class Asked:
    """A question to the search.

    Attributes:
        base: batch, sequence, precision and software; of its cut only cp is kept.
        only: values of axes that the user fixed; all others are free.
    """

    model: Model
    target: Target
    base: Job
    only: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def layers(self) -> int:
        """Layers that stages divide."""
        return max(1, self.model.layer_count)

    @cached_property
    def heads(self) -> int:
        """What tensor parallelism has to divide: the greatest common divisor of all layers' heads."""
        ops = self.model.lower(Step.forward(1, 1))
        return math.gcd(*(op.heads for op in ops if isinstance(op, Attention | Scan)))

    def axis(self, name: str, usual: Iterable[int]) -> Whole:
        """Values of an axis: the user's, or the usual ones."""
        return np.array(sorted(set(self.only.get(name, tuple(usual)))), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Space:
    """Distinct cuts and, by index, the rows of the cross product that use no more chips than there are.

    Attributes:
        tp, pp, dp, micro, recompute, zero: values of the axes.
        ways, stages, replicas, batches: index of each row's tp, pp, dp and micro batch.
        interleave: chunks per stage of each row.
    """

    tp: Whole
    pp: Whole
    dp: Whole
    micro: Whole
    recompute: Whole
    zero: Whole
    ways: Whole
    stages: Whole
    replicas: Whole
    batches: Whole
    interleave: Whole

    @property
    def size(self) -> int:
        """Number of rows."""
        return int(self.ways.size)

    @property
    def each(self) -> int:
        """Plans per row: every recomputation with every sharding."""
        return int(self.recompute.size * self.zero.size)

    def take(self, which: slice | Mask) -> Space:
        """Some of the rows."""
        names = ("ways", "stages", "replicas", "batches", "interleave")
        return replace(self, **{name: getattr(self, name)[which] for name in names})

    def jobs(self, base: Job, row: Whole, mode: Whole, level: Whole) -> Jobs:
        """Plans by row and by index of recomputation and sharding, three arrays that broadcast."""
        tp, interleave = self.tp[self.ways[row]], self.interleave[row]
        return Jobs(
            base=base,
            tp=tp,
            pp=self.pp[self.stages[row]],
            dp=self.dp[self.replicas[row]],
            cp=np.full(tp.shape, base.cp),
            micro=self.micro[self.batches[row]],
            zero=self.zero[level],
            recompute=self.recompute[mode],
            interleave=interleave,
            sequence_parallel=(tp > 1).astype(np.int64),
        )

    def cuts(self, base: Job) -> Jobs:
        """The grid of cuts and shardings that exchanges between replicas depend on: [tp, pp, dp, zero]."""
        one = np.array(1)
        return Jobs(
            base=base,
            tp=self.tp[:, None, None, None],
            pp=self.pp[:, None, None],
            dp=self.dp[:, None],
            cp=np.array(base.cp),
            micro=one,
            zero=self.zero,
            recompute=np.array(0),
            interleave=one,
            sequence_parallel=np.array(0),
        )


def space(asked: Asked) -> Space:
    """The plans to try.

    Raises:
        BadValue: values that the user fixed do not divide the batch, or leave more plans than a search takes.
    """
    batch, base, target = asked.base.global_batch, asked.base, asked.target
    room = target.count // base.cp
    tp = asked.axis("tp", _groups(target))
    pp = asked.axis("pp", _useful(asked.layers))
    dp = asked.axis("dp", divisors(batch))
    _divides("dp", dp, batch)
    micro = asked.axis("micro", divisors(batch))
    _divides("micro batch", micro, batch)
    replicas, batches = np.nonzero(batch // dp[:, None] % micro == 0)
    chunks = [(i, v) for i, p in enumerate(pp.tolist()) for v in _chunks(asked, p)]
    stages, interleave = np.array(chunks, dtype=np.int64).reshape(-1, 2).T
    chips = tp[:, None, None] * pp[stages][:, None] * dp[replicas]
    recompute, zero = asked.axis("recompute", range(len(RECOMPUTE))), asked.axis("zero", SHARDING)
    tried = chips.size * recompute.size * zero.size
    if tried > MOST:
        raise BadValue("plans", tried, f"at most {MOST:,}: fix tp, pp, dp or the micro batch")
    ways, second, first = np.nonzero(chips <= room)
    return Space(
        tp=tp,
        pp=pp,
        dp=dp,
        micro=micro,
        recompute=recompute,
        zero=zero,
        ways=ways,
        stages=stages[second],
        replicas=replicas[first],
        batches=batches[first],
        interleave=interleave[second],
    )


def divisors(number: int) -> list[int]:
    """All divisors, smallest first."""
    small = [d for d in range(1, math.isqrt(number) + 1) if number % d == 0]
    return small + [number // d for d in reversed(small) if d * d != number]


def _groups(target: Target) -> list[int]:
    """Divisors of the group that a unit's links join, and two such groups over the network."""
    group = min(target.system.group, target.system.chips, target.count)
    return divisors(group) + ([2 * group] if target.count >= 2 * group else [])


def _useful(layers: int) -> list[int]:
    """Of all counts of parts whose fullest holds equally many layers, the smallest: others only leave parts empty."""
    return sorted({-(-layers // held) for held in range(1, layers + 1)})


def _chunks(asked: Asked, stages: int) -> list[int]:
    """Model chunks per stage."""
    return asked.axis("interleave", _useful(-(-asked.layers // stages))).tolist() if stages > 1 else [1]


def _divides(label: str, values: Whole, batch: int) -> None:
    if np.any(batch % values):
        raise BadValue(label, ", ".join(map(str, values)), f"divisors of the global batch {batch}")
