"""Work of measurements whose requests arrive in other ways: two pools, a given rate, all at once, MLPerf.

at a rate        steady state at the batch that the rate keeps in flight; above the system's capacity a queue builds up
all at once      a static batch, measured from each request's side
two pools        `silmark.estimation.disaggregated`
MLPerf           `silmark.estimation.mlperf`; its server scenarios at the batch that keeps the limits of latency
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from silmark.estimation import mlperf
from silmark.estimation.disaggregated import disaggregated
from silmark.mapping import Infeasible
from silmark.step import StepModel
from silmark.validation import loads, setup
from silmark.validation.rows import Row
from silmark.validation.work import Work
from silmark.workloads import Step

_RATE = re.compile(r"request_rate=(\d+(?:\.\d+)?)")
_REQUESTS = re.compile(r"\b(\d{1,7}) (?:ShareGPT requests|prompts)|ShareGPT (\d{1,7}) prompts")
_SEQUENCES = re.compile(r"max_num_seqs=(\d{1,6})")
_SCENARIO = re.compile(r"scenario=(\w+)")
_TWO_ON_A_CARD = "Dual 48G"
"""A card of two chips that counts as one device."""
_AT_ONCE = "all requests sent together"
_DEFAULT_SEQUENCES = 256
"""Default of vLLM's `max_num_seqs`."""
_ROUNDS = 12
"""Rounds in which the batch that a rate keeps in flight settles."""


def special(row: Row) -> Callable[[Row], Work | str] | None:
    """The function of a row whose requests arrive in one of these ways."""
    if row.table == "mlperf_inference_llm":
        return benchmark
    if "mode=disagg" in row.notes:
        return two_pools
    if "open-loop" in row.notes or "Poisson" in row.notes:
        return at_a_rate
    if _AT_ONCE in row.notes and row.concurrency:
        return at_once
    return None


def two_pools(row: Row) -> Work | str:
    """Time to the first token from the prefill pool and the transfer, time per token from the decode pool."""
    both = setup.pools(row)
    if isinstance(both, str):
        return both
    if row.isl is None or row.osl is None or row.concurrency is None:
        return "lengths or number of users are not stated"
    served = disaggregated(*both, row.isl, row.osl, row.concurrency)
    if isinstance(served, Infeasible):
        return served.reason
    done = loads.of_served(both[1].step_model, served, row)
    alone = ", workers not stated" if "=(''" in row.notes else ""
    return replace(done, kind=f"{done.kind}, two pools{alone}")


def at_once(row: Row) -> Work | str:
    """All requests start together: their mean first token lies half-way through the prompts."""
    model = setup.compiled(row)
    if isinstance(model, str):
        return model
    run = loads.static(model, replace(row, batch=row.concurrency))
    if isinstance(run, str):
        return run
    if row.metric.startswith("ttft"):
        half = max(run.prefill_s / 2, float(model.prefill_s(1, row.isl or 1))) + model.mechanism.request_s
        return Work(loads.LOADED, model, half, run.cost, None, 1.0, float(row.concurrency or 1), run.tokens / 2)
    if row.metric.startswith("tpot"):
        step = (run.seconds - run.prefill_s) / run.steps
        return Work("tpot", model, step, run.cost, None, 1.0, run.sequences / run.steps)
    return loads.static_batch(model, replace(row, batch=row.concurrency))


def at_a_rate(row: Row) -> Work | str:
    """Arrivals at a rate, or as fast as the server takes them where the rate is not stated."""
    model = setup.compiled(row)
    if isinstance(model, str):
        return model
    if row.isl is None or row.osl is None:
        return "lengths are not stated"
    stated, requests, most = _RATE.search(row.notes), _REQUESTS.search(row.notes), _SEQUENCES.search(row.notes)
    rate = float(stated[1]) if stated else float("inf")
    count = float(requests[1] or requests[2]) if requests else 1000.0
    limit = (int(most[1]) if most else _DEFAULT_SEQUENCES) * model.plan.dp
    full = loads.steady(model, row, min(limit, round(count)))
    if isinstance(full, str):
        return full
    capacity = full.rate.mid / row.osl
    if rate >= capacity:
        return _overloaded(model, row, loads.flow(full, row), (rate, capacity, count, float(full.batch)))
    users, found = 1.0, full
    for _ in range(_ROUNDS):
        settled = loads.steady(model, row, max(1, round(users)))
        if isinstance(settled, str) or settled.tpot_s is None:
            return "no tokens"
        found = settled
        users = (users + rate * row.osl * settled.tpot_s.mid) / 2
    if row.metric == "output_throughput":  # the clock stops when the last request has left
        drain = users / rate
        amount = count * row.osl
        return Work("rate-bound throughput", model, count / rate + drain, found.phases["decode"], amount)
    return loads.fixed_users(model, replace(row, concurrency=max(1, round(users))))


