"""`silmark trace`: what a trace of requests is like, and which traces, formats and generators there are."""

from __future__ import annotations

from typing import Annotated

import typer

from silmark.cli import serving_options as opt
from silmark.cli.options import Json
from silmark.cli.output import print_json

trace_app = typer.Typer(no_args_is_help=True, help="Traces of requests: public ones, files, generators.")


@trace_app.command("show")
def show(
    trace: Annotated[str, typer.Argument(help="a file, a public trace such as azure-conv, or poisson:rate=5,...")],
    trace_format: opt.TraceFormat = None,
    trace_columns: opt.TraceColumns = None,
    time_unit: opt.TimeUnit = None,
    rate: opt.Rate = None,
    arrivals: opt.Arrivals = None,
    burstiness: opt.Burstiness = None,
    duration: opt.Duration = None,
    limit: opt.Limit = None,
    copies: opt.Copies = None,
    repeat: opt.Repeat = None,
    lengths: opt.Lengths = None,
    bad_rows: opt.BadRows = None,
    unsorted: opt.Unsorted = None,
    context: opt.Context = None,
    filter_: opt.Filter = None,
    turns: opt.Turns = None,
    think: opt.Think = None,
    letters_per_token: opt.Letters = None,
    seed: opt.Seed = "0",
    block_size: Annotated[
        str | None, typer.Option(help="tokens of a cached block (the trace's own, else 16)", show_default=False)
    ] = None,
    json_: Json = False,
) -> None:
    """Lengths, arrivals, and what an endless prefix cache would have of the prompts."""
    words = opt.said(locals())
    from silmark.api.trace import trace as ask  # noqa: PLC0415

    answer = ask(trace, rate=rate, seed=seed, **words)
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen = console()
    headers, rows = answer.lengths()
    screen.print(f"{answer.name}\n", markup=False)
    facts = grid(["", ""], answer.facts(), numeric=(1,))
    facts.show_header = False
    screen.print(facts)
    screen.print()
    screen.print(grid(headers, rows, numeric=range(1, len(headers))))
    for note in answer.notes:
        screen.print(f"\n{note}", markup=False)


@trace_app.command("list")
def list_(json_: Json = False) -> None:
    """Public traces by name, formats of files, generators."""
    from silmark.report import trace as page  # noqa: PLC0415

    if json_:
        print_json(page.listing())
        return
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen = console()
    for headers, rows in (page.public(), page.formats(), page.generators()):
        screen.print(grid(headers, rows))
        screen.print()
