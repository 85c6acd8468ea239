"""`silmark sweep`: every point of a grid, on this machine or on a cluster, into a folder of Parquet files."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from silmark.cli.options import Json
from silmark.cli.output import print_json
from silmark.cli.progress import bar

if TYPE_CHECKING:
    from silmark.planning.sweep import Done, Trial

_INTERRUPTED = 130


def sweep(
    grid: Annotated[Path, typer.Argument(help="TOML file of axes: models, systems, cuts, batches, lengths")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="folder (default: the grid's, or its name with -sweep)")
    ] = None,
    engine: Annotated[str, typer.Option(help="local, ray or dask: the same files from each")] = "local",
    workers: Annotated[str | None, typer.Option(help="processes (default: one per core)", show_default=False)] = None,
    address: Annotated[str, typer.Option(help="of a running Ray or Dask cluster", show_default=False)] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="throw away what the folder has of a sweep")] = False,
    check: Annotated[bool, typer.Option("--check", help="only say how many points, and about how long")] = False,
    json_: Json = False,
) -> None:
    """Evaluate every point of a grid; a run that was stopped goes on where it was."""
    from silmark.api import sweep as ask  # noqa: PLC0415

    if check:
        _print(ask.check(grid), json_)
        return
    try:
        with _watched() as watch:
            done = ask.sweep(grid, output, engine=engine, workers=workers, address=address, fresh=fresh, watch=watch)
    except KeyboardInterrupt:
        sys.stderr.write("silmark: stopped; what is done is kept, and the same command goes on from there\n")
        raise typer.Exit(_INTERRUPTED) from None
    _print(done, json_)


def _print(answer: Done | Trial, as_json: bool) -> None:
    if as_json:
        print_json(answer.as_dict())
        return
    from silmark.report.sweep import lines  # noqa: PLC0415

    sys.stdout.writelines(f"{line}\n" for line in lines(answer))


@contextmanager
def _watched() -> Iterator[Callable[[int, int], None] | None]:
    """A bar of the points that this run evaluates."""
    with bar("points") as update:
        # What an earlier run left took no time of this one: counted as done, it would promise too much.
        before: list[int] = []

        def watch(done: int, total: int) -> None:
            before.append(done)
            if update is not None:
                update(done - before[0], total - before[0])

        yield None if update is None else watch
