"""Evaluates a space of plans: schedules, then memory, then time, each as arrays over all plans that are left.

The formulas are those of `silmark train`. Operators are priced once per (tp, micro batch) that has a plan which fits;
exchanges between replicas once per (tp, pp, dp, sharding).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from silmark.chips.mechanisms import build
from silmark.graph import Array
from silmark.planning.training.space import Asked, Mask, Space, divisors
from silmark.training import TrainingEstimate, train
from silmark.training.estimate import factors, place
from silmark.training.job import RECOMPUTE, Job, Jobs, Recompute, Whole
from silmark.training.memory import Memory, layers_keep, memory
from silmark.training.network import Replicas, replicas, send_s
from silmark.training.timing import Components, optimizer_s, timing
from silmark.training.work import Pass, Work, work

Chosen = tuple[Whole, Whole, Whole]
"""Row of the space, index of recomputation and of sharding of some plans."""
_NONE = np.zeros(0, dtype=np.int64)
_ROWS = 32_768
"""Rows of the space whose plans are in memory at a time."""
_PLANS = 262_144
"""Plans that are timed at a time."""
_FIRST = np.array(0)
_SCHEDULES: Mapping[str, Callable[[Asked, Jobs], Mask]] = {
    "tp does not divide the heads": lambda asked, jobs: asked.heads % jobs.tp != 0,
    "more stages x interleaved chunks than layers": lambda asked, jobs: jobs.pp * jobs.interleave > asked.layers,
    # Megatron-LM's schedule (Narayanan et al., arXiv:2104.04473, section 2.2.2).
    "interleaved stages take micro batches in multiples of pp": lambda _, jobs: (
        (jobs.interleave > 1) & (jobs.passes % jobs.pp != 0)
    ),
}
"""Cuts that no training software runs, by what is wrong with them."""


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
        return cls(Jobs(base, *(_NONE for f in fields(Jobs) if f.name != "base")), np.zeros(0), np.zeros(0))

    def job(self, index: int) -> Job:
        """One of them, as `silmark train` takes it."""
        return one(self.jobs, index)


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What became of all plans.

    Attributes:
        tried: their number.
        refused: how many were refused, by reason.
        smallest: where none fits, the one that needs least memory; None if not even a schedule is left.
    """

    plans: Plans
    tried: int
    refused: Mapping[str, int]
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
    """Refuses what breaks a schedule or does not fit and times the rest."""
    tried, refused = space.size * space.each, Counter[str]()
    for reason, broken in _SCHEDULES.items():
        wrong = broken(asked, space.jobs(asked.base, np.arange(space.size), _FIRST, _FIRST))
        refused[reason] = int(np.count_nonzero(wrong)) * space.each
        space = space.take(~wrong)
    chosen, bytes_, smallest = _fitting(asked, space, refused)
    plans = Plans(space.jobs(asked.base, *chosen), _seconds(asked, space, chosen), bytes_)
    return Evaluated(plans, tried, {reason: n for reason, n in refused.items() if n}, smallest)


def one_by_one(asked: Asked) -> Evaluated:
    """Numbers of replicas only, each estimated by itself: for wafers, past which the weights stream.

    A replica is one machine that holds no states; bytes are not a number then.
    """
    tp, pp = (int(asked.axis(name, (1,))[0]) for name in ("tp", "pp"))
    replicas = [int(dp) for dp in asked.axis("dp", divisors(asked.base.global_batch)) if dp <= asked.target.count]
    tried = [replace(asked.base, tp=tp, pp=pp, dp=dp) for dp in replicas]
    answers = [train(asked.model, asked.target, job) for job in tried]
    steps = np.array([answer.step_s.mid for answer in answers if isinstance(answer, TrainingEstimate)])
    dp = np.array(replicas[: steps.size], dtype=np.int64)  # none or all of them: only tp, pp and cp are refused
    once, never = np.ones_like(dp), np.zeros_like(dp)
    jobs = Jobs(asked.base, once, once, dp, once, once, never, never, once, never)
    refused = {"more than data parallelism": len(tried)} if tried and not steps.size else {}
    return Evaluated(Plans(jobs, steps, np.full(steps.size, np.nan)), len(tried), refused, next(iter(tried), None))


