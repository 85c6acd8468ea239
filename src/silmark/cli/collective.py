"""`silmark collective`: what one exchange between chips takes, by every algorithm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from silmark.cli.options import Explain, Json, Plot
from silmark.cli.output import print_json

if TYPE_CHECKING:
    from silmark.api.collective import CollectiveAnswer


def collective(
    pattern: Annotated[str, typer.Argument(help="all-reduce, all-gather, reduce-scatter, all-to-all or send")],
    on: Annotated[str, typer.Option(help="16x:nvidia-h100-sxm5-80gb, a system's id, or a .toml file")],
    bytes_: Annotated[str, typer.Option("--bytes", help="buffer of one chip: 64MB, or 1KiB,1MiB,1GiB")] = "64MB",
    members: Annotated[str | None, typer.Option(help="chips that take part (all of them)", show_default=False)] = None,
    apart: Annotated[str, typer.Option(help="chips from one member to the next")] = "1",
    json_: Json = False,
    explain: Explain = False,
    plot: Plot = None,
) -> None:
    """One collective on a system: every algorithm's time, the one that is taken, bus bandwidth."""
    from silmark.api.collective import collective as ask  # noqa: PLC0415

    answer = ask(pattern, on, bytes_=bytes_, members=members, apart=apart)
    if plot is not None:
        from silmark.report.plot_collective import draw  # noqa: PLC0415

        draw(_title(answer), answer.estimate, plot)
    if json_:
        print_json(answer.as_dict(explain))
        return
    _print(answer, explain)


def _title(answer: CollectiveAnswer) -> str:
    reach, asked = answer.estimate.reach, answer.question
    spread = f"{reach.node} in each of {reach.units} units" if reach.units > 1 else "in one unit"
    step = f", {asked['apart']} chips apart" if asked["apart"] != "1" else ""
    return f"{asked['pattern']} on {asked['on']}: {reach.group} members{step}, {spread}"


def _print(answer: CollectiveAnswer, explain: bool) -> None:
    from silmark.figures.numbers import shown, si  # noqa: PLC0415
    from silmark.report.catalogue import figure_cells  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen, found = console(), answer.estimate
    screen.print(f"{_title(answer)}; 80 % intervals; {found.grade}\n", markup=False)
    if not found.algorithms:
        screen.print("one chip has nothing to exchange: 0 s", markup=False)
        return
    names = list(found.algorithms)
    rows = []
    for index, size in enumerate(found.buffers):
        times = {name: float(seconds[index]) for name, seconds in found.algorithms.items()}
        bus = float(found.bus(found.algorithms[found.chosen[index]])[index])
        taken = [si(float(size), "B"), shown(found.time[index], "s"), si(bus, "B/s"), found.chosen[index]]
        rows.append([*taken, *(si(times[name], "s") for name in names)])
    screen.print(grid(["bytes", "time", "bus bandwidth", "taken", *names], rows, numeric=(0, 1, 2, *range(4, 20))))
    if explain:
        cells = [figure_cells(key, figure) for key, figure in sorted(found.figures.items())]
        screen.print()
        screen.print(grid(["figure", "value", "interval", "grade", "source", "note"], cells))
