"""`silmark links`, `media`, `parts`: the catalogue below bandwidth; `channel`, `cable`, `memory` ask about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from silmark.cli.options import Json
from silmark.cli.output import print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from silmark.report.wiring import Way


def groups() -> Iterator[tuple[str, typer.Typer]]:
    """The groups of commands over catalogues, by name."""
    for folder, kind, help_ in (
        ("links", "link", "Link technologies: lanes, rate, encoding, latency, energy per bit."),
        ("media", "medium", "What carries a signal: boards, cables, fibre, with loss and reach."),
        ("parts", "part", "Retimers, switches, memory controllers, active cables, network cards."),
    ):
        yield folder, _group(folder, kind, help_)


def _group(folder: str, kind: str, help_: str) -> typer.Typer:
    group = typer.Typer(help=help_, invoke_without_command=True, no_args_is_help=False)

    @group.callback()
    def list_(context: typer.Context, json_: Json = False) -> None:
        if context.invoked_subcommand is None:
            from silmark.report import physical  # noqa: PLC0415
            from silmark.report.table import console, grid  # noqa: PLC0415

            if json_:
                print_json(physical.as_document(folder))
            else:
                console().print(grid(*physical.listing(folder)))

    @group.command("show", help=f"Every fact about one {kind}, with source and grade.")
    def show(name: str, json_: Json = False) -> None:
        from silmark.cli.output import show_page  # noqa: PLC0415
        from silmark.report import physical  # noqa: PLC0415

        show_page(physical.page(kind, name), json_)

    list_.__doc__ = help_
    return group


def channel(
    link: Annotated[str, typer.Argument(help="a link of `silmark links`, or a .toml file")],
    board: Annotated[str, typer.Option(help="length of the board or cable, such as 0.35m or 14in")],
    medium: Annotated[str, typer.Option(help="a medium of `silmark media`")] = "board-low-loss",
    connectors: Annotated[str, typer.Option(help="connectors on the way")] = "1",
    vias: Annotated[str, typer.Option(help="vias on the way")] = "0",
    retimer: Annotated[
        list[str] | None, typer.Option(help="a retimer that is fitted; may be repeated", show_default=False)
    ] = None,
    lanes: Annotated[str | None, typer.Option(help="lanes (all of a port)", show_default=False)] = None,
    json_: Json = False,
) -> None:
    """Is a channel's loss within its budget, how many retimers does it need, what do they add?"""
    from silmark.api.links import channel as ask  # noqa: PLC0415

    answer = ask(link, board, medium=medium, connectors=connectors, vias=vias, retimers=retimer or (), lanes=lanes)
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report import wiring  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    asked, screen = answer.question, console()
    run = f"{asked['length_m']:.3g} m of {asked['medium']}, {asked['connectors']} connectors, {asked['vias']} vias"
    screen.print(f"{asked['link']} x{asked['lanes']}: {run}; 80 % intervals\n", markup=False)
    screen.print(grid(*wiring.rates(answer.rates), numeric=(1, 2)))
    screen.print()
    _print_ways(answer.ways)


def cable(
    rate: Annotated[str, typer.Option(help="of the whole cable, such as 800G")] = "800G",
    length: Annotated[str, typer.Option(help="such as 3m")] = "2m",
    link: Annotated[
        str | None, typer.Option(help="a link instead of Ethernet at that rate", show_default=False)
    ] = None,
    layout: Annotated[
        str | None, typer.Option(help="cables of a rack, such as 16x1m,32x2.5m,8x10m", show_default=False)
    ] = None,
    json_: Json = False,
) -> None:
    """Copper, active copper or optics for a rate and a length, or a whole layout: reach, latency, power, price."""
    if layout is not None:
        _print_layout(rate, layout, link, json_)
        return
    from silmark.api.links import cable as ask  # noqa: PLC0415

    answer = ask(rate, length, link=link)
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report.table import console  # noqa: PLC0415

    asked = answer.question
    console().print(f"{asked['link']}, {asked['length_m']:.3g} m; both ends, 80 % intervals\n", markup=False)
    _print_ways(answer.ways)


def _print_layout(rate: str, lengths: str, link: str | None, json_: bool) -> None:
    from silmark.api.links import layout as ask  # noqa: PLC0415

    answer = ask(rate, lengths, link=link)
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report import layout as page  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    asked = answer.question
    console().print(f"{asked['link']}, {asked['layout']}; both ends, 80 % intervals\n", markup=False)
    console().print(grid(*page.plans(answer)))


def memory(
    on: Annotated[str, typer.Argument(help="a system's id, a .toml file, or 8x:nvidia-h100-sxm5-80gb")],
    near: Annotated[float, typer.Option(help="share of accesses that find their page in the first tier")] = 0.8,
    stalled: Annotated[float, typer.Option(help="share of its time that a program waits for memory")] = 0.3,
    overlap: Annotated[float, typer.Option(help="share of longer waits that is hidden")] = 0.0,
    gather: Annotated[float, typer.Option(help="share of its time that a program gathers from memory")] = 1.0,
    gigabytes: Annotated[float, typer.Option(help="what a chip restores, in GB")] = 10.0,
    json_: Json = False,
) -> None:
    """Memory beyond the chips: what tiers hold and give, used together, and to chips that restore from them."""
    from silmark.api.memory import memory as ask  # noqa: PLC0415

    answer = ask(on, near=near, stalled=stalled, overlap=overlap, gather=gather, gigabytes=gigabytes)
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report import memory as page  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen = console()
    if not answer.tiers:
        screen.print(f"{answer.question['on']}: the system's file names no memory beyond its chips", markup=False)
        return
    screen.print(grid(*page.tiers(answer)))
    if answer.mixed:
        screen.print()
        screen.print(grid(*page.mixed(answer)))


def _print_ways(ways: Sequence[Way]) -> None:
    from silmark.report import wiring  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    console().print(grid(*wiring.ways(ways)))
