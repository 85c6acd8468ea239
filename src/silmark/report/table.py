"""Tables of the terminal: aligned and coloured there, plain and untruncated in a pipe."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from silmark.estimation import Estimate
from silmark.figures import Figure
from silmark.figures.numbers import shown, si
from silmark.formats import FORMATS
from silmark.report.catalogue import figure_cells
from silmark.report.rows import Comparison, Row, standing

_MARKS = {"announced": "announced", "demonstrated": "demo only", "withdrawn": "withdrawn", "shipping": ""}


_WIDE = 200
"""Columns of a terminal on which a comparison fits with its intervals beside the numbers."""


class _Quiet(Console):
    def on_broken_pipe(self) -> None:
        """A reader that has seen enough (`| head`) is no failure."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0)


def console(file: TextIO | None = None) -> Console:
    """A console that never cuts an id or a number: lines are as long as they need to be."""
    return _Quiet(file=file or sys.stdout, width=1_000_000, soft_wrap=True, highlight=False)


def narrow() -> bool:
    """Whether the output is a terminal too narrow for intervals beside their numbers."""
    return sys.stdout.isatty() and shutil.get_terminal_size().columns < _WIDE


def grid(headers: Sequence[str], rows: Sequence[Sequence[str]], title: str = "", numeric: Sequence[int] = ()) -> Table:
    """A plain table; columns in `numeric` are right-aligned."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index in numeric else "left", no_wrap=True, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def comparison(answer: Comparison, stacked: bool = False) -> Table:
    """One row per chip: those that keep the promises, then the near misses, then the rest with their reason.

    Args:
        answer: what to draw.
        stacked: intervals below their numbers instead of beside them.
    """
    columns = (*_START, *(_TOKENS if answer.tokens else _ITEMS), *((_QUALITY,) if answer.standin else ()), *_END)
    rows = [[row.chip.id, *(_cell(cell, row) for _, cell in columns), _remark(row)] for row in answer.rows]
    if stacked:
        rows = [[_stack(text) if 2 < i < len(row) - 5 else text for i, text in enumerate(row)] for row in rows]
    return grid(["chip", *(name for name, _ in columns), ""], rows, numeric=range(3, len(columns) - 3))


def _cell(cell: Callable[[Row, Estimate], str], row: Row) -> str:
    return "-" if row.estimate is None else cell(row, row.estimate)


def _stack(text: str) -> str:
    head, *rest = text.rsplit(" ", 2)
    return "\n".join([head, " ".join(rest)]) if rest else head


def _usd(row: Row) -> str:
    return shown(row.price.usd_per_million if row.price else None)


def _system(_: Row, answer: Estimate) -> str:
    target, plan = answer.step_model.target, answer.step_model.plan
    units = f"{target.units} x " if target.units > 1 else ""
    replica = plan.replica_chips
    chips = f"{plan.dp} x {replica}" if plan.dp > 1 else f"{replica}"
    return f"{chips} chip{'s' if plan.chips > 1 else ''}, {units}{target.system.id}"


def _format(answer: Estimate) -> str:
    """Format of the plan, and of what the checkpoint stores narrower (experts in 4 bits)."""
    model, plan = answer.step_model.model, answer.step_model.plan
    stored = model.stored_bits
    narrower = stored is not None and stored < FORMATS[plan.precision.weights].bits
    return f"{plan.precision}, stored {stored:.3g} bit" if narrower else str(plan.precision)


_Columns = tuple[tuple[str, Callable[[Row, Estimate], str]], ...]
_START: _Columns = (("system", _system), ("format", lambda _, answer: _format(answer)))
_TOKENS: _Columns = (
    ("TTFT", lambda _, answer: shown(answer.ttft_s, "s")),
    ("TPOT", lambda _, answer: shown(answer.tpot_s, "s")),
    ("tok/s/user", lambda row, _: shown(row.tokens_per_s_user)),
    ("tok/s/chip", lambda row, _: shown(row.per_chip)),
    ("J/token", lambda _, answer: shown(answer.joules, "J")),
    ("$/Mtok", lambda row, _: _usd(row)),
)
_ITEMS: _Columns = (
    ("latency", lambda _, answer: shown(answer.latency_s, "s")),
    ("items/s", lambda _, answer: shown(answer.items_per_s)),
    ("items/s/chip", lambda row, _: shown(row.per_chip)),
    ("J/item", lambda _, answer: shown(answer.joules, "J")),
    ("$/Mitem", lambda row, _: _usd(row)),
)
_QUALITY = ("outputs", lambda row, _: standing(row.quality))
_END: _Columns = (
    ("paid as", lambda row, _: row.price.basis if row.price else "-"),
    ("batch", lambda _, answer: f"{answer.batch:,}"),
    ("bound by", lambda _, answer: answer.bound_by.get("decode", answer.bound_by.get("forward", "-"))),
    ("grade", lambda _, answer: str(answer.grade)),
)


def _remark(row: Row) -> str:
    return "; ".join(part for part in (_MARKS[row.chip.status], row.reason) if part)


def explanation(row: Row) -> Table:
    """Every input figure of a row with its interval, source and grade."""
    return figures(row.figures, row.chip.id)


def figures(known: Mapping[str, Figure], title: str = "") -> Table:
    """Figures with interval, source and grade, by key."""
    cells = [figure_cells(key, figure) for key, figure in sorted(known.items())]
    return grid(["figure", "value", "interval", "grade", "source", "note"], cells, title=title)


def heading(answer: Comparison) -> Text:
    """The question in one line."""
    asked = answer.question
    if answer.tokens:
        sizes = f"{asked['prompt']} tokens in, {asked['output']} out"
        limits = (("TTFT", asked["ttft_s"]), ("TPOT", asked["tpot_s"]))
    else:
        sizes, limits = "one pass per item", (("latency", asked["ttft_s"]), ("", None))
    promises = [f"{name} {si(seconds, 's')}" for name, seconds in limits if seconds is not None]
    said = ", ".join(promises) or "no promise"
    return Text(f"{asked['model']}, {asked['workload']}: {sizes}; {said}; 80 % intervals\n")
