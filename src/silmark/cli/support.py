"""`silmark support`: whether chips run a model at all, operator by operator and format by format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from silmark.cli.options import Json, PrecisionName
from silmark.cli.output import print_json
from silmark.errors import BadValue

if TYPE_CHECKING:
    from rich.console import Console

    from silmark.mapping.fallback import Support


def support(
    model: Annotated[
        str | None,
        typer.Argument(help="catalogue name, path of a config.json, or hf:owner/name", show_default=False),
    ] = None,
    on: Annotated[
        str, typer.Option(help="all, or names and .toml files of chips, comma-separated; -name leaves one out")
    ] = "all",
    matrix: Annotated[bool, typer.Option("--matrix", help="classes of architectures in place of a model")] = False,
    precision: PrecisionName = "default",
    context: Annotated[str, typer.Option(help="tokens of the prompt, and of each decoding sequence")] = "2048",
    batch: Annotated[str, typer.Option(help="decoding sequences, texts, images or samples")] = "32",
    json_: Json = False,
) -> None:
    """Which chips run a model: natively, by a fallback and at which cost, or not at all."""
    if (model is None) == (not matrix):
        raise BadValue("model", model, "a model, or --matrix, not both" if matrix else "a model, or --matrix")
    from silmark.api import support as ask  # noqa: PLC0415

    if model is None:
        whole = ask.support_matrix(on, precision=precision, context=context, batch=batch)
        if json_:
            print_json(whole.as_dict())
            return
    else:
        answer = ask.support(model, on, precision=precision, context=context, batch=batch)
        if json_:
            print_json(answer.as_dict())
            return
    from silmark.report import support as page  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen = console()
    if model is None:
        headers, lines = page.matrix(whole)
        screen.print(grid(headers, lines))
        return
    headers, lines = page.listing(answer)
    screen.print(f"{answer.question['model']}: {page.reference(answer)}\n", markup=False)
    screen.print(grid(headers, lines))
    if on != "all":
        for row in answer.rows:
            _detail(screen, row)
    for note in answer.notes:
        screen.print(f"note: {note}", markup=False)


def _detail(screen: Console, row: Support) -> None:
    """Operators and formats of one chip."""
    from silmark.report import support as page  # noqa: PLC0415
    from silmark.report.table import grid  # noqa: PLC0415

    for title, (headers, lines) in (("operators", page.operators(row)), ("formats", page.formats(row))):
        screen.print()
        screen.print(f"{row.chip.id}, {title}", markup=False)
        screen.print(grid(headers, lines) if lines else "none", markup=False)
