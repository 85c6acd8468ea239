"""`silmark system` (or `systems`): nodes, racks and appliances; their links, as built and without some parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from silmark.cli.options import Json
from silmark.cli.output import print_json

if TYPE_CHECKING:
    from silmark.report.system import Built


systems_app = typer.Typer(help="What chips are built into.", invoke_without_command=True, no_args_is_help=False)


@systems_app.callback()
def systems_list(context: typer.Context, json_: Json = False) -> None:
    """List nodes, racks and appliances, one line each."""
    if context.invoked_subcommand is not None:
        return
    from silmark.report import catalogue  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    if json_:
        print_json(catalogue.as_document("systems"))
    else:
        console().print(grid(*catalogue.listing("systems")))


@systems_app.command("show")
def systems_show(
    name: Annotated[str, typer.Argument(help="a system's id or a .toml file")],
    without: Annotated[
        list[str] | None,
        typer.Option(help="compare with the system without this part or family; may be repeated", show_default=False),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="ask both sides what they do for a model", show_default=False)
    ] = None,
    links: Annotated[bool, typer.Option("--links", help="links and totals instead of the page")] = False,
    json_: Json = False,
) -> None:
    """Every fact about one system; with --links, --without or --model its links, totals and what they change."""
    if not (without or model or links):
        from silmark.cli.output import show_page  # noqa: PLC0415
        from silmark.report import catalogue  # noqa: PLC0415

        show_page(catalogue.page("system", name), json_)
        return
    from silmark.api.system import system as ask  # noqa: PLC0415

    answer = ask(name, without=without or (), model=model)
    if json_:
        print_json(answer.as_dict())
    else:
        _print(answer)


def _print(answer: Built) -> None:
    from silmark.report import system as page  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen, asked = console(), answer.question
    words = f", as built and without {', '.join(asked['without'])}" if asked["without"] else ""
    what = f"; {asked['model']}, {asked['workload']}" if asked["model"] else ""
    screen.print(f"{answer.full.target.system.name}{words}{what}; 80 % intervals\n", markup=False)
    if answer.full.links():
        screen.print(grid(*page.links(answer)))
        screen.print()
    screen.print(grid(*page.totals(answer)))
    for change in answer.changes:
        screen.print(f"note: {change}", markup=False)
    for side in (answer.full, answer.bare):
        if side is not None and side.lost:
            screen.print(f"cannot work without {', '.join(asked['without'])}: {side.lost}", markup=False)
        elif side is not None and side.row is not None and side.row.reason:
            screen.print(f"{side.row.status}: {side.row.reason}", markup=False)
