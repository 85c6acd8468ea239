"""`silmark claims`: what is said about accelerators, put to the test."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from silmark.cli.options import Json
from silmark.cli.output import print_json

claims_app = typer.Typer(
    help="What vendors and the press say, put to the test.", invoke_without_command=True, no_args_is_help=False
)
Maturity = Annotated[str, typer.Option(help="own software as it is, or equal (a mature stack for everybody)")]


@claims_app.callback()
def claims_list(context: typer.Context, maturity: Maturity = "own", json_: Json = False) -> None:
    """List all claims with their verdicts, one line each."""
    if context.invoked_subcommand is not None:
        return
    from silmark.api.claims import claims  # noqa: PLC0415

    answer = claims(maturity=_maturity(maturity))
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report.claims import table  # noqa: PLC0415
    from silmark.report.table import console  # noqa: PLC0415

    console().print(table.listing([one.finding for one in answer.checked]))


@claims_app.command("check")
def claims_check(
    name: Annotated[str, typer.Argument(help="a claim of the list, or a .toml file")],
    maturity: Maturity = "own",
    map_: Annotated[bool, typer.Option("--map", help="where it holds over users and prompts")] = False,
    plot: Annotated[Path | None, typer.Option(help="write that map (.png, .svg, .pdf)", show_default=False)] = None,
    json_: Json = False,
    explain: Annotated[bool, typer.Option("--explain", help="print every input figure with source and grade")] = False,
) -> None:
    """Decide one claim: as stated, as tested, what is computed, the verdict and where it holds."""
    from silmark.api.claims import check_claim  # noqa: PLC0415

    answer = check_claim(name, maturity=_maturity(maturity), maps=map_ or plot is not None)
    if plot is not None:
        answer.plot(plot)
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report.claims import table  # noqa: PLC0415
    from silmark.report.table import console  # noqa: PLC0415

    screen = console()
    for part in table.one(answer.finding, with_maps=map_):
        screen.print(part)
    if explain:
        for part in table.explanation(answer.finding):
            screen.print(part)


@claims_app.command("report")
def claims_report(
    names: Annotated[list[str] | None, typer.Argument(help="claims or .toml files (all)", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="the page to write")] = Path("claims.html"),
    maturity: Maturity = "own",
) -> None:
    """Write claims with their verdicts, numbers and maps as one HTML page."""
    from silmark.api.claims import claims  # noqa: PLC0415
    from silmark.errors import BadValue  # noqa: PLC0415

    if out.is_dir() or not out.parent.is_dir():  # said before, not after, half a minute of work
        raise BadValue("out", str(out), "a file in an existing folder")
    answer = claims(names or (), maturity=_maturity(maturity), maps=True)
    answer.write(out)
    count = len(answer.checked)
    sys.stdout.write(f"{count} claim{'s' if count > 1 else ''} in {out}\n")


def _maturity(text: str) -> Literal["own", "equal"]:
    return cast("Literal['own', 'equal']", text)