def _overloaded(model: StepModel, row: Row, done: Work | str, load: tuple[float, float, float, float]) -> Work | str:
    """More requests than the server takes: they wait until those before them have left."""
    if isinstance(done, str) or row.metric.startswith(("tpot", "itl")):
        return done
    rate, capacity, count, inside = load
    osl, isl = float(row.osl or 1), row.isl or 1
    share = 0.99 if row.metric.endswith("p99") else 0.5
    last = count / capacity
    waited = max(0.0, (count - inside) * share / capacity - count * share / rate)
    prompt = model.quick(Step.prefill([1.0], isl)).at(0)
    prompts = float(model.prefill_s(max(1.0, 8192 // isl), isl)) / max(1.0, 8192 // isl)
    first = waited + float(prompt.time_s) + model.mechanism.request_s + min(inside, count) * share * prompts
    if row.metric.startswith("ttft"):
        return Work("ttft overloaded", model, first, prompt, None, 1.0, inside, count * isl * share)
    if row.metric.startswith("request_latency"):
        whole = first + osl * done.seconds
        return Work("ttft overloaded", model, whole, prompt, None, 1.0, inside, count * isl * share)
    total = max(last, count / rate) + osl * done.seconds / 2
    steps = total / done.seconds
    return replace(
        done, kind="throughput", seconds=total, amount=count * osl, steps=steps, sequences=done.sequences * steps
    )


def benchmark(row: Row) -> Work | str:
    """One number of an MLPerf submission.

    Engines were tuned to it until nothing but the chips' time is left: host times have no part (no steps).
    """
    found = setup.named(row)
    if isinstance(found, str):
        return found
    chip, model, _ = found
    stated = _SCENARIO.search(row.notes)
    scenario = stated[1].lower() if stated else row.metric.partition("_")[0]
    task = mlperf.task(model)
    if task is None:
        return f"MLPerf's data set for {model} is not known"
    count = (row.devices or 1) * (2 if _TWO_ON_A_CARD in row.hardware else 1)
    precision = mlperf.formats(chip, row.precision)
    run = mlperf.submission(chip, model, precision, count, row.osl, scenario)
    if isinstance(run, Infeasible):  # it ran, so that its weights were narrower than the log says
        narrow = replace(precision, weights="int4")
        narrower = mlperf.submission(chip, model, narrow, count, row.osl, scenario)
        if isinstance(narrower, Infeasible):
            return run.reason
        run = narrower
    step, tokens = run.step_model, float(row.osl or task.output)
    if row.metric == "latency_p90":
        return Work("MLPerf alone", step, run.alone_s, run.cost, steps=0.0)
    if row.metric.endswith("_throughput"):
        per = 1.0 if row.unit != "samples/s" or step.model.kind != "decoder" else 1.0 / tokens
        kind = f"MLPerf {scenario}" if step.model.kind == "decoder" else f"MLPerf {scenario} passes"
        return Work(kind, step, run.step_s, run.cost, run.rate * per * run.step_s, steps=0.0)
    if step.model.kind != "decoder":
        return f"metric {row.metric!r} is not predicted of a model without tokens"
    times = {"ttft": run.first_s, "tpot": run.step_s, "request": run.first_s + run.step_s * (tokens - 1)}
    time = times.get(row.metric.partition("_")[0])
    if time is None:
        return f"metric {row.metric!r} is not predicted of MLPerf"
    return Work(f"MLPerf {row.metric}", step, time, run.cost, steps=0.0)
