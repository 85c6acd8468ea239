"""`silmark capacity`: the highest rate of requests at which promises hold."""

from __future__ import annotations

import logging
import sys
from contextlib import nullcontext
from typing import Annotated

import typer

from silmark.cli import serving_options as opt
from silmark.cli.lean import without_blas
from silmark.cli.options import Explain, Json, Maturity, Plot, PrecisionName
from silmark.cli.output import print_json
from silmark.cli.progress import shown

_log = logging.getLogger(__name__)


def capacity(
    model: Annotated[str, typer.Argument(help="catalogue name, path of a config.json, or hf:owner/name")],
    on: Annotated[str, opt.told(opt.SYSTEM, "systems, with commas between them: 8x:h100,8x:mi300x,groqrack-9")],
    trace: Annotated[str, opt.told(opt.LOAD, "a file, azure-conv, or poisson:prompt=1024,output=256")],
    slo: Annotated[str, opt.told(opt.LOAD, "promises: ttft:1s,tpot:50ms@p99, of ttft, tpot and e2el")],
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
    draws: Annotated[str, typer.Option(help="possible truths behind the error bar; 0 for none")] = "16",
    json_: Json = False,
    explain: Explain = False,
    plot: Plot = None,
) -> None:
    """The highest rate of requests at which promises hold, by simulating the scheduler at one rate after the other."""
    words = opt.said(locals())
    without_blas()
    from silmark.api.capacity import capacity as ask  # noqa: PLC0415
    from silmark.report.picture import checked  # noqa: PLC0415

    if plot is not None:
        checked(plot)
    with shown() if sys.stderr.isatty() else nullcontext():
        answer = ask(
            model,
            on,
            trace,
            slo=slo,
            draws=draws,
            seed=seed,
            watch=lambda name, rate: _log.info("%s: %.3g requests/s", name, rate),
            **words,
        )
    if plot is not None:
        from silmark.report.capacity_plot import draw  # noqa: PLC0415

        draw(answer, plot)
    if json_:
        print_json(answer.as_dict(explain))
        return
    from silmark.report import capacity as page  # noqa: PLC0415
    from silmark.report.table import console, figures  # noqa: PLC0415

    screen = console()
    screen.print(page.heading(answer) + "\n", markup=False)
    screen.print(page.table(answer))
    for note in ("", *page.notes(answer)):
        screen.print(note, markup=False)
    if explain:
        for row in answer.rows:
            screen.print(figures(row.figures, row.target.name))
