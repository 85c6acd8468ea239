"""`silmark engine`: what a serving engine chooses by itself on a system."""

from __future__ import annotations

from typing import Annotated

import typer

from silmark.cli.options import Explain, Json, Model, PrecisionName
from silmark.cli.output import print_json


def engine(
    model: Model,
    on: Annotated[str, typer.Option(help="8x:nvidia-h100-sxm5-80gb, a system's id, or a .toml file")],
    policy: Annotated[str, typer.Option(help="vllm, sglang or trtllm")] = "vllm",
    engine_version: Annotated[
        str | None, typer.Option(help="whose defaults, such as 0.19.0 (the newest known)", show_default=False)
    ] = None,
    usage: Annotated[str, typer.Option(help="server (API server) or llm (offline batches)")] = "server",
    max_num_seqs: Annotated[str | None, typer.Option(help="most requests that run at once", show_default=False)] = None,
    max_num_batched_tokens: Annotated[
        str | None, typer.Option(help="most tokens of one step", show_default=False)
    ] = None,
    max_model_len: Annotated[
        str | None, typer.Option(help="most tokens of a request with its answer", show_default=False)
    ] = None,
    gpu_memory_utilization: Annotated[
        str | None, typer.Option(help="share of the memory that the engine takes", show_default=False)
    ] = None,
    block_size: Annotated[str | None, typer.Option(help="tokens of a KV block", show_default=False)] = None,
    enforce_eager: Annotated[bool, typer.Option("--enforce-eager", help="record no step as a graph")] = False,
    tp: Annotated[str | None, typer.Option(help="chips that share every layer", show_default=False)] = None,
    pp: Annotated[str | None, typer.Option(help="consecutive groups of layers", show_default=False)] = None,
    dp: Annotated[str | None, typer.Option(help="replicas", show_default=False)] = None,
    ep: Annotated[str | None, typer.Option(help="parts that the experts are divided into", show_default=False)] = None,
    precision: PrecisionName = "default",
    json_: Json = False,
    explain: Explain = False,
) -> None:
    """A serving engine as it comes up: its defaults there, where its memory goes, its KV blocks."""
    from silmark.api.engine import engine as ask  # noqa: PLC0415

    answer = ask(
        model,
        on,
        policy=policy,
        engine_version=engine_version or "",
        usage=usage,
        max_num_seqs=max_num_seqs,
        max_num_batched_tokens=max_num_batched_tokens,
        max_model_len=max_model_len,
        gpu_memory_utilization=gpu_memory_utilization,
        block_size=block_size,
        enforce_eager=enforce_eager,
        tp=tp,
        pp=pp,
        dp=dp,
        ep=ep,
        precision=precision,
    )
    if json_:
        print_json(answer.as_dict(explain))
        return
    from silmark.report import engine as page  # noqa: PLC0415
    from silmark.report.catalogue import figure_cells  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen, found, asked = console(), answer.replica, answer.question
    screen.print(f"{asked['model']} on {asked['on']}, {asked['plan']}", markup=False)
    if found is None:
        screen.print(answer.reason, markup=False)
        return
    screen.print(f"{found.engine}; 80 % intervals\n", markup=False)
    tables = [page.choices(found), page.memory(found), *([page.tiers(answer.tiers)] if answer.tiers else [])]
    for headers, lines in tables:
        screen.print(grid(headers, lines, numeric=(1, 2, 3) if len(headers) > 3 else (1,)))
        screen.print()
    if found.engine.notes:
        screen.print(f"note: {found.engine.notes}", markup=False)
    if explain:
        cells = [figure_cells(key, figure) for key, figure in sorted(answer.figures.items())]
        screen.print(grid(["figure", "value", "interval", "grade", "source", "note"], cells))
