"""`silmark engine`: what a serving engine chooses by itself on a system."""

from __future__ import annotations

from typing import Annotated

import typer

from silmark.cli import serving_options as opt
from silmark.cli.options import Explain, Json, Model, PrecisionName
from silmark.cli.output import print_json


def engine(
    model: Model,
    on: Annotated[str, typer.Option(help="8x:nvidia-h100-sxm5-80gb, a system's id, or a .toml file")],
    policy: opt.Policy = "vllm",
    engine_version: opt.EngineVersion = "",
    usage: Annotated[str, typer.Option(help="server (API server) or llm (offline batches)")] = "server",
    max_num_seqs: opt.MaxNumSeqs = None,
    max_num_batched_tokens: opt.MaxNumBatchedTokens = None,
    max_model_len: opt.MaxModelLen = None,
    gpu_memory_utilization: opt.GpuMemoryUtilization = None,
    block_size: opt.BlockSize = None,
    enforce_eager: Annotated[bool, typer.Option("--enforce-eager", help="record no step as a graph")] = False,
    tp: opt.Tp = None,
    pp: opt.Pp = None,
    dp: opt.Dp = None,
    ep: opt.Ep = None,
    precision: PrecisionName = "default",
    json_: Json = False,
    explain: Explain = False,
) -> None:
    """A serving engine as it comes up: its defaults there, where its memory goes, its KV blocks."""
    words = opt.said(locals())
    from silmark.api.engine import engine as ask  # noqa: PLC0415

    answer = ask(model, on, usage=usage, enforce_eager=enforce_eager, **words)
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
