"""`silmark support`: whether chips run a model at all, operator by operator and format by format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from silmark.cli.options import Json, Plot, PrecisionName
from silmark.cli.output import print_json
from silmark.errors import BadValue

if TYPE_CHECKING:
    from rich.console import Console

    from silmark.mapping.fallback import Support
    from silmark.report.support_matrix import FormatMatrix, SupportMatrix


def support(
    model: Annotated[
        str | None,
        typer.Argument(help="catalogue name, path of a config.json, or hf:owner/name", show_default=False),
    ] = None,
    on: Annotated[
        str, typer.Option(help="all, or names and .toml files of chips, comma-separated; -name leaves one out")
    ] = "all",
    matrix: Annotated[bool, typer.Option("--matrix", help="classes of architectures in place of a model")] = False,
    formats: Annotated[bool, typer.Option("--formats", help="number formats in place of a model")] = False,
    precision: PrecisionName = "default",
    context: Annotated[str, typer.Option(help="tokens of the prompt, and of each decoding sequence")] = "2048",
    batch: Annotated[str, typer.Option(help="decoding sequences, texts, images or samples")] = "32",
    plot: Plot = None,
    json_: Json = False,
) -> None:
    """Which chips run a model: natively, by a fallback and at which cost, or not at all."""
    if (model is not None) + matrix + formats != 1:
        raise BadValue("model", model, "one of a model, --matrix and --formats")
    if plot is not None and model is not None:
        raise BadValue("plot", str(plot), "--matrix or --formats, of which there are pictures")
    from silmark.api import support as ask  # noqa: PLC0415

    if model is None:
        asked = {"precision": precision, "context": context, "batch": batch}
        _table(ask.support_formats(on) if formats else ask.support_matrix(on, **asked), plot, json_)
        return
    answer = ask.support(model, on, precision=precision, context=context, batch=batch)
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report import support as page  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen = console()
    headers, lines = page.listing(answer)
    screen.print(f"{answer.question['model']}: {page.reference(answer)}\n", markup=False)
    screen.print(grid(headers, lines))
    if len(answer.rows) == 1:
        _detail(screen, answer.rows[0])
    for note in answer.notes:
        screen.print(f"note: {note}", markup=False)


def _table(answer: SupportMatrix | FormatMatrix, plot: Path | None, json_: bool) -> None:
    """A table over chips, its document, its picture."""
    if plot is not None:
        from silmark.report.support_plot import draw  # noqa: PLC0415

        draw(answer, plot)
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report.support_matrix import table  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    console().print(grid(*table(answer)))


def _detail(screen: Console, row: Support) -> None:
    """Operators and formats of one chip."""
    from silmark.report import support as page  # noqa: PLC0415
    from silmark.report.table import grid  # noqa: PLC0415

    for title, (headers, lines) in (("operators", page.operators(row)), ("formats", page.formats(row))):
        screen.print()
        screen.print(f"{row.chip.id}, {title}", markup=False)
        screen.print(grid(headers, lines) if lines else "none", markup=False)
