"""`silmark trace`: what a trace of requests is like, and which traces, formats and generators there are."""

from __future__ import annotations

from typing import Annotated

import typer

from silmark.cli.options import Json
from silmark.cli.output import print_json

trace_app = typer.Typer(no_args_is_help=True, help="Traces of requests: public ones, files, generators.")

Format = Annotated[str | None, typer.Option(help="format of the file (recognised)", show_default=False)]
ColumnNames = Annotated[
    str | None, typer.Option(help="of a plain table: arrival=ts,prompt=in,output=out", show_default=False)
]
Unit = Annotated[str | None, typer.Option(help="of a table's arrivals: s, ms, us or ns", show_default=False)]
Rate = Annotated[str | None, typer.Option(help="requests per second; 2x as recorded, inf", show_default=False)]
Arrivals = Annotated[
    str | None, typer.Option(help="poisson, gamma or constant instead of recorded ones", show_default=False)
]
Burstiness = Annotated[str, typer.Option(help="of gamma arrivals, as in vllm bench serve")]
Until = Annotated[str | None, typer.Option(help="leave out what arrives later, such as 600s", show_default=False)]
Limit = Annotated[str | None, typer.Option(help="most requests", show_default=False)]
Copies = Annotated[str, typer.Option(help="so many times its users: copies at once, shifted by seconds")]
Repeat = Annotated[str, typer.Option(help="the trace so many times, one after the other")]
LengthsOf = Annotated[str | None, typer.Option(help="trace whose lengths a generator draws", show_default=False)]
BadRows = Annotated[str, typer.Option(help="refuse a file with broken rows, or skip and count them")]
Unsorted = Annotated[str, typer.Option(help="refuse rows that are not in order, or sort them in")]
Context = Annotated[str | None, typer.Option(help="longest prompt and output together", show_default=False)]
Filter = Annotated[str, typer.Option("--filter", help="none, or vllm: what vllm bench takes of ShareGPT and BurstGPT")]
Turns = Annotated[str, typer.Option(help="of a conversation in words: first, or all")]
Think = Annotated[str, typer.Option(help="from an answer to the next question of a conversation")]
Letters = Annotated[str | None, typer.Option(help="of conversations in words (3.3)", show_default=False)]
Seed = Annotated[str, typer.Option(help="of arrivals in place of recorded ones")]


@trace_app.command("show")
def show(
    trace: Annotated[str, typer.Argument(help="a file, a public trace such as azure-conv, or poisson:rate=5,...")],
    trace_format: Format = None,
    trace_columns: ColumnNames = None,
    time_unit: Unit = None,
    rate: Rate = None,
    arrivals: Arrivals = None,
    burstiness: Burstiness = "1",
    duration: Until = None,
    limit: Limit = None,
    copies: Copies = "1",
    repeat: Repeat = "1",
    lengths: LengthsOf = None,
    bad_rows: BadRows = "refuse",
    unsorted: Unsorted = "refuse",
    context: Context = None,
    filter_: Filter = "none",
    turns: Turns = "first",
    think: Think = "0",
    letters_per_token: Letters = None,
    seed: Seed = "0",
    block_size: Annotated[
        str | None, typer.Option(help="tokens of a cached block (the trace's own, else 16)", show_default=False)
    ] = None,
    json_: Json = False,
) -> None:
    """Lengths, arrivals, and what an endless prefix cache would have of the prompts."""
    from silmark.api.trace import trace as ask  # noqa: PLC0415
    from silmark.errors import BadValue  # noqa: PLC0415

    if filter_ not in ("none", "vllm"):
        raise BadValue("filter", filter_, "none or vllm")
    answer = ask(
        trace, trace_format=trace_format, trace_columns=trace_columns, time_unit=time_unit, rate=rate,
        arrivals=arrivals, burstiness=burstiness, duration=duration, limit=limit, copies=copies, repeat=repeat,
        lengths=lengths, bad_rows=bad_rows, unsorted=unsorted, context=context, vllm_filter=filter_ == "vllm",
        turns=turns, think=think, letters_per_token=letters_per_token, seed=seed, block_size=block_size,
    )  # fmt: skip
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
