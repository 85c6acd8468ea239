"""What Silmark says where something was measured: the work behind a row, and its error bar of today."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from silmark.figures import Interval
from silmark.figures.figure import quadrature
from silmark.step import StepModel, log_widths, residual
from silmark.validation import arrivals, loads
from silmark.validation.rows import Row
from silmark.validation.setup import compiled
from silmark.validation.work import Work


def bar(done: Work) -> Interval:
    """The value with the error bar that `estimate` and `compare` would give it."""
    metric = done.kind if done.kind in ("ttft", "tpot", "throughput", "latency", "power") else "ttft"
    if done.kind == "power":
        base = residual(done.step_model.target.chip, "power")
        return Interval(done.value * base.low, done.value, done.value * base.high)
    known = log_widths(done.step_model, done.cost, metric)
    widths = [quadrature(pair) for pair in zip(known, done.spread, strict=True)]
    return Interval.around(done.value, *(widths if done.amount is None else reversed(widths)))


def work(row: Row) -> Work | str:
    """What one row's measurement consists of, or why that cannot be said."""
    if row.table == "gaudi_optimum_habana" and row.metric != "output_throughput":
        return f"metric {row.metric!r} is not predicted: its rows state neither batch nor lengths"
    special = arrivals.special(row)
    if special is not None:
        return special(row)
    kind = _kind(row)
    if kind is None:
        return f"metric {row.metric!r} is not predicted"
    step_model = compiled(row)
    return step_model if isinstance(step_model, str) else kind(step_model, row)


_Function = Callable[[StepModel, Row], Work | str]


def _kind(row: Row) -> _Function | None:
    """The function of a row's metric."""
    if row.metric in ("ttft", "ttft_mean", "ttft_p50", "ttft_p99"):
        # Only one table was measured on an idle chip; elsewhere missing users are just not stated.
        return loads.first_token if row.table == "trtllm_docs_throughput" else loads.fixed_users
    if row.metric in ("output_throughput", "output_throughput_per_gpu"):
        if row.concurrency is not None:
            return loads.fixed_users
        # A missing batch is full load where the table says so; Gaudi's rows just do not state it.
        return loads.static_batch if row.batch or row.table == "gaudi_optimum_habana" else loads.full_load
    return _KINDS.get(row.metric)


_KINDS: Mapping[str, _Function] = {
    "batch_latency": loads.static_batch,
    "batch_ttft": loads.first_token,
    "tpot": loads.fixed_users,
    "tpot_mean": loads.fixed_users,
    "tpot_p50": loads.fixed_users,
    "itl_mean": loads.fixed_users,
    "request_latency_mean": loads.fixed_users,
    "avg_power_per_device?": loads.power,
}
