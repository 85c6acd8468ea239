"""`silmark search --train`: the best plans of a training step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from silmark.cli.output import print_json
from silmark.errors import BadValue

if TYPE_CHECKING:
    from silmark.report.search_training import SearchedTraining


def run_training(
    model: str,
    on: str | None,
    *,
    global_batch: str | None,
    sequence: str | None = None,
    tokens: str | None = None,
    cp: str = "auto",
    fix: str = "",
    precision: str = "default",
    stack: str = "auto",
    json_: bool = False,
    plot: Path | None = None,
    parquet: Path | None = None,
) -> None:
    """Asks, writes the files that are wanted, and prints; options as `silmark search --help` says."""
    if on is None:
        raise BadValue("on", on, "chips, such as 64x:nvidia-h100-sxm5-80gb")
    if global_batch is None:
        raise BadValue("global batch", global_batch, "sequences of one step, such as 1024")
    from silmark.api.search_training import search_training as ask  # noqa: PLC0415

    answer = ask(
        model,
        on,
        global_batch=global_batch,
        sequence_length=sequence,
        tokens=tokens,
        cp="1" if cp == "auto" else cp,
        fixed=fixed_axes(fix),
        precision=precision,
        stack=stack,
    )
    if parquet is not None:
        from silmark.planning.table import write_parquet  # noqa: PLC0415

        write_parquet(answer.columns(), parquet)
    if plot is not None:
        from silmark.report.search_training_plot import draw  # noqa: PLC0415

        draw(answer, plot)
    if json_:
        print_json(answer.as_dict())
        return
    _print(answer)


def unused(beside: str, **options: str | None) -> None:
    """Refuses options that another kind of search takes; raises BadValue."""
    for name, value in options.items():
        if value is not None:
            raise BadValue(name.replace("_", " "), value, f"nothing: it is an option of a search with {beside}")


def fixed_axes(text: str) -> dict[str, str]:
    """`tp=8,recompute=none/full` as values by axis."""
    found = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        axis, equals, value = part.partition("=")
        if not equals:
            raise BadValue("fix", part, "axis=value, such as tp=8 or recompute=none/full")
        found[axis.strip()] = value.strip()
    return found


def _print(answer: SearchedTraining) -> None:
    from silmark.report import search_training as page  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415

    screen = console()
    screen.print(page.heading(answer), markup=False)
    for line in page.summary(answer):
        screen.print(line, markup=False)
    screen.print()
    if answer.reason:
        screen.print(f"{answer.status}: {answer.reason}", markup=False)
        return
    headers, rows = page.winners(answer)
    screen.print(grid(headers, rows, numeric=range(1, len(headers) - 4)))
    screen.print()
    screen.print(grid(["", "second", "why it lost"], page.losers(answer)))
    screen.print()
    headers, rows = page.table(answer, answer.frontier)
    title = f"frontier, {len(rows)} of {answer.answer.frontier.size} plans"
    screen.print(grid(headers, rows, title=title, numeric=range(len(headers) - 1)))
