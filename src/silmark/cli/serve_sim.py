"""`silmark serve-sim`: a request trace on a virtual server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from silmark.cli import fleet_options
from silmark.cli.options import Explain, Json, Maturity, PrecisionName
from silmark.cli.output import print_json
from silmark.cli.progress import bar, shown

if TYPE_CHECKING:
    from silmark.api.serve_sim import Left
    from silmark.report.served import ServeSim

_LOAD, _ENGINE, _PLAN, _OUT = "The load", "The engine, in vLLM's words; default: its own", "The system", "The answer"
_SWITCH = "The engine, on or off; default: its own"


def _load(text: str) -> Any:  # noqa: ANN401 - typer's own
    return typer.Option(help=text, rich_help_panel=_LOAD, show_default=False)


def _engine(text: str, *names: str) -> Any:  # noqa: ANN401
    return typer.Option(*names, help=text, rich_help_panel=_ENGINE, show_default=False)


def _switch(name: str) -> Any:  # noqa: ANN401
    return typer.Option(f"--{name}/--no-{name}", help="", rich_help_panel=_SWITCH, show_default=False)


def _plan(text: str) -> Any:  # noqa: ANN401
    return typer.Option(help=text, rich_help_panel=_PLAN, show_default=False)


def _file(text: str) -> Any:  # noqa: ANN401
    return typer.Option(help=text, rich_help_panel=_OUT, show_default=False)


def serve_sim(
    model: Annotated[
        str, typer.Argument(help="catalogue name, path of a config.json, or hf:owner/name", show_default=False)
    ] = "",
    on: Annotated[str, _plan("8x:nvidia-h100-sxm5-80gb, a system's id, or a .toml file")] = "",
    trace: Annotated[str, _load("a file, azure-conv, or poisson:rate=5,prompt=1024,output=256")] = "",
    rate: Annotated[str | None, _load("requests per second, 2x as recorded, or inf; several: 1,2,4")] = None,
    duration: Annotated[str | None, _load("leave out what arrives later, such as 10min")] = None,
    limit: Annotated[str | None, _load("most requests")] = None,
    max_concurrency: Annotated[str | None, _load("most requests in flight; the others wait at the client")] = None,
    slo: Annotated[str | None, _load("promises: ttft:1s,tpot:50ms@p99, of ttft, tpot and e2el")] = None,
    seed: Annotated[str, _load("of all chances (0)")] = "0",
    arrivals: Annotated[str | None, _load("poisson, gamma or constant instead of recorded ones")] = None,
    burstiness: Annotated[str | None, _load("of gamma arrivals, as in vllm bench serve")] = None,
    lengths: Annotated[str | None, _load("trace whose lengths a generator draws")] = None,
    repeat: Annotated[str | None, _load("the trace so many times, one after the other")] = None,
    trace_format: Annotated[str | None, _load("format of the file (recognised)")] = None,
    trace_columns: Annotated[str | None, _load("of a plain table: arrival=ts,prompt=in,output=out")] = None,
    time_unit: Annotated[str | None, _load("of a table's arrivals: s, ms, us or ns")] = None,
    bad_rows: Annotated[str | None, _load("refuse a file with broken rows, or skip and count them")] = None,
    unsorted: Annotated[str | None, _load("refuse rows that are not in order, or sort them in")] = None,
    turns: Annotated[str | None, _load("of a conversation in words: first, or all")] = None,
    think: Annotated[str | None, _load("from an answer to the next question of a conversation")] = None,
    draws: Annotated[str, _load("passes for error bars, on step times that may be the truth (16 if short)")] = "auto",
    policy: Annotated[str, _engine("whose scheduler: vllm, sglang or trtllm (vllm)")] = "vllm",
    engine_version: Annotated[str, _engine("such as 0.19.0: its defaults (the newest known)")] = "",
    max_num_seqs: Annotated[str | None, _engine("most requests running at once")] = None,
    max_num_batched_tokens: Annotated[str | None, _engine("most tokens of a step")] = None,
    max_model_len: Annotated[str | None, _engine("most tokens of a request, answer included")] = None,
    gpu_memory_utilization: Annotated[str | None, _engine("share of the memory that it takes")] = None,
    block_size: Annotated[str | None, _engine("tokens of a KV block")] = None,
    num_gpu_blocks: Annotated[
        str | None, _engine("KV blocks, instead of what fits", "--num-gpu-blocks-override")
    ] = None,
    enable_prefix_caching: Annotated[bool | None, _switch("enable-prefix-caching")] = None,
    enable_chunked_prefill: Annotated[bool | None, _switch("enable-chunked-prefill")] = None,
    async_scheduling: Annotated[bool | None, _switch("async-scheduling")] = None,
    tp: Annotated[str | None, _plan("chips that share every layer")] = None,
    pp: Annotated[str | None, _plan("consecutive groups of layers")] = None,
    dp: Annotated[str | None, _plan("replicas")] = None,
    ep: Annotated[str | None, _plan("parts that the experts are divided into")] = None,
    router: fleet_options.RouterWords = "round-robin",
    prefill_on: fleet_options.PrefillOn = None,
    prefill_replicas: fleet_options.PrefillReplicas = None,
    prefill_router: fleet_options.PrefillRouter = None,
    non_cached_tokens: fleet_options.NonCachedTokens = "0",
    offload: fleet_options.OffloadWords = None,
    autoscale: fleet_options.AutoscaleWords = None,
    faults: fleet_options.FaultWords = None,
    on_fault: fleet_options.OnFaultWord = "retry",
    precision: PrecisionName = "default",
    maturity: Maturity = "own",
    brief: Annotated[bool, typer.Option("--brief", help="one row per rate", rich_help_panel=_OUT)] = False,
    json_: Json = False,
    explain: Explain = False,
    parquet: Annotated[Path | None, _file("write one row per request (needs the extra sweep)")] = None,
    timeline: Annotated[Path | None, _file("write steps and requests for ui.perfetto.dev (.json)")] = None,
    plot: Annotated[Path | None, _file("write a picture (.png, .svg, .pdf)")] = None,
    replay_scenarios: Annotated[
        tuple[Path, Path] | None, _file("IN.json OUT.json: decide recorded scenarios step by step, nothing else")
    ] = None,
) -> None:
    """A request trace on a virtual server: what its users would see, step by step as its scheduler decides."""
    if replay_scenarios is not None:
        from silmark.api.replay import replay_scenarios as replay  # noqa: PLC0415

        with shown(), bar("scenarios") as update:
            replay(*replay_scenarios, watch=update)
        return
    from silmark.api.serve_sim import serve_sim as ask  # noqa: PLC0415

    _asked(model=model, on=on, trace=trace)
    _writable(plot, parquet, timeline)
    load: dict[str, Any] = {
        "duration": duration,
        "limit": limit,
        "arrivals": arrivals,
        "burstiness": burstiness,
        "lengths": lengths,
        "repeat": repeat,
        "trace_format": trace_format,
        "trace_columns": trace_columns,
        "time_unit": time_unit,
        "bad_rows": bad_rows,
        "unsorted": unsorted,
        "turns": turns,
        "think": think,
        **fleet_options.said(
            router,
            prefill_on,
            prefill_replicas,
            prefill_router,
            non_cached_tokens,
            offload,
            autoscale,
            faults,
            on_fault,
        ),
    }
    with shown(), bar("requests") as update, _requests(parquet) as left:
        answer = ask(
            model,
            on,
            trace,
            rate=rate,
            slo=slo,
            policy=policy,
            engine_version=engine_version,
            max_num_seqs=max_num_seqs,
            max_num_batched_tokens=max_num_batched_tokens,
            max_model_len=max_model_len,
            gpu_memory_utilization=gpu_memory_utilization,
            block_size=block_size,
            num_gpu_blocks=num_gpu_blocks,
            enable_prefix_caching=enable_prefix_caching,
            enable_chunked_prefill=enable_chunked_prefill,
            async_scheduling=async_scheduling,
            max_concurrency=max_concurrency,
            tp=tp,
            pp=pp,
            dp=dp,
            ep=ep,
            precision=precision,
            maturity=cast("Literal['own', 'equal']", maturity),
            seed=seed,
            draws=draws,
            timeline=timeline is not None,
            keep=timeline is not None,
            left=left,
            watch=update,
            **{key: value for key, value in load.items() if value is not None},
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
