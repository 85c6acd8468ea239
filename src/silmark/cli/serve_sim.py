"""`silmark serve-sim`: a request trace on a virtual server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from silmark.cli import serving_options as opt
from silmark.cli.lean import without_blas
from silmark.cli.options import Explain, Json, Maturity, PrecisionName
from silmark.cli.output import print_json
from silmark.cli.progress import bar, shown

if TYPE_CHECKING:
    from silmark.api.serve_sim import Left
    from silmark.report.served import ServeSim

_OUT = "The answer"


def serve_sim(
    model: Annotated[
        str, typer.Argument(help="catalogue name, path of a config.json, or hf:owner/name", show_default=False)
    ] = "",
    on: Annotated[str, opt.told(opt.SYSTEM, "8x:nvidia-h100-sxm5-80gb, a system's id, or a .toml file")] = "",
    trace: Annotated[str, opt.told(opt.LOAD, "a file, azure-conv, or poisson:rate=5,prompt=1024,output=256")] = "",
    rate: Annotated[str | None, opt.told(opt.LOAD, "requests per second, 2x as recorded or inf; several: 1,2")] = None,
    max_concurrency: Annotated[
        str | None, opt.told(opt.LOAD, "most requests in flight; the others wait at the client")
    ] = None,
    slo: Annotated[str | None, opt.told(opt.LOAD, "promises: ttft:1s,tpot:50ms@p99, of ttft, tpot and e2el")] = None,
    draws: Annotated[
        str, opt.told(opt.LOAD, "passes for error bars, on step times that may be the truth (16 if short)")
    ] = "auto",
    duration: opt.Duration = None,
    limit: opt.Limit = None,
    arrivals: opt.Arrivals = None,
    burstiness: opt.Burstiness = None,
    copies: opt.Copies = None,
    repeat: opt.Repeat = None,
    lengths: opt.Lengths = None,
    trace_format: opt.TraceFormat = None,
    trace_columns: opt.TraceColumns = None,
    time_unit: opt.TimeUnit = None,
    bad_rows: opt.BadRows = None,
    unsorted: opt.Unsorted = None,
    context: opt.Context = None,
    filter_: opt.Filter = None,
    turns: opt.Turns = None,
    think: opt.Think = None,
    letters_per_token: opt.Letters = None,
    seed: opt.Seed = "0",
    policy: opt.Policy = "vllm",
    engine_version: opt.EngineVersion = "",
    max_num_seqs: opt.MaxNumSeqs = None,
    max_num_batched_tokens: opt.MaxNumBatchedTokens = None,
    max_model_len: opt.MaxModelLen = None,
    gpu_memory_utilization: opt.GpuMemoryUtilization = None,
    block_size: opt.BlockSize = None,
    num_gpu_blocks: opt.NumGpuBlocks = None,
    enable_prefix_caching: opt.EnablePrefixCaching = None,
    enable_chunked_prefill: opt.EnableChunkedPrefill = None,
    async_scheduling: opt.AsyncScheduling = None,
    tp: opt.Tp = None,
    pp: opt.Pp = None,
    dp: opt.Dp = None,
    ep: opt.Ep = None,
    router: opt.Router = None,
    prefill_on: opt.PrefillOn = None,
    prefill_replicas: opt.PrefillReplicas = None,
    prefill_router: opt.PrefillRouter = None,
    non_cached_tokens: opt.NonCachedTokens = None,
    offload: opt.Offload = None,
    autoscale: opt.Autoscale = None,
    faults: opt.Faults = None,
    on_fault: opt.OnFault = None,
    precision: PrecisionName = "default",
    maturity: Maturity = "own",
    brief: Annotated[bool, typer.Option("--brief", help="one row per rate", rich_help_panel=_OUT)] = False,
    json_: Json = False,
    explain: Explain = False,
    parquet: Annotated[Path | None, opt.told(_OUT, "write one row per request (needs the extra sweep)")] = None,
    timeline: Annotated[Path | None, opt.told(_OUT, "write steps and requests for ui.perfetto.dev (.json)")] = None,
    plot: Annotated[Path | None, opt.told(_OUT, "write a picture (.png, .svg, .pdf)")] = None,
    replay_scenarios: Annotated[
        tuple[Path, Path] | None,
        opt.told(_OUT, "IN.json OUT.json: decide recorded scenarios step by step"),
    ] = None,
) -> None:
    """A request trace on a virtual server: what its users would see, step by step as its scheduler decides."""
    words = opt.said(locals())
    without_blas()
    if replay_scenarios is not None:
        from silmark.api.replay import replay_scenarios as replay  # noqa: PLC0415

        with shown(), bar("scenarios") as update:
            replay(*replay_scenarios, watch=update)
        return
    from silmark.api.serve_sim import serve_sim as ask  # noqa: PLC0415

    _asked(model=model, on=on, trace=trace)
    _writable(plot, parquet, timeline)
    with shown(), bar("requests") as update, _requests(parquet) as left:
        answer = ask(
            model,
            on,
            trace,
            rate=rate,
            slo=slo,
            max_concurrency=max_concurrency,
            seed=seed,
            draws=draws,
            timeline=timeline is not None,
            keep=timeline is not None,
            left=left,
            watch=update,
            **words,
        )
    _write(answer, timeline, plot)
    if json_:
        print_json(answer.as_dict(explain))
    else:
        _print(answer, brief, explain)


def _asked(**words: str) -> None:
    """Raises BadValue for what is needed and was not said."""
    from silmark.errors import BadValue  # noqa: PLC0415

    examples = {"model": "llama-3.1-8b", "on": "--on 8x:h100", "trace": "--trace poisson:rate=5,prompt=1024,output=256"}
    for name, word in words.items():
        if not word:
            raise BadValue(name, word, f"one, such as {examples[name]}")


def _writable(plot: Path | None, *files: Path | None) -> None:
    """Raises BadValue for files that cannot be, before anything is simulated."""
    from silmark.errors import BadValue  # noqa: PLC0415
    from silmark.report.picture import checked  # noqa: PLC0415

    if plot is not None:
        checked(plot)
    for file in files:
        if file is not None and (file.is_dir() or not file.parent.is_dir()):
            raise BadValue("file", str(file), "a path inside an existing folder")


@contextmanager
def _requests(parquet: Path | None) -> Iterator[Left | None]:
    """What takes requests into the file while they leave; None if none was asked for."""
    if parquet is None:
        yield None
        return
    from silmark.planning.table import rows_of  # noqa: PLC0415
    from silmark.report.request_table import columns  # noqa: PLC0415

    with rows_of(parquet) as write:
        yield lambda rate, answered: write(columns(answered, rate))


def _write(answer: ServeSim, timeline: Path | None, plot: Path | None) -> None:
    """The files that were asked for; none without a run."""
    if timeline is not None and answer.runs:
        from silmark.report.timeline import write  # noqa: PLC0415

        left_out = write(answer.runs, timeline)
        if left_out:
            sys.stderr.write(f"silmark: {timeline} leaves out {left_out}\n")
    if plot is not None and answer.runs:
        from silmark.report.serve_plot import draw  # noqa: PLC0415

        draw(answer, plot)


def _print(answer: ServeSim, brief: bool, explain: bool) -> None:
    from silmark.report import serve_lines as page  # noqa: PLC0415
    from silmark.report.table import console, figures  # noqa: PLC0415

    screen = console()
    for part in page.lines(answer, brief):
        screen.print(part, markup=False)
    if explain:
        screen.print(figures(answer.figures))
