"""`silmark capacity`: the highest rate of requests at which promises hold."""

from __future__ import annotations

import logging
import sys
from contextlib import nullcontext
from typing import Annotated, Any, Literal, cast

import typer

from silmark.cli.options import Explain, Json, Maturity, Plot, PrecisionName
from silmark.cli.output import print_json
from silmark.cli.progress import shown

_log = logging.getLogger(__name__)
_LOAD, _ENGINE, _PLAN = "The load", "The engine, in vLLM's words", "The plan"


def _option(panel: str, text: str) -> Any:  # noqa: ANN401 - typer's own
    return typer.Option(help=text, rich_help_panel=panel, show_default=False)


def capacity(
    model: Annotated[str, typer.Argument(help="catalogue name, path of a config.json, or hf:owner/name")],
    on: Annotated[str, _option(_PLAN, "systems, with commas between them: 8x:h100,8x:mi300x,groqrack-9")],
    trace: Annotated[str, _option(_LOAD, "a file, azure-conv, or poisson:prompt=1024,output=256")],
    slo: Annotated[str, _option(_LOAD, "promises: ttft:1s,tpot:50ms@p99, of ttft, tpot and e2el")],
    duration: Annotated[str | None, _option(_LOAD, "leave out what arrives later at the trace's own rate")] = None,
    limit: Annotated[str | None, _option(_LOAD, "most requests")] = None,
    arrivals: Annotated[str | None, _option(_LOAD, "poisson, gamma or constant instead of recorded ones")] = None,
    lengths: Annotated[str | None, _option(_LOAD, "trace whose lengths a generator draws")] = None,
    bad_rows: Annotated[str | None, _option(_LOAD, "refuse a file with broken rows, or skip and count them")] = None,
    seed: Annotated[str, _option(_LOAD, "of all chances (0)")] = "0",
    policy: Annotated[str, _option(_ENGINE, "whose scheduler: vllm, sglang or trtllm (vllm)")] = "vllm",
    engine_version: Annotated[str, _option(_ENGINE, "such as 0.19.0: its defaults (the newest known)")] = "",
    max_num_seqs: Annotated[str | None, _option(_ENGINE, "most requests running at once")] = None,
    max_num_batched_tokens: Annotated[str | None, _option(_ENGINE, "most tokens of a step")] = None,
    max_model_len: Annotated[str | None, _option(_ENGINE, "most tokens of a request")] = None,
    gpu_memory_utilization: Annotated[str | None, _option(_ENGINE, "share of the memory that it takes")] = None,
    tp: Annotated[str | None, _option(_PLAN, "chips that share every layer")] = None,
    pp: Annotated[str | None, _option(_PLAN, "consecutive groups of layers")] = None,
    dp: Annotated[str | None, _option(_PLAN, "replicas")] = None,
    ep: Annotated[str | None, _option(_PLAN, "parts that the experts are divided into")] = None,
    precision: PrecisionName = "default",
    maturity: Maturity = "own",
    draws: Annotated[str, typer.Option(help="possible truths behind the error bar; 0 for none")] = "16",
    json_: Json = False,
    explain: Explain = False,
    plot: Plot = None,
) -> None:
    """The highest rate of requests at which promises hold, by simulating the scheduler at one rate after the other."""
    from silmark.api.capacity import capacity as ask  # noqa: PLC0415
    from silmark.report.picture import checked  # noqa: PLC0415

    if plot is not None:
        checked(plot)
    words: dict[str, Any] = {"duration": duration, "limit": limit, "arrivals": arrivals, "lengths": lengths}
    words |= {"bad_rows": bad_rows}
    with shown() if sys.stderr.isatty() else nullcontext():
        answer = ask(
            model,
            on,
            trace,
            slo=slo,
            policy=policy,
            engine_version=engine_version,
            max_num_seqs=max_num_seqs,
            max_num_batched_tokens=max_num_batched_tokens,
            max_model_len=max_model_len,
            gpu_memory_utilization=gpu_memory_utilization,
            tp=tp,
            pp=pp,
            dp=dp,
            ep=ep,
            precision=precision,
            maturity=cast("Literal['own', 'equal']", maturity),
            draws=draws,
            seed=seed,
            watch=lambda name, rate: _log.info("%s: %.3g requests/s", name, rate),
            **{key: value for key, value in words.items() if value is not None},
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
