"""What Silmark says where something was measured: one function per kind of measurement.

first token      one prefill, of one prompt or of a whole batch
static batch     all prompts together, then all answers together: prefill and every decode step, summed
full load        as many requests as there is room for: the best steady state
fixed users      so many sequences in flight: the steady state at that batch
power            of one chip during a static batch, without its host
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from silmark.chips.mechanisms import Resource
from silmark.estimation import Estimate, estimate
from silmark.figures import Interval
from silmark.graph import Array
from silmark.mapping import Infeasible
from silmark.step import StepCost, StepModel, log_widths, residual
from silmark.validation.rows import Row
from silmark.validation.setup import compiled
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


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one row should have measured.

    Attributes:
        metric: ttft, ttft under load, tpot, throughput, latency or power.
        interval: in the row's unit (seconds, tokens per second, watts), with the error bar of today.
    """

    metric: str
    step_model: StepModel
    interval: Interval


def predict(row: Row) -> Prediction | str:
    """The prediction for one row, or why there is none."""
    if row.table == "gaudi_optimum_habana" and row.metric != "output_throughput":
        return f"metric {row.metric!r} is not predicted"
    if "open-loop" in row.notes or "Poisson" in row.notes:
        return "arrivals at a given rate: a question for a simulation of requests"
    kind = _kind(row)
    if kind is None:
        return f"metric {row.metric!r} is not predicted"
    step_model = compiled(row)
    if isinstance(step_model, str):
        return step_model
    name, function = kind
    interval = function(step_model, row)
    return interval if isinstance(interval, str) else Prediction(name, step_model, interval)


_Function = Callable[[StepModel, Row], Interval | str]


def _kind(row: Row) -> tuple[str, _Function] | None:
    """Class of residuals and function of a row's metric."""
    if row.metric in ("ttft", "ttft_mean", "ttft_p50"):
        # Only one table was measured on an idle chip; elsewhere missing users are just not stated.
        return ("ttft", first_token) if row.table == "trtllm_docs_throughput" else (LOADED, fixed_users)
    if row.metric in ("output_throughput", "output_throughput_per_gpu"):
        if row.concurrency is not None:
            return "throughput", fixed_users
        # Only one table was measured at full load; elsewhere a missing batch is just not stated.
        full = row.batch is None and row.table == "trtllm_docs_throughput"
        return "throughput", full_load if full else static_batch
    return _KINDS.get(row.metric)


def first_token(model: StepModel, row: Row) -> Interval | str:
    """Seconds until a batch of prompts (usually one) has its first tokens, no other work on the chip."""
    if row.isl is None or row.batch is None:
        return "batch or length of the prompt is not stated"
    cost = model.quick(Step.prefill([row.batch], row.isl))
    seconds = float(cost.time_s[0]) + model.mechanism.request_s
    return Interval.around(seconds, *log_widths(model, cost, "ttft"))


def static_batch(model: StepModel, row: Row) -> Interval | str:
    """Seconds of a batch that starts together, or output tokens per second of it."""
    run = _static(model, row)
    if isinstance(run, str):
        return run
    if row.metric == "batch_latency":
        return Interval.around(run.seconds, *log_widths(model, run.cost, "latency"))
    rate = run.tokens * model.plan.dp / run.seconds / (model.plan.chips if row.per_gpu else 1)
    return Interval.around(rate, *reversed(log_widths(model, run.cost, "throughput")))


def full_load(model: StepModel, row: Row) -> Interval | str:
    """Output tokens per second with requests always waiting."""
    answer = _steady(model, row, None)
    if not isinstance(answer, str) and answer.batch > MOST_SEQUENCES * model.plan.dp:
        answer = _steady(model, row, MOST_SEQUENCES * model.plan.dp)
    if isinstance(answer, str):
        return answer
    return answer.rate.scaled(1 / answer.chips if row.per_gpu else 1.0)


def fixed_users(model: StepModel, row: Row) -> Interval | str:
    """Seconds per token or to the first one, or tokens per second, with so many requests always in flight."""
    answer = _steady(model, row, row.concurrency) if row.concurrency else "number of users is not stated"
    if isinstance(answer, str):
        return answer
    if row.metric.startswith("tpot"):
        found = answer.tpot_s
    elif row.metric.startswith("ttft"):
        found = None if answer.ttft_s is None else _with_start(model, row, answer.ttft_s)
    else:
        found = answer.rate.scaled(1 / answer.chips if row.per_gpu else 1.0)
    return found or "no tokens"


def _with_start(model: StepModel, row: Row, steady: Interval) -> Interval:
    """Mean over a whole benchmark: its first requests come all at once and wait for each other's prompts."""
    if row.isl is None or row.concurrency is None:
        return steady
    users = float(-(-row.concurrency // model.plan.dp))
    together = max(1.0, min(users, float(_STEP_TOKENS // row.isl)))
    prompt = float(model.prefill_s(together, row.isl)) / together / model.depth
    return steady.scaled(1.0 + (users - 1.0) / 2.0 * prompt / _REQUESTS_PER_USER / steady.mid)


def power(model: StepModel, row: Row) -> Interval | str:
    """Mean watts of one chip during a static batch."""
    run = _static(model, row)
    if isinstance(run, str):
        return run
    if model.plan.chips != 1:
        return "whether the power is one device's or the sum is not stated"
    watts = model.idle_w + float(np.sum(run.cost.energy_j)) / run.seconds
    base = residual(model.target.chip, "power")
    return Interval(watts * base.low, watts, watts * base.high)


_KINDS: Mapping[str, tuple[str, _Function]] = {
    "batch_latency": ("latency", static_batch),
    "batch_ttft": ("ttft", first_token),
    "tpot": ("tpot", fixed_users),
    "tpot_mean": ("tpot", fixed_users),
    "tpot_p50": ("tpot", fixed_users),
    "avg_power_per_device?": ("power", power),
}


@dataclass(frozen=True, slots=True)
class _Run:
    seconds: float
    tokens: float
    cost: StepCost


def _static(model: StepModel, row: Row) -> _Run | str:
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
    seconds = float(prefill.time_s[0] * passes + _mean(times, contexts) * steps)
    middle = model.quick(Step.decode([inside], isl + osl / 2))
    return _Run(seconds * batch / fits, batch * osl, _sum(prefill, middle, steps, groups * batch / fits))


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


def _steady(model: StepModel, row: Row, users: int | None) -> Estimate | str:
    if row.isl is None or row.osl is None:
        return "lengths are not stated"
    answer = estimate(model, Workload("measured", row.isl, row.osl, users=users), quick=True)
    if isinstance(answer, Infeasible):
        return "the cache of so many sequences does not fit" if users else answer.reason
    return answer
