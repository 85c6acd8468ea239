"""Evaluates a space of plans: rules, then memory, then time, each as arrays over all plans that are left.

The formulas are those of `silmark train`. Operators are priced once per (tp, micro batch) that has a plan which fits;
exchanges between replicas once per (tp, pp, dp, sharding).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from silmark.chips.mechanisms import build
from silmark.graph import Array
from silmark.search.training.space import Asked, Space
from silmark.training.estimate import factors, place
from silmark.training.job import RECOMPUTE, Job, Jobs, Whole
from silmark.training.memory import Memory, layers_keep, memory
from silmark.training.network import Replicas, replicas, send_s
from silmark.training.timing import Components, optimizer_s, timing
from silmark.training.work import Pass, Work, work

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Plans:
    """The plans that fit, as parallel arrays.

    Attributes:
        jobs: their cuts.
        step_s: seconds of one step.
        bytes_: on the fullest chip.
    """

    jobs: Jobs
    step_s: Array
    bytes_: Array

    @property
    def size(self) -> int:
        """How many there are."""
        return int(self.step_s.size)

    @classmethod
    def none(cls, base: Job) -> Plans:
        """No plans."""
        whole = np.zeros(0, dtype=np.int64)
        return cls(Jobs(base, *(whole for f in fields(Jobs) if f.name != "base")), np.zeros(0), np.zeros(0))

    def job(self, index: int) -> Job:
        """One of them, as `silmark train` takes it."""
        return one(self.jobs, index)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What became of all plans.

    Attributes:
        tried: their number.
        refused: how many were refused, by reason.
        smallest: of the plans that only memory refused, the one that needs least; None where there is none.
    """

    plans: Plans
    tried: int
    refused: dict[str, int]
    smallest: Job | None


def one(jobs: Jobs, index: int) -> Job:
    """One of many jobs whose arrays have one dimension."""
    cut = {name: int(getattr(jobs, name)[index]) for name in ("tp", "pp", "dp", "cp", "micro", "zero", "interleave")}
    return replace(
        jobs.base,
        **cut,  # type: ignore[arg-type]
        recompute=RECOMPUTE[int(jobs.recompute[index])],
        sequence_parallel=bool(jobs.sequence_parallel[index]),
    )


def evaluate(asked: Asked, space: Space) -> Evaluated:
    """Refuses what breaks a rule or does not fit and times the rest."""
    rows = space.rows(asked.base)
    refused: dict[str, int] = {}
    allowed = np.ones((space.ways.size, space.recompute.size, space.zero.size), dtype=np.bool_)
    for reason, broken in _rules(asked, rows).items():
        refused[reason] = int(np.count_nonzero(allowed & broken))
        allowed &= ~broken
    need = memory(asked.model, asked.target.chip, rows, _kept(asked, space))
    total = np.asarray(need.total)
    fits = allowed & (total <= need.capacity)
    refused |= _too_much(need, allowed & ~fits)
    chosen = np.nonzero(fits)
    plans = Plans(_flat(rows, chosen, fits.shape), _seconds(asked, space, rows, chosen), total[chosen])
    smallest = None
    if plans.size == 0 and np.any(allowed):
        least = np.unravel_index(np.argmin(np.where(allowed, total, np.inf)), allowed.shape)
        smallest = one(_flat(rows, tuple(np.array([i]) for i in least), fits.shape), 0)
    return Evaluated(plans, allowed.size, {reason: n for reason, n in refused.items() if n}, smallest)


def _rules(asked: Asked, rows: Jobs) -> dict[str, Mask]:
    """Plans that no training software runs, by what is wrong with them."""
    chunked = rows.interleave > 1
    return {
        "tp does not divide the attention heads": asked.heads % rows.tp != 0,
        "layers do not divide into stages x interleaved chunks": chunked
        & (asked.layers % (rows.pp * rows.interleave) != 0),
        # Megatron-LM's schedule (arXiv:2104.04473, section 2.2.2).
        "interleaved stages take micro batches in multiples of pp": chunked & (rows.passes % rows.pp != 0),
        "nothing to shard: one replica": (rows.zero > 0) & (rows.shards == 1),
    }


