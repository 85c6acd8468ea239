"""Prefill and decode on separate pools of chips, and data-parallel attention: closed loops of a fixed number of users.

Source of the split: DistServe (Zhong et al., arXiv:2401.09670, section 3) and Splitwise (Patel et al.,
arXiv:2311.18677). A request is prefilled in one pool, its cache crosses the fabric, and the other pool decodes it.
With U users of whom B decode, requests finish at X = B / (output * TPOT(B)) per second, and the other U - B are in
the prefill pool: U - B = X * TTFT (Little's law in both pools). The prefill pool is a queue of deterministic service
(Pollaczek-Khinchine, M/D/1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from silmark.graph import Array
from silmark.mapping import Infeasible
from silmark.step import StepCost, StepModel
from silmark.systems.spec import Level
from silmark.workloads import Step

FULLEST = 0.98
"""Utilisation at which a closed loop's queue is taken as full: beyond it, users and not arrivals bound the queue."""
_PASS_TOKENS = 8192
"""Prompt tokens that engines take into one pass of a rank by default."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Workers that run one phase.

    Attributes:
        step_model: of one worker.
        workers: how many there are.
    """

    step_model: StepModel
    workers: int


@dataclass(frozen=True, slots=True)
class Served:
    """A closed loop in steady state.

    Attributes:
        ttft_s, tpot_s: means over requests.
        tokens_per_s: output tokens per second of all workers.
        batch: sequences that one worker decodes.
        first, decode: costs of a prompt's pass and of a decode step, for error bars.
    """

    ttft_s: float
    tpot_s: float
    tokens_per_s: float
    batch: float
    first: StepCost
    decode: StepCost


def disaggregated(prefill: Pool, decode: Pool, prompt: int, output: int, users: int) -> Served | Infeasible:
    """Two pools under a fixed number of users.

    Args:
        prefill, decode: the pools.
        prompt, output: tokens per request.
        users: requests in flight.
    """
    model = decode.step_model
    room = model.memory.sequences(prompt + output)
    if room < 1:
        return Infeasible(f"the cache of one sequence of {prompt + output:,} tokens does not fit into the decode pool")
    first, capacity = _passes(prefill, prompt)
    service = float(first.time_s[0]) + prefill.step_model.mechanism.request_s + transfer_s(model, prompt)
    batches = _batches(min(float(room), users / decode.workers))
    cost = model.cost(Step.decode(np.maximum(1.0, batches / model.depth), prompt + output / 2))
    tpot = (cost.time_s + np.zeros(batches.size)) * model.imbalance
    decoding = batches * decode.workers
    rate = np.minimum(decoding / (max(1, output - 1) * tpot), capacity)
    waiting = rate * (service + _queue(rate / capacity, first, users))
    index = int(np.argmin(np.abs(np.log((decoding + waiting) / users))))
    finished = float(rate[index])
    busy = max(0.0, users - finished * max(1, output - 1) * float(tpot[index]))
    # What does not decode waits: where the prefill pool is the bottleneck that sets the time to the first token.
    ttft = max(service, busy / finished if finished >= FULLEST * capacity else float(waiting[index]) / finished)
    return Served(ttft, float(tpot[index]), finished * output, float(batches[index]), first.at(0), cost.at(index))


def aggregated(model: StepModel, prompt: int, output: int, users: float) -> Served | Infeasible:
    """One pool that prefills and decodes, attention on ranks of its own sequences, under a fixed number of users.

    A token costs its step plus users / output of a prompt's share of a pass, as in `mixture`; a pass holds a prompt of
    every rank at least.
    """
    room = model.memory.sequences(prompt + output)
    if room < 1:
        return Infeasible(f"the cache of one sequence of {prompt + output:,} tokens does not fit")
    inside = min(users / model.plan.dp, float(room))
    first, capacity = _passes(Pool(model, 1), prompt)
    cost = model.cost(Step.decode([max(1.0, inside / model.depth)], prompt + output / 2))
    step = float(cost.time_s[0]) * model.imbalance
    tpot = step + inside / (output * capacity)
    busy = min(1.0 - step / tpot, FULLEST) if inside > 1 else 0.0
    wait = (step / 2 if inside > 1 else 0.0) + busy / (2 * (1 - busy)) / capacity
    ttft = float(first.time_s[0]) + model.mechanism.request_s + wait
    waiting = max(0.0, users / model.plan.dp / inside - 1.0) * (tpot * output + ttft)
    rate = inside * model.plan.dp / tpot
    return Served(ttft + waiting, tpot, rate, inside, first.at(0), cost.at(0))


def _passes(pool: Pool, prompt: int) -> tuple[StepCost, float]:
    """Costs of passes of one prompt and of as many as fill one, and the pool's prompts per second."""
    model = pool.step_model
    ranks = model.plan.ranks
    together = float(ranks * max(1, _PASS_TOKENS // prompt))
    cost = model.cost(Step.prefill(np.array([1.0, together]), prompt))
    alone, joint = (float(seconds) for seconds in cost.time_s + np.zeros(2))
    best = max(1.0 / alone, together / joint)
    return cost, pool.workers * best * model.depth / model.imbalance


def transfer_s(model: StepModel, prompt: int, level: Level = "out") -> float:
    """Seconds in which a prompt's cache crosses links: all chips of a rank send or receive their parts at once."""
    link = model.target.link(level)
    own = float(model.memory.per_sequence(prompt)) * model.plan.ranks
    return link.latency_s + own / link.bandwidth_bytes_per_s


def _queue(load: Array, first: StepCost, users: int) -> Array:
    """Mean wait in the prefill pool at a share of its capacity."""
    load = np.minimum(load, FULLEST)
    return np.asarray(np.minimum(load / (2 * (1 - load)), users) * float(first.time_s[0]))


def _batches(most: float) -> Array:
    return np.geomspace(min(1.0, most) / 4, most, 48)
