"""Rows of a sweep whose points are traces sent to simulated servers: one simulation each, without error bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from silmark.errors import SilmarkError
from silmark.mapping import Infeasible, Plan
from silmark.planning.sweep.grid import Cut, Value
from silmark.planning.sweep.work import Work
from silmark.serving.arguments import EngineArgs
from silmark.serving.replica import Replica, replica
from silmark.serving.run import Run
from silmark.step import Maturity

Row = dict[str, str | float]
_STATISTICS = ("mean", "p50", "p90", "p99")
_PLAIN = {
    "requests": "requests.completed",
    "requests_per_s": "requests_per_s",
    "goodput_requests_per_s": "goodput_requests_per_s",
    "tokens_per_s": "output_tokens_per_s",
    "preemptions": "preemptions",
    "kv_usage_max": "kv_usage.max",
    "power_w": "power_w",
    "joules_per_token": "joules_per_output_token",
    "usd_per_mtok": "usd_per_million_output_tokens",
    **{f"{name}_s_{key}": f"{name}_s.{key}" for name in ("ttft", "tpot", "itl", "e2el") for key in _STATISTICS},
}
"""Columns, and the metrics of `silmark serve-sim` that they hold."""


def served(work: Work, cut: Cut, plan: Plan | Infeasible, loads: Sequence[tuple[str, Value]]) -> list[Row]:
    """One row for every policy and rate."""
    if isinstance(plan, Infeasible):
        return [_load(*load) | _refused(plan) for load in loads]
    engines: dict[str, Replica | Infeasible] = {}
    return [_row(work, cut, plan, policy, rate, engines) for policy, rate in loads]


def _row(work: Work, cut: Cut, plan: Plan, policy: str, rate: Value, engines: dict[str, Replica | Infeasible]) -> Row:
    row = _load(policy, rate)
    if policy not in engines:
        model, target = work.models[cut.model], work.targets[cut.on]
        engines[policy] = replica(model, target, plan, EngineArgs(policy=policy), cast("Maturity", cut.maturity))
    found = engines[policy]
    if isinstance(found, Infeasible):
        return row | _refused(found)
    if work.serve is None:
        raise SilmarkError("a sweep of traces that nobody sends")
    done, kept = work.serve(found, rate)
    return row | {"status": "ok", "slo_kept": math.nan if kept is None else float(kept)} | _numbers(done, plan)


def _load(policy: str, rate: Value) -> Row:
    return {"policy": policy} | ({} if rate == "trace" else {"rate_per_s": float(rate)})


def _refused(answer: Infeasible) -> Row:
    return {"status": "cannot-run" if answer.cannot else "infeasible", "reason": answer.reason}


def _numbers(done: Run, plan: Plan) -> Row:
    found: Row = {}
    for column, metric in _PLAIN.items():
        value = done.values.get(metric)
        found[column] = math.nan if value is None else float(value)
    found["tokens_per_s_chip"] = float(found["tokens_per_s"]) / plan.chips
    return found
