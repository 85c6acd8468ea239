"""`silmark compare`: one model, every chip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from silmark.cli.options import (
    Explain,
    Json,
    Maturity,
    Model,
    Output,
    Plot,
    PrecisionName,
    Prompt,
    Tpot,
    Ttft,
    WorkloadName,
)  # fmt: skip
from silmark.cli.output import print_json

if TYPE_CHECKING:
    from silmark.report.rows import Comparison


def compare(
    model: Model,
    workload: WorkloadName = "chat",
    prompt: Prompt = None,
    output: Output = None,
    ttft: Ttft = None,
    tpot: Tpot = None,
    batch: Annotated[str, typer.Option(help="sequences in flight, or auto")] = "auto",
    power: Annotated[
        float | None, typer.Option(help="limit of all chips together, in watts", show_default=False)
    ] = None,
    chips: Annotated[
        str, typer.Option(help="all, or names and .toml files, comma-separated; -name leaves one out")
    ] = "all",
    precision: PrecisionName = "default",
    maturity: Maturity = "own",
    sort: Annotated[str, typer.Option(help="throughput, ttft, tpot, energy, cost or chip")] = "throughput",
    quality: Annotated[
        bool, typer.Option("--quality", help="what the arithmetic does to outputs, on a small model of the same kind")
    ] = False,
    json_: Json = False,
    explain: Explain = False,
    plot: Plot = None,
) -> None:
    """One model in, every chip's answer out: one row per chip, sorted as asked."""
    from silmark.api import compare as ask  # noqa: PLC0415

    answer = ask(
        model,
        workload=workload,
        prompt=prompt,
        output=output,
        ttft=ttft,
        tpot=tpot,
        batch=batch,
        power=power,
        chips=chips,
        precision=precision,
        maturity=cast("Literal['own', 'equal']", maturity),
        sort=sort,
        quality=quality,
    )
    if plot is not None:
        from silmark.report.plot import draw  # noqa: PLC0415

        draw(answer, plot)
    if json_:
        print_json(answer.as_dict(explain))
        return
    _print_comparison(answer)
    if explain:
        from silmark.report.table import console, explanation  # noqa: PLC0415

        for row in answer.rows:
            if row.estimate is not None:
                console().print()
                console().print(explanation(row))


def _print_comparison(answer: Comparison) -> None:
    from silmark.report.table import comparison, console, heading, narrow  # noqa: PLC0415

    screen = console()
    screen.print(heading(answer))
    screen.print(comparison(answer, stacked=narrow()))
    for note in answer.notes:
        screen.print(f"note: {note}", markup=False)
