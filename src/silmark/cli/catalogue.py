"""`silmark chips`, `silmark models`, `silmark schema`: what there is, and the shape of answers."""

from __future__ import annotations

from typing import Annotated

import typer

from silmark.cli.options import Json
from silmark.cli.output import print_json, show_page

chips_app = typer.Typer(help="The accelerators of the catalogue.", invoke_without_command=True, no_args_is_help=False)


@chips_app.callback()
def chips_list(context: typer.Context, json_: Json = False) -> None:
    """List the accelerators, one line each."""
    if context.invoked_subcommand is None:
        _catalogue("chips", json_)


@chips_app.command("show")
def chips_show(name: str, json_: Json = False) -> None:
    """Every fact about one chip, with source and grade."""
    from silmark.report import catalogue  # noqa: PLC0415

    show_page(catalogue.page("chip", name), json_)


def models(json_: Json = False) -> None:
    """List the models of the catalogue."""
    _catalogue("models", json_)


def schema(
    name: Annotated[
        str, typer.Argument(help="compare, estimate, page, list, ... (any wrong name lists all)")
    ] = "compare",
) -> None:
    """Print the JSON schema of an answer."""
    from silmark.report.schema import json_schema  # noqa: PLC0415

    print_json(json_schema(name))


def _catalogue(kind: str, as_json: bool) -> None:
    from silmark.report import catalogue  # noqa: PLC0415

    if as_json:
        print_json(catalogue.as_document(kind))
        return
    from silmark.report.table import console, grid  # noqa: PLC0415

    console().print(grid(*catalogue.listing(kind)))
