"""`silmark train`: one optimizer step of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from silmark.cli.options import Explain, Json, Model
from silmark.cli.output import print_json

if TYPE_CHECKING:
    from silmark.api.train import Training


def train(
    model: Model,
    on: Annotated[str, typer.Option(help="64x:nvidia-h100-sxm5-80gb, a system's id, or a .toml file")],
    global_batch: Annotated[str | None, typer.Option(help="sequences of one step", show_default=False)] = None,
    micro_batch: Annotated[str, typer.Option(help="sequences that a replica takes at a time")] = "1",
    seq: Annotated[str | None, typer.Option(help="tokens per sequence (4096)", show_default=False)] = None,
    tp: Annotated[str, typer.Option(help="chips that share every layer")] = "1",
    pp: Annotated[str, typer.Option(help="pipeline stages")] = "1",
    cp: Annotated[str, typer.Option(help="chips that share one sequence")] = "1",
    dp: Annotated[str | None, typer.Option(help="replicas (the rest of the chips)", show_default=False)] = None,
    zero: Annotated[str, typer.Option(help="what replicas divide: none, 1, 2, 3, or auto")] = "auto",
    fsdp: Annotated[bool, typer.Option("--fsdp", help="the same as --zero 3")] = False,
    recompute: Annotated[
        str, typer.Option(help="none, selective, alternate, full, or auto: the least that fits")
    ] = "auto",
    interleave: Annotated[str, typer.Option(help="model chunks per pipeline stage")] = "1",
    precision: Annotated[str, typer.Option(help="format of the matrix products, or default")] = "default",
    stack: Annotated[str, typer.Option(help="foundry, torchtitan, megatron, maxtext, levanter or auto")] = "auto",
    json_: Json = False,
    explain: Explain = False,
) -> None:
    """One optimizer step: time by cause, tokens per second, MFU, memory - or why it cannot be."""
    from silmark.api.train import train as ask  # noqa: PLC0415

    answer = ask(
        model,
        on,
        global_batch=global_batch,
        micro_batch=micro_batch,
        seq=seq,
        tp=tp,
        pp=pp,
        cp=cp,
        dp=dp,
        zero="3" if fsdp else zero,
        recompute=recompute,
        interleave=interleave,
        precision=precision,
        stack=stack,
    )
    if json_:
        print_json(answer.as_dict())
        return
    _print(answer, explain)


def _print(answer: Training, explain: bool) -> None:
    from silmark.report.catalogue import figure_cells  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen, asked = console(), answer.question
    screen.print(f"{asked['model']} on {asked['on']}: {asked['job']}", markup=False)
    sizes = f"global batch {asked['global_batch']}, micro batch {asked['micro_batch']}, {asked['seq']} tokens each"
    screen.print(f"{sizes}; coefficients of {asked['stack']}; 80 % intervals\n", markup=False)
    if answer.estimate is None:
        screen.print(f"{answer.status}: {answer.reason}", markup=False)
        return
    screen.print(grid(["", ""], _facts(answer), numeric=()))
    screen.print()
    screen.print(grid(["part of the step", "time", "share"], _parts(answer), numeric=(1, 2)))
    for note in answer.estimate.notes:
        screen.print(f"note: {note}", markup=False)
    if explain:
        cells = [figure_cells(key, figure) for key, figure in sorted(answer.estimate.figures.items())]
        screen.print()
        screen.print(grid(["figure", "value", "interval", "grade", "source", "note"], cells))


def _facts(answer: Training) -> list[list[str]]:
    from silmark.figures.numbers import shown, si, spread  # noqa: PLC0415
    from silmark.training.timing import WORDS  # noqa: PLC0415

    found = answer.estimate
    assert found is not None
    rows = [
        ["step", shown(found.step_s, "s")],
        ["tokens/s", shown(found.tokens_per_s)],
        ["tokens/s/chip", shown(found.tokens_per_s_chip)],
        ["model FLOP/s/chip", f"{si(found.flops_chip.mid, 'FLOP/s')} {spread(found.flops_chip)}"],
        ["MFU, HFU", f"{100 * found.mfu.mid:.1f} %, {100 * found.hfu.mid:.1f} %"],
    ]
    need = found.memory
    if need is not None:
        parts = (("parameters", need.weights), ("gradients", need.gradients), ("optimizer", need.optimizer))
        listed = ", ".join(f"{name} {size / 1e9:.3g}" for name, size in (*parts, ("activations", need.activations)))
        rows.append(["memory per chip", f"{need.total / 1e9:.3g} of {need.capacity / 1e9:.3g} GB ({listed})"])
    rows.append(["power", f"{shown(found.power_w, 'W')}, {shown(found.joules_per_token, 'J')} per token"])
    rows += [["bound by", WORDS[found.bound_by]], ["grade", str(found.grade)], ["sources", ", ".join(found.sources())]]
    return rows


def _parts(answer: Training) -> list[list[str]]:
    from silmark.figures.numbers import si  # noqa: PLC0415
    from silmark.training.timing import WORDS  # noqa: PLC0415

    assert answer.estimate is not None
    timing = answer.estimate.timing
    kept = ((name, seconds) for name, seconds in timing.parts.items() if seconds > 0)
    return [[WORDS[name], si(seconds, "s"), f"{100 * seconds / timing.total:.1f} %"] for name, seconds in kept]
