"""End-to-end predictions in bulk: rows of any end-to-end table, measured or not, to low, mid and high in their unit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from silmark.errors import SilmarkError
from silmark.step import grade
from silmark.training import predict_row
from silmark.validation import engines, open_loop
from silmark.validation.predict import work
from silmark.validation.rows import Row, parse
from silmark.validation.work import Work


@dataclass(frozen=True, slots=True)
class Answer:
    """The prediction for one row, in its unit; `why` says where it comes from, or why there is none (mid is None)."""

    low: float | None
    mid: float | None
    high: float | None
    grade: str
    why: str


def end_to_end(rows: Iterable[Mapping[str, str]], table: str = "") -> list[Answer]:
    """Predicts rows as read from an end-to-end table: one answer per row, in order.

    Args:
        rows: cells by column; `value` is not looked at.
        table: name of the table; without it a row's `dataset`, else what stands before the colon of its `row_id`.
    """
    return [_answer(cells, table) for cells in rows]


def _answer(cells: Mapping[str, str], table: str) -> Answer:
    name = cells.get("dataset") or (table if table != "core_e2e" else "") or cells.get("row_id", "").partition(":")[0]
    if name.startswith("training") or cells.get("metric", "").startswith("train_"):
        return _training(cells)
    row = parse({**cells, "value": ""}, name)
    if isinstance(row, str):
        return _none(row)
    try:
        if open_loop.is_open_loop(row):
            return _simulated(row)
        done = work(row)
    except SilmarkError as problem:
        return _none(str(problem))
    return _none(done) if isinstance(done, str) else _said(row, done)


def _simulated(row: Row) -> Answer:
    found = open_loop.held_rate(row)
    if isinstance(found, str):
        return _none(found)
    bar, worst, why = found
    return Answer(bar.low / row.scale, bar.mid / row.scale, bar.high / row.scale, worst, why)


def _said(row: Row, done: Work) -> Answer:
    bar, why = engines.corrected(row, done)
    scale = 1.0 / row.scale
    if not all(math.isfinite(x) and x > 0 for x in (bar.low, bar.mid, bar.high)):
        return _none("the prediction is not a number above 0")
    metric = done.kind if done.kind in ("ttft", "tpot", "throughput", "latency", "power") else "ttft"
    return Answer(
        bar.low * scale, bar.mid * scale, bar.high * scale, str(grade(done.step_model, done.cost, metric)), why
    )


def _none(why: str) -> Answer:
    return Answer(None, None, None, "", why)


def _training(cells: Mapping[str, str]) -> Answer:
    low, mid, high, worst, why = predict_row(cells)
    return Answer(low, mid, high, str(worst), why) if math.isfinite(mid) else _none(why)