def _fitting(asked: Asked, space: Space, refused: Counter[str]) -> tuple[Chosen, Array, Job | None]:
    """Places of the plans that fit as (row, recomputation, sharding), their bytes, and the smallest if none does."""
    kept, least, smallest = _kept(asked, space), np.inf, None
    places: list[Chosen] = [(_NONE, _NONE, _NONE)]
    sizes = [np.zeros(0)]
    modes, levels = np.arange(space.recompute.size)[:, None], np.arange(space.zero.size)
    for start in range(0, space.size, _ROWS):
        rows = np.arange(start, min(start + _ROWS, space.size))[:, None, None]
        jobs = space.jobs(asked.base, rows, modes, levels)
        need = memory(asked.model, asked.target.chip, jobs, kept[space.ways[rows], modes, space.batches[rows]])
        total = np.asarray(need.total)
        idle = np.broadcast_to((jobs.zero > 0) & (jobs.shards == 1), total.shape)
        fits = ~idle & (total <= need.capacity)
        refused["nothing to shard: one replica"] += int(np.count_nonzero(idle))
        refused.update(_too_much(need, ~idle & ~fits))
        row, mode, level = np.nonzero(fits)
        places.append((row + start, mode, level))
        sizes.append(total[fits])
        if not fits.any() and (best := np.where(idle, np.inf, total)).min() < least:
            least = best.min()
            at = np.argwhere(best == least)[:1].T
            smallest = one(space.jobs(asked.base, at[0] + start, at[1], at[2]), 0)
    row, mode, level = (np.concatenate(axis) for axis in zip(*places, strict=True))
    return (row, mode, level), np.concatenate(sizes), smallest if row.size == 0 else None


def _kept(asked: Asked, space: Space) -> Array:
    """`layers_keep` of every (tp, recomputation, micro batch)."""
    kept = np.empty((space.tp.size, space.recompute.size, space.micro.size))
    for i, tp in enumerate(space.tp.tolist()):
        for j, mode in enumerate(space.recompute.tolist()):
            kept[i, j] = layers_keep(asked.model, _alike(asked, tp, RECOMPUTE[mode]), space.micro)
    return kept


def _alike(asked: Asked, tp: int, recompute: Recompute = "none") -> Job:
    """A job whose operators stand for those of all plans with its tp."""
    return replace(asked.base, tp=tp, sequence_parallel=tp > 1, recompute=recompute)


def _too_much(need: Memory, over: Mask) -> dict[str, int]:
    """How many plans memory refuses, by the part that takes most."""
    names = list(need.parts)
    # The states depend on sharding only, not on recomputation, which keeps this small.
    states = np.stack(np.broadcast_arrays(need.weights, need.gradients, need.optimizer))
    largest, most = states.argmax(axis=0), states.max(axis=0)
    blamed = np.where(np.asarray(need.activations) > most, len(states), largest)
    found = np.bincount(blamed[over], minlength=len(names))
    return {f"memory: {name} take most": int(number) for name, number in zip(names, found, strict=True)}


def _seconds(asked: Asked, space: Space, chosen: Chosen) -> Array:
    """Seconds of one step of every chosen plan."""
    model, target = asked.model, asked.target
    between = replicas(model, target, space.cuts(asked.base))
    table = _priced(asked, space, chosen[0])
    software = factors(model, target.chip, asked.base)
    found = [np.zeros(0)]
    for start in range(0, chosen[0].size, _PLANS):
        row, mode, level = (axis[start : start + _PLANS] for axis in chosen)
        jobs = space.jobs(asked.base, row, mode, level)
        cut = (space.ways[row], space.stages[row], space.replicas[row], level)
        parts = Components(
            job=jobs,
            work=Work(*(Pass(*kinds) for kinds in table[:, :, space.ways[row], space.batches[row]])),
            replicas=Replicas(*(np.asarray(getattr(between, f.name))[cut] for f in fields(Replicas))),
            send_s=send_s(model, target, jobs),
            optimizer_s=optimizer_s(model, target.chip, jobs),
            layers=asked.layers,
        )
        found.append(np.asarray(timing(parts, software).total))
    return np.concatenate(found)


def _priced(asked: Asked, space: Space, row: Whole) -> Array:
    """Seconds of one micro batch as [part of Work, part of Pass, tp, micro batch], where a row needs them."""
    mechanism = build(asked.target.chip, asked.base.precision, place(asked.target.chip))
    table = np.full((len(fields(Work)), len(fields(Pass)), space.tp.size, space.micro.size), np.nan)
    ways, batches = space.ways[row], space.batches[row]
    for way in np.unique(ways).tolist():
        used = np.unique(batches[ways == way])
        job = _alike(asked, int(space.tp[way]))
        priced = work(asked.model, asked.target, mechanism, job, space.micro[used])
        for i, direction in enumerate(fields(Work)):
            for j, kind in enumerate(fields(Pass)):
                table[i, j, way, used] = getattr(getattr(priced, direction.name), kind.name)
    return table
