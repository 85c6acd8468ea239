"""Work of measurements with all requests there at the start, or so many always in flight.

first token      one prefill, of one prompt or of a whole batch
static batch     all prompts together, then all answers together: prefill and every decode step, summed
full load        as many requests as there is room for: the best steady state
fixed users      so many sequences in flight: the steady state at that batch
power            of one chip during a static batch, without its host
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from silmark.chips.mechanisms import Resource
from silmark.estimation import Estimate, estimate
from silmark.estimation.disaggregated import Served, aggregated
from silmark.graph import Array
from silmark.mapping import Infeasible
from silmark.step import StepCost, StepModel
from silmark.validation.rows import Row
from silmark.validation.work import Work
from silmark.workloads import Step, Workload

MOST_SEQUENCES = 2048
"""Default of TensorRT-LLM's `max_batch_size`; the tables measured at full load do not state another."""
_CONTEXTS = 17
"""Contexts at which decode steps are evaluated; between them a step's time is as good as linear."""
_SHORT_PROMPT, _DEFAULT_OUTPUT = 16, 100
"""`run_generation` of optimum-habana where a row states no lengths: its prompts are single sentences."""
LOADED = "ttft under load"
_REQUESTS_PER_USER = 10
"""Requests that benchmarks with fixed users send for each of them, so that one in ten belongs to the start. Not in the
rows, but in what they say: with it, measured over predicted does not depend on the number of users; without, it grows
with it."""
_STEP_TOKENS = 8192
"""Prompt tokens that engines take into one step by default."""


def first_token(model: StepModel, row: Row) -> Work | str:
    """Seconds until a batch of prompts (usually one) has its first tokens, no other work on the chip."""
    if row.isl is None or row.batch is None:
        return "batch or length of the prompt is not stated"
    cost = model.quick(Step.prefill([row.batch], row.isl)).at(0)
    seconds = float(cost.time_s) + model.mechanism.request_s
    return Work("ttft", model, seconds, cost, None, 1.0, float(row.batch), float(row.batch * row.isl))


def static_batch(model: StepModel, row: Row) -> Work | str:
    """Seconds of a batch that starts together, or output tokens per second of it."""
    run = static(model, row)
    if isinstance(run, str):
        return run
    middle = (row.isl or 0) + (row.osl or 0) / 2
    done = Work("latency", model, run.seconds, run.cost, None, run.steps, run.sequences, run.tokens, middle)
    if row.metric == "batch_latency":
        return done
    each = model.plan.chips if row.per_gpu else 1
    return replace(done, kind="throughput", amount=run.sequences * model.plan.dp / each)


def full_load(model: StepModel, row: Row) -> Work | str:
    """Output tokens per second with requests always waiting."""
    if model.plan.ranks > 1:
        room = float(model.memory.sequences((row.isl or 1) + (row.osl or 1)))
        return fixed_users(model, replace(row, concurrency=round(min(room, MOST_SEQUENCES * model.plan.ranks)) or 1))
    answer = steady(model, row, None)
    if not isinstance(answer, str) and answer.batch > MOST_SEQUENCES * model.plan.dp:
        answer = steady(model, row, MOST_SEQUENCES * model.plan.dp)
    return answer if isinstance(answer, str) else flow(answer, row)


def fixed_users(model: StepModel, row: Row) -> Work | str:
    """Seconds per token or to the first one, or tokens per second, with so many requests always in flight."""
    users = row.concurrency or (row.batch or 0) * model.plan.dp
    if not users:
        return "number of users is not stated"
    row = replace(row, concurrency=users)
    if model.plan.ranks > 1:
        if row.isl is None or row.osl is None:
            return "lengths are not stated"
        served = aggregated(model, row.isl, row.osl, users)
        return served.reason if isinstance(served, Infeasible) else of_served(model, served, row)
    answer = steady(model, row, users)
    if isinstance(answer, str):
        return answer
    if row.metric.startswith("ttft"):
        return _first(answer, row)
    done, first = flow(answer, row), _first(answer, row)
    if isinstance(done, str) or isinstance(first, str) or done.kind != "throughput":
        return done
    # Little's law: so many users share what one request takes from its arrival to its last token.
    return replace(done, seconds=done.seconds + first.seconds / (row.osl or 1))


def flow(answer: Estimate, row: Row) -> Work | str:
    """Time per token of a steady state, or tokens per second."""
    if answer.tpot_s is None or row.isl is None or row.osl is None:
        return "no tokens"
    model = answer.step_model
    inside = answer.batch / model.plan.dp
    cost = answer.phases["decode"]
    prompts, middle = inside * row.isl / row.osl, row.isl + row.osl / 2
    done = Work("tpot", model, answer.tpot_s.mid, cost, None, 1.0, inside, prompts, middle)
    if row.metric.startswith(("tpot", "itl")):
        return done
    if row.metric.startswith("request_latency"):
        assert answer.ttft_s is not None
        return replace(done, kind="latency", seconds=answer.ttft_s.mid + answer.tpot_s.mid * row.osl)
    return replace(done, kind="throughput", amount=answer.batch / (answer.chips if row.per_gpu else 1))


