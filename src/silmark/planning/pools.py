"""Prefill and decode on separate workers: which plans for each pool, and how many workers of each.

Source of the split: DistServe (Zhong et al., arXiv:2401.09670, section 3) and Splitwise (Patel et al.,
arXiv:2311.18677). Requests come at random, are prefilled one after another by x workers (a queue of deterministic
service, Pollaczek-Khinchine, M/D/1), cross the network, and are decoded by y workers at a fixed batch. In a steady
state both pools serve the same X requests per second:

    X = min(y B / ((output - 1) TPOT(B)), x rho / s, x / m, y / m)
    TTFT = first pass + m + rho / (2 (1 - rho)) s

with s the seconds of work of one prompt, m those in which its cache crosses a worker's links, and rho the share of its
time that the prefill pool works: as high as the promise for the first token allows.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from silmark.estimation.disaggregated import FULLEST, transfer_s
from silmark.estimation.mixture import inside_groups
from silmark.graph import Array
from silmark.planning.evaluate import Curve
from silmark.planning.points import Indices, Points, joined, none, usd_per_s
from silmark.systems import Target
from silmark.systems.spec import Level
from silmark.workloads import Workload

_SPLITS = 1024
"""Splits tried with one decoding plan, at least _LEAST numbers of workers of each prefill plan: more take gigabytes."""
_LEAST = 16


@dataclass(frozen=True, slots=True, eq=False)
class Senders:
    """Plans of the prefill pool; arrays run along them.

    Attributes:
        target: the chips that they are laid on.
        index: of each plan among the curves.
        curves: the plans.
        chips: of one worker.
        first: seconds of a prompt that meets no other.
        work: seconds of work per prompt when prompts are many.
        joules: above idle, per prompt.
        idle: watts of a worker that rests, hosts included.
        send: seconds in which one worker sends a prompt's cache.
    """

    target: Target
    index: Indices
    curves: tuple[Curve, ...]
    chips: Indices
    first: Array
    work: Array
    joules: Array
    idle: Array
    send: Array

    @classmethod
    def of(cls, curves: Sequence[Curve], level: Level) -> Senders:
        """All plans that only prefill but those that another of the same size beats in everything."""
        prompt = curves[0].steady.workload.prompt
        able = np.array([i for i, curve in enumerate(curves) if not _cannot_send(curve)])
        facts = np.array([_prompt_facts(curves[i], prompt, level) for i in able])
        chips = np.array([curves[i].worker for i in able])
        kept = undominated(facts, [(curves[i].worker, curves[i].plan.precision) for i in able])
        chosen = tuple(curves[i] for i in able[kept])
        return cls(curves[0].step_model.target, able[kept], chosen, chips[kept], *facts[kept].T)

    def feeding(self, curve: Curve) -> Indices:
        """Which of the plans may prefill for a decoding plan: on the same chips those of the same formats."""
        if self.target is not curve.step_model.target:
            return np.arange(self.chips.size)
        return np.array(
            [i for i, each in enumerate(self.curves) if each.plan.precision == curve.plan.precision], dtype=int
        )


def _cannot_send(curve: Curve) -> bool:
    """Whether a plan does more than prefill prompts: it drafts, or restores caches."""
    return curve.steady.serving.speculation is not None or bool(curve.steady.serving.offload)


def undominated(facts: Array, kinds: Sequence[Hashable]) -> Indices:
    """Rows of smaller-is-better facts that no other row of the same kind beats or equals in all; first of equals."""
    kept, numbers = [], {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    kind = np.array([numbers[each] for each in kinds])
    for one in range(len(facts)):
        no_worse = (kind == kind[one]) & (facts <= facts[one]).all(axis=1)
        better = (facts < facts[one]).any(axis=1)
        earlier = np.arange(len(facts)) < one
        if not (no_worse & (better | earlier)).any():
            kept.append(one)
    return np.array(kept, dtype=np.int64)


def _prompt_facts(curve: Curve, prompt: int, level: Level) -> tuple[float, ...]:
    """What `Senders` holds of a plan from `first` to `send`."""
    first, work = float(curve.steady.first.time_s), curve.steady.prompt_s()
    return first, work, prompt_j(curve), rest_w(curve), transfer_s(curve.step_model, prompt, level)


def prompt_j(curve: Curve) -> float:
    """Joules above idle of a prompt when prompts are many."""
    steady = curve.steady
    joint = float(steady.joint.time_s) / steady.together < float(steady.alone.time_s)
    return float(steady.joint.energy_j) / steady.together if joint else float(steady.alone.energy_j)


def rest_w(curve: Curve) -> float:
    """Watts of a worker that rests, hosts included."""
    return float((curve.watts - curve.steady.dynamic_w())[0])


def disaggregated(prefill: Sequence[Curve], decode: Sequence[Curve], work: Workload) -> Points:
    """Every pair of plans at every split of the chips and every batch.

    Caches of sessions that wait in a memory tier are left out: which pool would restore them is open.

    Args:
        prefill, decode: plans of each pool, laid on its chips; on the same target the pools share its chips.
        work: requests and promises.
    """
    kept = [(index, curve) for index, curve in enumerate(decode) if not curve.steady.serving.offload]
    if not kept or all(_cannot_send(curve) for curve in prefill):
        return none()
    chunk = kept[0][1].steady.serving.chunk  # of prompts, which do not matter where tokens are decoded
    able = [(index, curve) for index, curve in kept if curve.steady.serving.chunk == chunk]
    level = link_level(prefill[0], decode[0])
    senders = Senders.of(prefill, level)
    pairings = [
        Pairing.of(senders, index, curve, transfer_s(curve.step_model, work.prompt, level)) for index, curve in able
    ]
    for steps in {id(curve.shared): curve.shared for _, curve in able}.values():
        steps.announce(each.inside for each in pairings if each.curve.shared is steps)
    return joined([each.points() for each in pairings])


def link_level(prefill: Curve, decode: Curve) -> Level:
    """Which links caches cross: those between units unless both pools share one."""
    shares = shared(prefill, decode)
    return "up" if shares and decode.step_model.target.units == 1 else "out"


def shared(prefill: Curve, decode: Curve) -> bool:
    """Whether both pools are parts of the same chips; as many others of the same kind are not the same."""
    return prefill.step_model.target is decode.step_model.target


def _splits(senders: Senders, curve: Curve) -> tuple[Indices, Indices, Indices]:
    """Prefill plan, its workers and decoding workers: all ways to share the chips, or all chips of each pool."""
    target, able = curve.step_model.target, senders.feeding(curve)
    most = senders.target.count // senders.chips[able]
    if senders.target is not target:
        return able, most, np.full(most.size, target.count // curve.worker)
    tried = [_counts(int(n), max(_LEAST, _SPLITS // able.size)) for n in most]
    which = np.repeat(able, [each.size for each in tried])
    counts = np.concatenate([np.arange(0), *tried])
    workers = (target.count - counts * senders.chips[which]) // curve.worker
    fits = workers >= 1
    return which[fits], counts[fits], workers[fits]


def _counts(most: int, tried: int) -> Indices:
    """Numbers of workers to try: all, or of very many some, evenly in ratio."""
    if most <= tried:
        return np.arange(1, most + 1)
    return np.unique(np.round(np.geomspace(1, most, tried)).astype(np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Pairing:
    """One decoding plan with all prefill plans, at every split of the chips and every batch.

    The arrays run along what is kept of splits and batches.

    Attributes:
        senders: the prefill plans.
        index: of the decoding plan among the curves.
        curve: the decoding plan.
        which, counts, workers: the prefill plan, how many workers of it, and how many decode.
        moving: seconds in which a prompt's cache moves.
        limit: requests per second that prefill and network allow.
        batch: sequences in each decoding worker.
    """

    senders: Senders
    index: int
    curve: Curve
    which: Indices
    counts: Indices
    workers: Indices
    moving: Array
    limit: Array
    batch: Array

    @classmethod
    def of(cls, senders: Senders, index: int, curve: Curve, receive: float) -> Pairing:
        """Chooses batches: those that prefill can feed, and the one at which it feeds no more."""
        which, counts, workers = _splits(senders, curve)
        steady = curve.steady
        moving = np.maximum(senders.send[which], receive)
        seconds = senders.work[which]
        share = fullest(senders.first[which] + moving, seconds, steady.workload.ttft_s)
        limit = np.minimum(counts * share / seconds, np.minimum(counts, workers) / moving)
        each = np.maximum.accumulate(steady.decoders / answer_s(curve, steady.decode.time_s * steady.stall))
        bound = workers[:, None] * each[None, :] >= limit[:, None]
        # Of the batches that wait for prompts the first stands for all, and the one to which it falls meanwhile.
        first = bound & (np.cumsum(bound, axis=1) == 1)
        row, column = np.nonzero(~bound | first)
        waits = np.nonzero(first)[0]
        filled = np.ceil(np.interp(limit[waits] / workers[waits], each, steady.decoders))
        batch = np.maximum(1.0, np.concatenate([steady.decoders[column], filled]))
        row = np.concatenate([row, waits])
        chosen = (which[row], counts[row], workers[row], moving[row], limit[row])
        return cls(senders, index, curve, *chosen, batch)

    @property
    def inside(self) -> Array:
        """Sequences of the decode steps."""
        return inside_groups(self.batch, self.curve.steady.depth)

    def points(self) -> Points:
        """Evaluates the batches."""
        curve, senders, work = self.curve, self.senders, self.curve.steady.workload
        model = curve.step_model
        step = curve.decode(self.batch)
        tpot = step.time_s * (1.0 + (model.imbalance - 1.0) * np.minimum(1.0, self.batch / model.depth))
        decoded = self.workers * self.batch / answer_s(curve, tpot)
        requests = np.minimum(decoded, self.limit)
        seconds = senders.work[self.which]
        busy = requests * seconds / self.counts
        dynamic = step.energy_j * np.minimum(model.depth, self.batch) / tpot * (requests / decoded)
        sending = self.counts * senders.idle[self.which] + requests * senders.joules[self.which]
        decoding = self.workers * (rest_w(curve) + dynamic)
        return Points(
            prefill=senders.index[self.which],
            decode=np.full(self.batch.size, self.index),
            senders=self.counts,
            workers=self.workers,
            batch=self.batch,
            ttft=senders.first[self.which] + self.moving + waiting(busy, seconds),
            tpot=tpot,
            rate=requests * work.output,
            watts=sending + decoding,
            usd=_usd(senders.target, model.target, sending, decoding),
        )


def answer_s(curve: Curve, tpot: Array) -> Array:
    """Seconds for which a sequence decodes: the first token comes from the prefill pool."""
    return max(1, curve.steady.workload.output - 1) * tpot


def _usd(one: Target, other: Target, sending: Array, decoding: Array) -> Array:
    """Dollars per second of both pools' chips."""
    if one is other:
        return usd_per_s(one, sending + decoding)
    return usd_per_s(one, sending, beyond=True) + usd_per_s(other, decoding, beyond=True)


def fullest(first: Array, seconds: Array, promise: float) -> Array:
    """Highest share of its time that the prefill pool may work so that waits keep the promise: the inverse of M/D/1."""
    slack = np.maximum(promise - first, 0.0)
    if np.isinf(promise):
        return np.full(np.shape(first), FULLEST)
    allowed = 2.0 * slack / (seconds + 2.0 * slack)
    return np.where(slack > 0, np.minimum(FULLEST, allowed), FULLEST)


def waiting(busy: Array, seconds: Array) -> Array:
    """Mean wait of an M/D/1 queue at a share of its capacity."""
    return np.asarray(busy / (2.0 * (1.0 - busy)) * seconds)
