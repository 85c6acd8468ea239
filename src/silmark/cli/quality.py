"""`silmark quality`: what a chip's arithmetic does to a model's outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from silmark.cli.options import Json, Plot
from silmark.cli.output import print_json
from silmark.cli.progress import shown


def quality(
    model: Annotated[
        str, typer.Argument(help="minilm, charlm, smallcnn, or a local folder with config.json and safetensors")
    ],
    on: Annotated[
        str, typer.Option(help="all, or names and .toml files, comma-separated; -name leaves one out")
    ] = "all",
    precision: Annotated[
        str, typer.Option(help="format, weights:compute[:kv], default, or fastest (each chip's highest peak)")
    ] = "default",
    operators: Annotated[
        str, typer.Option(help="all, or some of linear, attention, conv, vector; the others stay in fp32")
    ] = "all",
    texts: Annotated[
        Path | None, typer.Option(help="texts for a folder's model, one per line (64 sentences)", show_default=False)
    ] = None,
    generate: Annotated[str, typer.Option(help="tokens by which a language model continues its prompts")] = "32",
    seed: Annotated[str, typer.Option(help="what analog noise is drawn from")] = "0",
    layers: Annotated[
        bool, typer.Option("--layers", help="signal-to-noise ratio of every product, worst first")
    ] = False,
    json_: Json = False,
    plot: Plot = None,
) -> None:
    """A real model run through every chip's arithmetic: how far its outputs are from fp32's."""
    with shown():
        from silmark.api.quality import output_quality  # noqa: PLC0415

        answer = output_quality(
            model, on=on, precision=precision, operators=operators, texts=texts, generate=generate, seed=seed,
            layers=layers,
        )  # fmt: skip
    if plot is not None:
        answer.draw(plot)
    if json_:
        print_json(answer.as_dict())
        return
    from silmark.report.table import console  # noqa: PLC0415

    screen = console()
    screen.print(f"{answer.heading()}\n", markup=False)
    screen.print(answer.table())
    for table in answer.layers():
        screen.print()
        screen.print(table)
    for note in answer.notes:
        screen.print(f"note: {note}", markup=False)
