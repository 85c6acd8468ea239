"""`silmark validate`: predictions against measurements, and against predictions of another version."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from silmark.cli.options import Json
from silmark.cli.output import print_json
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
    json_: Json = False,
    only: Annotated[str, typer.Option(help="all, models or operators")] = "all",
    data: Annotated[
        Path | None, typer.Option(help="folder of the measured tables (SILMARK_DATA)", show_default=False)
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="write a report with pictures into this folder", show_default=False)
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="list what moved since a file of --snapshot or a git revision", show_default=False),
    ] = None,
    snapshot: Annotated[
        Path | None, typer.Option(help="write the predictions of a fixed grid as JSON", show_default=False)
    ] = None,
) -> None:
    """Predict measured public rows and say how wrong that is (needs --data or SILMARK_DATA)."""
    if only not in _PARTS:
        raise BadValue("only", only, "all, models or operators")
    if against is not None or snapshot is not None:
        if write or html or data or only != "all":
            name, value = ("against", against) if against is not None else ("snapshot", str(snapshot))
            raise BadValue(name, value, "no option about measured rows beside it: the fixed grid needs none")
        _grid(against, snapshot, json_)
        return
    if write:
        from silmark.figures.own import refuse_to_write  # noqa: PLC0415

        refuse_to_write()
    with shown():
        from silmark.report.accuracy import find  # noqa: PLC0415

        found = find(cast("Part", only), data, write)
        written = [*found.written, *_files(found, write, html)]
    if json_:
        print_json(found.as_dict())
        return
    _print(found.grids(), [f"wrote {path}" for path in written])


def _grid(against: str | None, output: Path | None, json_: bool) -> None:
    """Predicts the fixed grid, to keep it and to see what moved."""
    from silmark.api import snapshot  # noqa: PLC0415

    if output is not None and not output.parent.is_dir():
        raise BadValue("snapshot", str(output), "a path inside an existing folder")
    with shown():
        changes, now = (None, snapshot.take()) if against is None else snapshot.against(against)
        if output is not None:
            snapshot.write(now, output)
    if json_:
        document = changes.as_dict() if changes else now.as_dict()
        print_json(document)
        return
    if changes:
        sys.stdout.write(changes.headline() + "\n\n")
        _print(changes.grids(), [])
    if output is not None:
        sys.stdout.write(f"wrote {output}: {len(now.numbers):,} predictions\n")


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
