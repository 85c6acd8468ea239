"""`silmark search` and `silmark size`: the best plans for a workload, and the fleet for a demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from silmark.cli.options import Json, Maturity, Model, Output, Plot, Prompt, Tpot, Ttft, WorkloadName
from silmark.cli.output import print_json
from silmark.cli.search_training import run_training, unused

if TYPE_CHECKING:
    from silmark.report.search import Searched

Precisions = Annotated[str, typer.Option("--precision", help="formats to try, comma-separated; default: the chip's")]


On = Annotated[str | None, typer.Option(help="32x:nvidia-h100-sxm5-80gb, a system's id, or a .toml file")]
PrefillOn = Annotated[str | None, typer.Option(help="chips of a prefill pool", show_default=False)]
DecodeOn = Annotated[str | None, typer.Option(help="chips of a decode pool", show_default=False)]
Cp = Annotated[str, typer.Option(help="ways to divide a sequence's context: 1,2,4, or auto")]
Chunk = Annotated[str, typer.Option(help="most prompt tokens of one pass: none,2048,512")]
KvIn = Annotated[str, typer.Option(help="memory of the cache: own, host, ...; several: own,host")]
Reuse = Annotated[str, typer.Option(help="prompt tokens that an earlier request of the session left cached")]
ReuseShare = Annotated[str, typer.Option(help="share of the requests that have such tokens")]
Think = Annotated[
    str | None, typer.Option(help="mean time to a session's next request, such as 60s", show_default=False)
]
Offload = Annotated[str, typer.Option(help="memory of such caches: none, main, host, ...; several: none,host")]
Draft = Annotated[str | None, typer.Option(help="a model that may draft tokens", show_default=False)]
Acceptance = Annotated[
    str | None, typer.Option(help="share of drafted tokens kept: 0.7, or 0.6:0.7:0.8", show_default=False)
]
DraftTokens = Annotated[str, typer.Option(help="tokens drafted per cycle, or auto")]
Mode = Annotated[str, typer.Option(help="aggregated, disaggregated or both")]
Parquet = Annotated[Path | None, typer.Option(help="write every row (needs the extra sweep)", show_default=False)]


def search(
    model: Model,
    on: On = None,
    prefill_on: PrefillOn = None,
    decode_on: DecodeOn = None,
    workload: WorkloadName = "chat",
    prompt: Prompt = None,
    output: Output = None,
    ttft: Ttft = None,
    tpot: Tpot = None,
    precision: Precisions = "default",
    cp: Cp = "auto",
    chunk: Chunk = "none",
    kv_in: KvIn = "own",
    reuse: Reuse = "0",
    reuse_share: ReuseShare = "1",
    think: Think = None,
    offload: Offload = "none",
    draft: Draft = None,
    acceptance: Acceptance = None,
    draft_tokens: DraftTokens = "auto",
    mode: Mode = "both",
    maturity: Maturity = "own",
    train: Annotated[
        bool, typer.Option("--train", help="plans of a training step instead; takes the options below")
    ] = False,
    global_batch: Annotated[str | None, typer.Option(help="train: sequences of one step", show_default=False)] = None,
    sequence: Annotated[str | None, typer.Option(help="train: tokens per sequence (4096)", show_default=False)] = None,
    tokens: Annotated[
        str | None, typer.Option(help="train: of the whole run, such as 300e9", show_default=False)
    ] = None,
    fix: Annotated[
        str, typer.Option(help="train: values of axes, such as tp=8,recompute=none/full", show_default=False)
    ] = "",
    stack: Annotated[str, typer.Option(help="train: software whose coefficients apply, or auto")] = "auto",
    json_: Json = False,
    plot: Plot = None,
    parquet: Parquet = None,
) -> None:
    """Every plan of some chips for a workload: the best of each objective, why the next lost, and the frontier."""
    if train:
        unused("no --train", prefill_on=prefill_on, decode_on=decode_on, prompt=prompt, output=output, draft=draft)
        run_training(
            model,
            on,
            global_batch=global_batch,
            sequence=sequence,
            tokens=tokens,
            cp=cp,
            fix=fix,
            precision=precision,
            stack=stack,
            json_=json_,
            plot=plot,
            parquet=parquet,
        )
        return
    unused("--train", global_batch=global_batch, sequence=sequence, tokens=tokens, fix=fix or None)
    from silmark.api.search import search as ask  # noqa: PLC0415

    answer = ask(
        model,
        on,
        prefill_on=prefill_on,
        decode_on=decode_on,
        workload=workload,
        prompt=prompt,
        output=output,
        ttft=ttft,
        tpot=tpot,
        precision=precision,
        cp=cp,
        chunk=chunk,
        kv_in=kv_in,
        reuse=reuse,
        reuse_share=reuse_share,
        think=think,
        offload=offload,
        draft=draft,
        acceptance=acceptance,
        draft_tokens=draft_tokens,
        mode=mode,
        maturity=cast("Literal['own', 'equal']", maturity),
    )
    if parquet is not None:
        from silmark.planning.table import write_parquet  # noqa: PLC0415

        write_parquet(answer.columns(), parquet)
    if plot is not None:
        from silmark.report.search_plot import draw  # noqa: PLC0415

        draw(answer, plot)
    if json_:
        print_json(answer.as_dict())
    else:
        _print(answer)


def size(
    model: Model,
    rate: Annotated[str, typer.Option(help="requests: 50/s, 3000/min or 2e5/h")],
    chips: Annotated[
        str, typer.Option(help="all, or names and .toml files, comma-separated; -name leaves one out")
    ] = "all",
    workload: WorkloadName = "chat",
    prompt: Prompt = None,
    output: Output = None,
    ttft: Ttft = None,
    tpot: Tpot = None,
    precision: Precisions = "default",
    headroom: Annotated[
        float | None, typer.Option(help="share of capacity beyond the demand (0.25)", show_default=False)
    ] = None,
    maturity: Maturity = "own",
    json_: Json = False,
    plot: Plot = None,
    parquet: Parquet = None,
) -> None:
    """The smallest and the cheapest fleet of every chip for a demand, in whole units."""
    from silmark.api.search import size as ask  # noqa: PLC0415

    answer = ask(
        model,
        rate,
        chips=chips,
        workload=workload,
        prompt=prompt,
        output=output,
        ttft=ttft,
        tpot=tpot,
        precision=precision,
        headroom=headroom,
        maturity=cast("Literal['own', 'equal']", maturity),
    )
    if parquet is not None:
        from silmark.planning.table import write_parquet  # noqa: PLC0415

        write_parquet(answer.columns(), parquet)
    if plot is not None:
        from silmark.report.search_plot import draw_fleets  # noqa: PLC0415

        draw_fleets(answer, plot)
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report import size as page  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen = console()
    screen.print(page.heading(answer), markup=False)
    for note in answer.notes:
        screen.print(f"note: {note}", markup=False)
    screen.print()
    screen.print(grid(["chip", "fleet", *page.COLUMNS, ""], page.table(answer), numeric=range(5, 12)))


def _print(answer: Searched) -> None:
    from silmark.report import search as page  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen = console()
    screen.print(page.heading(answer), markup=False)
    screen.print(page.summary(answer), markup=False)
    for note in answer.notes:
        screen.print(f"note: {note}", markup=False)
    if answer.reason:
        screen.print(f"\n{answer.status}: {answer.reason}", markup=False)
    if answer.verdicts:
        screen.print()
        headers = ["best at", "plan", *page.COLUMNS, "batch", "bound by", "grade"]
        screen.print(grid(headers, page.winners(answer), numeric=range(2, 9)))
        screen.print()
        screen.print(grid(["", "second", "why it lost"], page.losers(answer)))
    if answer.frontier:
        screen.print()
        headers = ["tok/s/user", "tok/s/chip", "TTFT", "$/Mtok", "plan", "best at"]
        screen.print(grid(headers, page.frontier_rows(answer), title="frontier", numeric=range(4)))
