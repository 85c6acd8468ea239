"""Tables of the terminal: aligned and coloured there, plain and untruncated in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from silmark.report.catalogue import figure_cells
from silmark.report.numbers import shown, si
from silmark.report.rows import Comparison, Row

_MARKS = {"announced": "announced", "demonstrated": "demo only", "withdrawn": "withdrawn", "shipping": ""}


def console(file: TextIO | None = None) -> Console:
    """A console that never cuts an id: in a pipe, lines are as long as they need to be."""
    stream = file or sys.stdout
    return Console(file=stream) if stream.isatty() else Console(file=stream, width=1000, soft_wrap=True)


def grid(headers: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", numeric: Sequence[int] = ()) -> Table:
    """A plain table; columns in `numeric` are right-aligned."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index in numeric else "left", no_wrap=True, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def comparison(answer: Comparison) -> Table:
    """One row per chip: those that keep the promises, then the near misses, then the rest with their reason."""
    tokens = any(row.estimate and row.estimate.tokens_per_s for row in answer.rows)
    if tokens:
        headers = [
            "chip",
            "system",
            "TTFT",
            "TPOT",
            "tok/s/user",
            "tok/s/chip",
            "J/token",
            "$/Mtok",
            "batch",
            "bound by",
            "grade",
            "",
        ]
    else:
        headers = [
            "chip",
            "system",
            "latency",
            "items/s",
            "items/s/chip",
            "J/item",
            "$/Mitem",
            "batch",
            "bound by",
            "grade",
            "",
        ]
    rows = [_token_cells(row) if tokens else _item_cells(row) for row in answer.rows]
    return grid(headers, rows, numeric=range(2, len(headers) - 3))


def _token_cells(row: Row) -> list[str]:
    answer = row.estimate
    if answer is None:
        return [row.chip.id, "-", *["-"] * 9, _remark(row)]
    return [
        row.chip.id,
        _system(row),
        shown(answer.ttft_s, "s"),
        shown(answer.tpot_s, "s"),
        shown(row.tokens_per_s_user),
        shown(row.per_chip),
        shown(answer.joules, "J"),
        _usd(row),
        f"{answer.batch:,}",
        answer.bound_by.get("decode", "-"),
        str(answer.grade),
        _remark(row),
    ]


def _item_cells(row: Row) -> list[str]:
    answer = row.estimate
    if answer is None:
        return [row.chip.id, "-", *["-"] * 8, _remark(row)]
    return [
        row.chip.id,
        _system(row),
        shown(answer.latency_s, "s"),
        shown(answer.items_per_s),
        shown(row.per_chip),
        shown(answer.joules, "J"),
        _usd(row),
        f"{answer.batch:,}",
        answer.bound_by.get("forward", "-"),
        str(answer.grade),
        _remark(row),
    ]


def _usd(row: Row) -> str:
    if row.price is None:
        return "-"
    return f"{shown(row.price.usd_per_million)} {row.price.basis}"


def _system(row: Row) -> str:
    assert row.estimate is not None
    target, plan = row.estimate.step_model.target, row.estimate.step_model.plan
    units = f"{target.units} x " if target.units > 1 else ""
    replica = plan.tp * plan.pp
    chips = f"{plan.dp} x {replica}" if plan.dp > 1 else f"{replica}"
    return f"{chips} chip{'s' if plan.chips > 1 else ''}, {units}{target.system.id}"


def _remark(row: Row) -> str:
    return "; ".join(part for part in (_MARKS[row.chip.status], row.reason) if part)


def explanation(row: Row) -> Table:
    """Every input figure of a row with its interval, source and grade."""
    cells = [figure_cells(key, figure) for key, figure in sorted(row.figures.items())]
    return grid(["figure", "value", "interval", "grade", "source", "note"], cells, title=row.chip.id)


def heading(answer: Comparison) -> Text:
    """The question in one line."""
    asked = answer.question
    if any(row.estimate and row.estimate.tokens_per_s for row in answer.rows):
        sizes = f"{asked['prompt']} tokens in, {asked['output']} out"
        limits = (("TTFT", asked["ttft_s"]), ("TPOT", asked["tpot_s"]))
    else:
        sizes, limits = "one pass per item", (("latency", asked["ttft_s"]), ("", None))
    promises = [f"{name} {si(seconds, 's')}" for name, seconds in limits if seconds is not None]
    said = ", ".join(promises) or "no promise"
    return Text(f"{asked['model']}, {asked['workload']}: {sizes}; {said}; 80 % intervals\n")
