"""`silmark calibrate`: fits coefficients again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from silmark.errors import BadValue


def calibrate(
    family: Annotated[
        str,
        typer.Argument(
            help="a mechanism's family, fabric, or all; host: this processor; measurements: your own tables"
        ),
    ],
    rows: Annotated[
        Path | None,
        typer.Option(
            help="host: CSV of `silmark measure`; measurements: tables in place of the installed ones",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="measurements: folder to write", show_default=False)
    ] = None,
    most: Annotated[
        int | None, typer.Option(help="measurements: rows to take of one file, 0 for all (2000)", show_default=False)
    ] = None,
) -> None:
    """Fit coefficients again: packaged ones (needs SILMARK_DATA for measured rows), this processor's, or your own."""
    from silmark.calibration.run import MEASUREMENTS, run  # noqa: PLC0415

    if family != MEASUREMENTS:
        for name, value in (("output", output), ("most", most)):
            if value is not None:
                raise BadValue(name, str(value), f"none: only {MEASUREMENTS} takes it")
        lines = run(family, rows)
    else:
        lines = _own(output, rows, most)
    for line in lines:
        sys.stdout.write(line + "\n")


def _own(output: Path | None, given: Path | None, most: int | None) -> Iterator[str]:
    from silmark.calibration.perf_rows import MOST  # noqa: PLC0415
    from silmark.validation import own  # noqa: PLC0415

    if output is None:
        raise BadValue("output", "", "a folder to write, such as -o calibration")
    if most is not None and most < 0:
        raise BadValue("most", most, "0 or more rows")
    return own.run(output, given, MOST if most is None else most)