def _first(answer: Estimate, row: Row) -> Work | str:
    """Mean over a whole benchmark: its first requests come all at once and wait for each other's prompts."""
    if answer.ttft_s is None or row.isl is None or row.concurrency is None:
        return "no tokens"
    model = answer.step_model
    users = float(-(-row.concurrency // model.plan.dp))
    together = max(1.0, min(users, float(_STEP_TOKENS // row.isl)))
    prompt = float(model.prefill_s(together, row.isl)) / together / model.depth
    seconds = answer.ttft_s.mid + (users - 1.0) / 2.0 * prompt / _REQUESTS_PER_USER
    return Work(LOADED, model, seconds, answer.phases["prefill"], None, 1.0, users, float(row.isl))


def of_served(model: StepModel, served: Served, row: Row) -> Work:
    """What of a closed loop was measured."""
    isl, osl = row.isl or 1, row.osl or 1
    if row.metric.startswith("ttft"):
        return Work(LOADED, model, served.ttft_s, served.first, None, 1.0, served.batch, float(isl))
    prompts, middle = served.batch * isl / osl, isl + osl / 2
    done = Work("tpot", model, served.tpot_s, served.decode, None, 1.0, served.batch, prompts, middle)
    if row.metric.startswith(("tpot", "itl")):
        return done
    each = model.plan.chips if row.per_gpu else 1
    return replace(done, kind="throughput", amount=served.tokens_per_s * served.tpot_s / each)


def power(model: StepModel, row: Row) -> Work | str:
    """Mean watts of one chip during a static batch."""
    run = static(model, row)
    if isinstance(run, str):
        return run
    chips = model.plan.replica_chips
    watts = (model.idle_w + float(np.sum(run.cost.energy_j)) / run.seconds) / chips
    return Work("power", model, watts, run.cost)


@dataclass(frozen=True, slots=True)
class Run:
    """A static batch on one replica; sequences are summed over its steps, as in `Work`."""

    seconds: float
    prefill_s: float
    steps: float
    sequences: float
    tokens: float
    cost: StepCost


def static(model: StepModel, row: Row) -> Run | str:
    """A static batch on one replica; what does not fit waits, so that the memory is full until the end."""
    guessed = row.table == "gaudi_optimum_habana"
    isl = row.isl or (_SHORT_PROMPT if guessed else None)
    osl = row.osl or (_DEFAULT_OUTPUT if guessed else None)
    if row.batch is None or isl is None or osl is None:
        return "batch or lengths are not stated"
    batch = row.batch / model.plan.dp
    room = model.memory.sequences(isl + osl)
    if room < 1:
        return f"the cache of one sequence of {isl + osl:,} tokens does not fit"
    fits = min(batch, float(room))
    inside, groups = max(1.0, fits / model.depth), max(1.0, min(float(model.depth), fits))
    prefill = model.quick(Step.prefill([inside], isl))
    # A group leaves the first stage after 1 / depth of its way; the last one starts that much later.
    passes = 1.0 + (groups - 1.0) / model.depth * model.imbalance
    steps = osl - 1
    contexts = np.unique(np.round(np.linspace(isl, isl + max(0, steps - 1), _CONTEXTS)))
    times = model.decode_s(inside, contexts) * (model.imbalance if groups > 1 else 1.0)
    first = float(prefill.time_s[0] * passes)
    seconds = first + _mean(times, contexts) * steps
    middle = model.quick(Step.decode([inside], isl + osl / 2))
    turns = batch / fits
    return Run(
        seconds=seconds * turns,
        prefill_s=first * turns,
        steps=osl * turns,
        sequences=batch * osl,
        tokens=batch * isl,
        cost=_sum(prefill, middle, steps, groups * turns),
    )


def _mean(times: Array, at: Array) -> float:
    """Mean of a function that is linear between the given places."""
    if at.size == 1:
        return float(times[0])
    return float(np.sum((times[1:] + times[:-1]) / 2 * np.diff(at)) / (at[-1] - at[0]))


def _sum(first: StepCost, later: StepCost, steps: int, repeats: float) -> StepCost:
    """A prefill and its decode steps."""
    parts: dict[Resource, Array] = {r: np.asarray(p * steps) for r, p in later.parts.items()}
    for resource, seconds in first.parts.items():
        parts[resource] = parts[resource] + seconds if resource in parts else seconds
    return StepCost(parts, (first.energy_j + later.energy_j * steps) * repeats)


def steady(model: StepModel, row: Row, users: int | None) -> Estimate | str:
    """The steady state at so many users, or at the best number of them; those whose cache does not fit wait."""
    if row.isl is None or row.osl is None:
        return "lengths are not stated"
    room = model.memory.sequences(row.isl + row.osl) * model.plan.dp
    if users is not None and 0 < room < users:
        users = room
    answer = estimate(model, Workload("measured", row.isl, row.osl, users=users), quick=True)
    return answer.reason if isinstance(answer, Infeasible) else answer
