"""`silmark machine`: programs executed on virtual machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from silmark.cli.options import Explain, Json, Plot
from silmark.cli.output import print_json

machine_app = typer.Typer(help="Virtual machines: a small program executed with a chip's own arithmetic.")


@machine_app.command("list")
def list_(json_: Json = False) -> None:
    """List the machines, the chips that they stand for, and the programs that come with the package."""
    from silmark.api.machine import machines  # noqa: PLC0415
    from silmark.machines.program import packaged  # noqa: PLC0415

    rows, programs = machines(), packaged()
    if json_:
        listed = [row.as_dict() for row in rows]
        print_json({"schema": "silmark.machines/1", "machines": listed, "programs": list(programs)})
        return
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen = console()
    screen.print(grid(["machine", "what it is", "chips", "formats", "operators"], [row.cells() for row in rows]))
    screen.print(f"\nprograms: {', '.join(programs)}", markup=False)


@machine_app.command("run")
def run(
    name: Annotated[str, typer.Argument(help="tsp and others; silmark machine list")],
    program: Annotated[
        str | None, typer.Option(help="a .json file or a packaged program (the machine's own)", show_default=False)
    ] = None,
    chip: Annotated[
        str | None, typer.Option(help="one that it stands for, or a .toml file (the usual one)", show_default=False)
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="a number format in place of the program's", show_default=False)
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="an option of the machine: chips=4", show_default=False)
    ] = None,
    check: Annotated[bool, typer.Option("--check/--no-check", help="compute the float64 reference too")] = True,
    timeline: Annotated[Path | None, typer.Option(help="write a .json for ui.perfetto.dev", show_default=False)] = None,
    plot: Plot = None,
    json_: Json = False,
    explain: Explain = False,
) -> None:
    """Execute a program: outputs against float64, cycles, joules, and how busy the units were."""
    from silmark.api.machine import machine, option_words  # noqa: PLC0415

    answer = machine(name, program, chip=chip, precision=precision, options=option_words(set_ or []), check=check)
    left_out = answer.timeline(timeline) if timeline is not None else ""
    if plot is not None:
        answer.plot(plot)
    if json_:
        print_json(answer.as_dict(explain))
        return
    from silmark.report import machine as page  # noqa: PLC0415
    from silmark.report.table import console, figures, grid  # noqa: PLC0415

    screen, found = console(), answer.run
    screen.print(f"{answer.machine.title} as {answer.chip.id}", markup=False)
    if found is None:
        screen.print(f"\n{answer.reason}", markup=False)
        return
    screen.print(grid(["", ""], page.summary(answer, found)))
    screen.print()
    screen.print(grid(["unit", "busy"], page.units(found), numeric=(1,)))
    screen.print()
    screen.print(grid(["energy", "joules", "share"], page.energies(found), numeric=(1, 2)))
    if left_out:
        screen.print(f"\nleft out of {timeline}: {left_out}", markup=False)
    if explain:
        screen.print()
        screen.print(figures(found.figures))
