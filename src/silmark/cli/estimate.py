"""`silmark estimate`: one system in depth."""

from __future__ import annotations

from typing import Annotated, Literal, cast

import typer

from silmark.cli.options import (
    Explain,
    Json,
    Maturity,
    Model,
    Output,
    PrecisionName,
    Prompt,
    Tpot,
    Ttft,
    WorkloadName,
)  # fmt: skip
from silmark.cli.output import print_json


def estimate(
    model: Model,
    on: Annotated[str, typer.Option(help="8x:nvidia-h100-sxm5-80gb, a system's id, or a .toml file")],
    tp: Annotated[str | None, typer.Option(help="chips that share every layer", show_default=False)] = None,
    pp: Annotated[str | None, typer.Option(help="consecutive groups of layers", show_default=False)] = None,
    dp: Annotated[str | None, typer.Option(help="replicas", show_default=False)] = None,
    ep: Annotated[str | None, typer.Option(help="parts that the experts are divided into", show_default=False)] = None,
    cp: Annotated[str, typer.Option(help="groups of tp chips that divide the tokens of every sequence")] = "1",
    batch: Annotated[str, typer.Option(help="sequences in flight: 32, or 1,2,4, or auto")] = "auto",
    workload: WorkloadName = "chat",
    prompt: Prompt = None,
    output: Output = None,
    ttft: Ttft = None,
    tpot: Tpot = None,
    precision: PrecisionName = "default",
    chunk: Annotated[
        str | None, typer.Option(help="most prompt tokens in one pass (without: whole prompts)", show_default=False)
    ] = None,
    reuse: Annotated[str, typer.Option(help="prompt tokens that an earlier request of the session left cached")] = "0",
    reuse_share: Annotated[str, typer.Option(help="share of the requests that have such tokens")] = "1",
    think: Annotated[
        str | None, typer.Option(help="mean time to a session's next request, such as 60s", show_default=False)
    ] = None,
    offload: Annotated[str, typer.Option(help="memory tier of such caches: main, host, ... or none")] = "none",
    draft: Annotated[str | None, typer.Option(help="model that drafts tokens", show_default=False)] = None,
    acceptance: Annotated[
        str | None, typer.Option(help="chance that a draft is kept: 0.7, or 0.6:0.7:0.8", show_default=False)
    ] = None,
    draft_tokens: Annotated[str, typer.Option(help="tokens drafted per cycle, or auto")] = "auto",
    attention: Annotated[str, typer.Option(help="division of the cache among tp chips: heads or batch")] = "heads",
    weights_in: Annotated[str, typer.Option(help="memory tier of the weights: auto, main or sram")] = "auto",
    kv_in: Annotated[str, typer.Option(help="memory tier of the cache: auto, main, sram, or host, ...")] = "auto",
    region: Annotated[str, typer.Option(help="cores per side of a layer's region on a wafer; 0: default")] = "0",
    imbalance: Annotated[str, typer.Option(help="fullest chip's tokens over the mean: 1.5, power-law:1.2")] = "1",
    maturity: Maturity = "own",
    brief: Annotated[bool, typer.Option("--brief", help="leave the tables of operators out")] = False,
    json_: Json = False,
    explain: Explain = False,
) -> None:
    """One system in depth: a plan as asked, operator by operator, with what bounds each."""
    from silmark.api import estimate as ask  # noqa: PLC0415

    depth = ask(
        model,
        on,
        tp=tp,
        pp=pp,
        dp=dp,
        ep=ep,
        cp=cp,
        batch=batch,
        workload=workload,
        prompt=prompt,
        output=output,
        ttft=ttft,
        tpot=tpot,
        precision=precision,
        chunk=chunk,
        reuse=reuse,
        reuse_share=reuse_share,
        think=think,
        offload=offload,
        draft=draft,
        acceptance=acceptance,
        draft_tokens=draft_tokens,
        attention=cast("Literal['heads', 'batch']", attention),
        weights_in=cast("Literal['auto', 'main', 'sram']", weights_in),
        kv_in=kv_in,
        region=region,
        imbalance=imbalance,
        maturity=cast("Literal['own', 'equal']", maturity),
    )
    if json_:
        print_json(depth.as_dict(explain))
        return
    from silmark.report import depth as page  # noqa: PLC0415
    from silmark.report.table import console, explanation  # noqa: PLC0415

    screen = console()
    for part in page.tables(depth.question, depth.rows, [] if brief else depth.operators()):
        screen.print(part)
        screen.print()
    if explain:
        screen.print(explanation(depth.rows[-1]))
