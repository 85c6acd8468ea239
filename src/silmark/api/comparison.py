"""One model in, every chip's answer out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from silmark import models, systems
from silmark.api import question
from silmark.api.question import Count, Duration
from silmark.chips import Chip, aliases
from silmark.economics import price
from silmark.errors import BadValue
from silmark.estimation import Asked, choose
from silmark.figures import Interval
from silmark.figures.own import remark
from silmark.mapping import Infeasible
from silmark.models import Model
from silmark.quality import HEADLINE, MEASURES, STANDIN_OF, STANDIN_TASKS, chosen
from silmark.quality.ask import standin_quality
from silmark.report.rows import Comparison, Row
from silmark.workloads import Workload


def _mid(interval: Interval | None) -> float:
    """Rows without the number come last."""
    return interval.mid if interval else math.inf


_ORDER = {"ok": 0, "infeasible": 1, "cannot-run": 2}
_SORTS: dict[str, Callable[[Row], float]] = {
    "throughput": lambda row: -row.per_chip.mid if row.per_chip else 0.0,
    "ttft": lambda row: _mid(row.estimate.ttft_s or row.estimate.latency_s if row.estimate else None),
    "tpot": lambda row: _mid(row.estimate.tpot_s or row.estimate.latency_s if row.estimate else None),
    "energy": lambda row: _mid(row.estimate.joules if row.estimate else None),
    "cost": lambda row: _mid(row.price.usd_per_million if row.price else None),
    "chip": lambda row: 0.0,
}
SORTS = tuple(_SORTS)


def compare(
    model: str,
    *,
    workload: str = "chat",
    prompt: Count | None = None,
    output: Count | None = None,
    ttft: Duration | None = None,
    tpot: Duration | None = None,
    batch: Count = "auto",
    power: float | None = None,
    chips: str | Sequence[str] = "all",
    precision: str = "default",
    maturity: Literal["own", "equal"] = "own",
    sort: str = "throughput",
    quality: bool = False,
) -> Comparison:
    """What every chip would do for a model under a workload.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`.
        workload: chat, code, summarize, reasoning, offline or edge.
        prompt, output: tokens per request, in place of the workload's.
        ttft, tpot: promises such as "2s" or "50ms"; "none" for no promise.
        batch: sequences in flight, or "auto" for the throughput-optimal number within the promises.
        power: limit of all chips together, in watts.
        chips: "all", or names and paths.
        precision: a format, "weights:compute[:kv]", or "default" (16 bits where native).
        maturity: "own" software, or "equal" (every chip granted a mature stack).
        sort: throughput, ttft, tpot, energy, cost or chip.
        quality: also what each plan's arithmetic does to outputs, those of a small model of the same kind.

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    if sort not in _SORTS:
        raise BadValue("sort", sort, f"one of {', '.join(_SORTS)}")
    if maturity not in ("own", "equal"):
        raise BadValue("maturity", maturity, "own or equal")
    asked = question.workload(workload, prompt, output, ttft, tpot, batch, power)
    question.known_format(precision)
    loaded = models.load(model)
    rows = [_row(loaded, chip, asked, precision, maturity) for chip in question.chip_list(chips)]
    rows.sort(key=lambda row: (_ORDER[row.status], row.estimate is None, _SORTS[sort](row), row.chip.id))
    said = {
        "model": loaded.name,
        "workload": asked.name,
        "prompt": asked.prompt,
        "output": asked.output,
        "ttft_s": question.finite(asked.ttft_s),
        "tpot_s": question.finite(asked.tpot_s),
        "batch": asked.users or "auto",
        "power_w": asked.power_w,
        "chips": chips if isinstance(chips, str) else ",".join(chips),
        "precision": precision,
        "maturity": maturity,
        "sort": sort,
    }
    notes, standin = _notes(chips, loaded, asked), ""
    if quality:
        standin = STANDIN_OF.get(loaded.kind, "smallcnn")
        rows = _with_quality(rows, standin)
        name = MEASURES[HEADLINE[STANDIN_TASKS[standin]]].words
        notes = (*notes, f"outputs: {name} with fp32 of {standin}, a small model in place of {loaded.name}")
    return Comparison(said, tuple(rows), notes, loaded.kind == "decoder", standin)


def _with_quality(rows: Sequence[Row], standin: str) -> list[Row]:
    """The rows with the outputs of a stand-in, computed in the formats of their plans."""
    ways = [chosen(row.chip, str(row.estimate.step_model.plan.precision)).way if row.estimate else None for row in rows]
    found = standin_quality(standin, [way for way in ways if way])
    return [replace(row, quality=found[way]) if way else row for row, way in zip(rows, ways, strict=True)]


def _row(model: Model, chip: Chip, asked: Workload, precision_name: str, maturity: Literal["own", "equal"]) -> Row:
    answer = choose(Asked(model, chip, systems.usual(chip), asked, question.precision(precision_name, chip), maturity))
    if isinstance(answer, Infeasible):
        return Row(chip, "cannot-run" if answer.cannot else "infeasible", answer.reason)
    return Row(chip, "infeasible" if answer.misses else "ok", answer.misses, answer, price(answer))


def _notes(chips: str | Sequence[str], model: Model, asked: Workload) -> tuple[str, ...]:
    names = chips.split(",") if isinstance(chips, str) else chips
    table = aliases()
    notes = [f"{name.strip()} means {table[name.strip()]}" for name in names if name.strip() in table]
    return tuple(dict.fromkeys(filter(None, [*notes, *model.notes, *question.too_long(model, asked), remark()])))