def _kept(asked: Asked, space: Space) -> Array:
    """`layers_keep` of every row and recomputation."""
    kept = np.empty((space.tp.size, space.recompute.size, space.micro.size))
    for i, tp in enumerate(space.tp.tolist()):
        for j, mode in enumerate(space.recompute.tolist()):
            job = _single(asked, tp, RECOMPUTE[mode])
            kept[i, j] = layers_keep(asked.model, job, space.micro)
    return kept[space.ways, :, space.batches][:, :, None]


def _single(asked: Asked, tp: int, recompute: str = "none") -> Job:
    """A job whose operators stand for those of all plans with its tp."""
    return replace(asked.base, tp=tp, sequence_parallel=tp > 1, recompute=recompute)  # type: ignore[arg-type]


def _too_much(need: Memory, over: Mask) -> dict[str, int]:
    """How many plans memory refuses, by the part that takes most."""
    states = np.stack(np.broadcast_arrays(need.weights, need.gradients, need.optimizer))
    largest, most = states.argmax(axis=0), states.max(axis=0)
    by_activations = over & (np.asarray(need.activations) > most)
    found = {"activations": int(np.count_nonzero(by_activations))}
    rest = over & ~by_activations
    for index, name in enumerate(("parameters", "gradients", "optimizer states")):
        found[name] = int(np.count_nonzero(rest & (largest == index)))
    return {f"memory: {name} take most": number for name, number in found.items()}


def _flat(rows: Jobs, chosen: tuple[Whole, ...], shape: tuple[int, ...]) -> Jobs:
    """The chosen plans as arrays of one dimension."""
    arrays = (getattr(rows, f.name) for f in fields(Jobs) if f.name != "base")
    return Jobs(rows.base, *(np.broadcast_to(array, shape)[chosen] for array in arrays))


def _seconds(asked: Asked, space: Space, rows: Jobs, chosen: tuple[Whole, ...]) -> Array:
    """Seconds of one step of every chosen plan."""
    if chosen[0].size == 0:
        return np.zeros(0)
    row, _, zero = chosen
    jobs = _flat(rows, chosen, (space.ways.size, space.recompute.size, space.zero.size))
    between = replicas(asked.model, asked.target, space.cuts(asked.base))
    where = (space.ways[row], space.stages[row], space.replicas[row], zero)
    parts = Components(
        job=jobs,
        work=_work(asked, space, space.ways[row], space.batches[row]),
        replicas=Replicas(*(np.asarray(getattr(between, f.name))[where] for f in fields(Replicas))),
        send_s=send_s(asked.model, asked.target, jobs),
        optimizer_s=optimizer_s(asked.model, asked.target.chip, jobs),
        layers=asked.layers,
    )
    return np.asarray(timing(parts, factors(asked.model, asked.target.chip, asked.base)).total)


def _work(asked: Asked, space: Space, ways: Whole, batches: Whole) -> Work:
    """One micro batch of every plan: priced once per tp and micro batch."""
    mechanism = build(asked.target.chip, asked.base.precision, place(asked.target.chip))
    table = np.full((len(fields(Work)), len(fields(Pass)), space.tp.size, space.micro.size), np.nan)
    for way in np.unique(ways).tolist():
        used = np.unique(batches[ways == way])
        priced = work(
            asked.model,
            asked.target,
            mechanism,
            _single(asked, int(space.tp[way])),
            space.micro[used].astype(np.float64),
        )
        for i, direction in enumerate(fields(Work)):
            for j, kind in enumerate(fields(Pass)):
                table[i, j, way, used] = getattr(getattr(priced, direction.name), kind.name)
    return Work(*(Pass(*kinds) for kinds in table[:, :, ways, batches]))
