"""The page of one system in depth: its rows by batch, then its operators by phase."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from silmark.estimation import Estimate
from silmark.figures.numbers import shown, si, three
from silmark.report.rows import Row
from silmark.report.table import grid


def tables(
    question: Mapping[str, Any], rows: Sequence[Row], operators: Sequence[Mapping[str, Any]]
) -> Iterator[Table | Text]:
    """Yields a heading, the table over batches and one table per phase."""
    yield Text(f"{question['model']} on {question['on']}, {question['plan']}")
    if "calibration" in question:
        yield Text(f"note: {question['calibration']}")
    if all(row.estimate is None for row in rows):
        yield Text(rows[-1].reason)
        return
    yield _over_batches(rows)
    for phase in dict.fromkeys(entry["phase"] for entry in operators):
        yield _operators(phase, [entry for entry in operators if entry["phase"] == phase])


def _over_batches(rows: Sequence[Row]) -> Table:
    chunked = any(row.estimate and row.estimate.serving.chunk for row in rows)
    headers = [
        "batch",
        "at most",
        "TTFT",
        "TPOT",
        *(["ITL at most"] if chunked else []),
        "latency",
        "per s",
        "per s and chip",
        "power",
        "J",
        "$/M",
        "bound by",
        "",
    ]
    cells = []
    for row in rows:
        answer = row.estimate
        if answer is None:
            cells.append([*["-"] * (len(headers) - 1), row.reason])
            continue
        usd = row.price.usd_per_million if row.price else None
        worst = [answer.itl_max_s] if chunked else []
        times = [shown(x, "s") for x in (answer.ttft_s, answer.tpot_s, *worst, answer.latency_s)]
        rates = [
            shown(answer.rate),
            shown(row.per_chip),
            shown(answer.power_w, "W"),
            shown(answer.joules, "J"),
            shown(usd),
        ]
        bound = ", ".join(f"{phase}: {what}" for phase, what in answer.bound_by.items())
        words = (row.reason, str(answer.serving), _restored(answer))
        remark = "; ".join(word for word in words if word)
        cells.append([f"{answer.batch:,}", f"{answer.batch_max:,}", *times, *rates, bound, remark])
    return grid(headers, cells, numeric=range(len(headers) - 2))


def _restored(answer: Estimate) -> str:
    if answer.restored is None or answer.prefill_share is None:
        return ""
    return f"{answer.restored}; prompts take {answer.prefill_share:.0%} of the time"


def _operators(phase: str, entries: Sequence[Mapping[str, Any]]) -> Table:
    headers = [f"{phase} operator", "kind", "times", "time", "share", "energy", "bound by"]
    cells = [
        [
            str(entry["operator"]),
            str(entry["kind"]),
            three(entry["count"]),
            si(entry["time_s"], "s"),
            f"{100 * entry['share']:.1f}%",
            si(entry["joules"], "J"),
            str(entry["bound_by"]),
        ]
        for entry in entries
    ]
    return grid(headers, cells, numeric=(2, 3, 4, 5))
