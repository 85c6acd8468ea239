"""The commands. Each imports what it needs when it runs, so that `--help` stays quick."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from silmark.cli.bulk import predict
from silmark.cli.calibrate import calibrate
from silmark.cli.claims import claims_app
from silmark.cli.collective import collective
from silmark.cli.cost import cost
from silmark.cli.links import add_to as add_links
from silmark.cli.measure import measure
from silmark.cli.moves import build_or_buy, port
from silmark.cli.pages import show_page
from silmark.cli.search import search, size
from silmark.cli.sweep import sweep
from silmark.cli.systems import systems_app
from silmark.cli.train import train
from silmark.cli.validate import validate

if TYPE_CHECKING:
    from silmark.report.rows import Comparison

app = typer.Typer(
    name="silmark",
    help="Every AI accelerator on one scale: what a model would really do on it, with sources and error bars.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

Model = Annotated[str, typer.Argument(help="catalogue name, path of a config.json, or hf:owner/name")]
WorkloadName = Annotated[str, typer.Option("--workload", help="chat, code, summarize, reasoning, offline or edge")]
Prompt = Annotated[str | None, typer.Option(help="tokens of a prompt [chat: 1024]", show_default=False)]
Output = Annotated[str | None, typer.Option(help="tokens of an answer [chat: 256]", show_default=False)]
Ttft = Annotated[str | None, typer.Option(help="promise, such as 2s, or none [chat: 2s]", show_default=False)]
Tpot = Annotated[str | None, typer.Option(help="promise, such as 50ms, or none [chat: 50ms]", show_default=False)]
PrecisionName = Annotated[str, typer.Option("--precision", help="format, weights:compute[:kv], or default")]
Maturity = Annotated[str, typer.Option(help="own software as it is, or equal (a mature stack for everybody)")]
Json = Annotated[bool, typer.Option("--json", help="print JSON (schema: silmark schema)")]
Explain = Annotated[bool, typer.Option("--explain", help="print every input figure with source and grade")]


@app.command()
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
    json_: Json = False,
    explain: Explain = False,
    plot: Annotated[Path | None, typer.Option(help="write a picture (.png, .svg, .pdf)", show_default=False)] = None,
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
    )
    if plot is not None:
        from silmark.report.plot import draw  # noqa: PLC0415

        draw(answer, plot)
    if json_:
        _json(answer.as_dict(explain))
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


@app.command()
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
        str | None, typer.Option(help="most prompt tokens in one pass [whole prompts]", show_default=False)
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
        _json(depth.as_dict(explain))
        return
    from silmark.report import depth as page  # noqa: PLC0415
    from silmark.report.table import console, explanation  # noqa: PLC0415

    screen = console()
    for part in page.tables(depth.question, depth.rows, [] if brief else depth.operators()):
        screen.print(part)
        screen.print()
    if explain:
        screen.print(explanation(depth.rows[-1]))


chips_app = typer.Typer(help="The accelerators of the catalogue.", invoke_without_command=True, no_args_is_help=False)
app.add_typer(chips_app, name="chips")


@chips_app.callback()
def chips_list(context: typer.Context, json_: Json = False) -> None:
    """List the accelerators, one line each."""
    if context.invoked_subcommand is None:
        _catalogue("chips", json_)


@chips_app.command("show")
def chips_show(name: str, json_: Json = False) -> None:
    """Every fact about one chip, with source and grade."""
    _show("chip", name, json_)


app.add_typer(systems_app, name="systems")
app.add_typer(systems_app, name="system", hidden=True)


@app.command()
def models(json_: Json = False) -> None:
    """List the models of the catalogue."""
    _catalogue("models", json_)


@app.command()
def schema(
    name: Annotated[
        str, typer.Argument(help="compare, estimate, page, list, ... (any wrong name lists all)")
    ] = "compare",
) -> None:
    """Print the JSON schema of an answer."""
    from silmark.report.schema import json_schema  # noqa: PLC0415

    _json(json_schema(name))


app.add_typer(claims_app, name="claims")
app.command()(calibrate)
app.command()(cost)
app.command()(port)
app.command("build-or-buy")(build_or_buy)
app.command()(measure)
app.command()(train)
app.command()(collective)
app.command()(search)
app.command()(size)
app.command()(sweep)


app.command()(predict)
app.command()(validate)
add_links(app)


def _catalogue(kind: str, as_json: bool) -> None:
    from silmark.report import catalogue  # noqa: PLC0415

    if as_json:
        _json(catalogue.as_document(kind))
        return
    from silmark.report.table import console, grid  # noqa: PLC0415

    console().print(grid(*catalogue.listing(kind)))


def _show(kind: str, name: str, as_json: bool) -> None:
    from silmark.report import catalogue  # noqa: PLC0415

    show_page(catalogue.page(kind, name), as_json)


def _json(document: Any) -> None:  # noqa: ANN401 - any JSON document
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
