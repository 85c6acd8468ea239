"""`silmark validate`: predictions against measurements, and against predictions of another version."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from silmark.cli.progress import shown
from silmark.errors import BadValue

if TYPE_CHECKING:
    from silmark.report.accuracy import Findings, Part
    from silmark.validation.grid import Grid

_PARTS = ("all", "models", "operators")


def validate(
    write: Annotated[
        bool, typer.Option("--write", help="write residual classes, operators' corrections and the accuracy pages")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="print JSON (schema: silmark schema)")] = False,
    only: Annotated[str, typer.Option(help="all, models or operators")] = "all",
    data: Annotated[
        Path | None, typer.Option(help="folder of the measured tables [SILMARK_DATA]", show_default=False)
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="write a report with pictures into this folder", show_default=False)
    ] = None,
) -> None:
    """Predict measured public rows and say how wrong that is (needs --data or SILMARK_DATA)."""
    if only not in _PARTS:
        raise BadValue("only", only, "all, models or operators")
    from silmark.figures.own import refuse_to_write  # noqa: PLC0415

    if write:
        refuse_to_write()
    with shown():
        from silmark.report.accuracy import find  # noqa: PLC0415

        found = find(cast("Part", only), data, write)
        written = [*found.written, *_files(found, write, html)]
    if json_:
        sys.stdout.write(json.dumps(found.as_dict(), indent=2, allow_nan=False) + "\n")
        return
    _print([*found.model_grids(), *found.operator_grids()], [f"wrote {path}" for path in written])


def _files(found: Findings, write: bool, html: Path | None) -> list[Path]:
    """Writes the pages of the documentation, and a report."""
    written = []
    if write:
        from silmark.report.accuracy import pages  # noqa: PLC0415

        docs = pages.folder()
        written += pages.write(found, docs) if docs else []
    if html is not None:
        from silmark.report.accuracy import html as report  # noqa: PLC0415

        written.append(report.write(found, html))
    return written


def _print(grids: list[Grid], lines: list[str]) -> None:
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen = console()
    for one in grids:
        screen.print(grid(one.headers, one.rows, one.title, range(one.numbers, len(one.headers))))
        screen.print()
    for line in lines:
        screen.print(line, markup=False)
