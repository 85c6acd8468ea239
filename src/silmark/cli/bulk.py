"""`silmark predict`: whole tables of questions."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

_REASONS = 12


def predict(
    table: Annotated[Path, typer.Argument(help="a .csv or .csv.gz table, its kind recognised by its columns")],
    output: Annotated[Path, typer.Option("-o", "--output", help="CSV to write: row_id,low,mid,high,grade,why")],
) -> None:
    """Predict every row of a table: microseconds for tables of operators, the row's unit for whole models."""
    from silmark.validation import bulk  # noqa: PLC0415

    done = bulk.predict_table(table)
    bulk.write(done.lines, output)
    total = len(done.lines)
    sys.stdout.write(f"{done.answered:,} of {total:,} rows predicted ({done.kind}); wrote {output}\n")
    for why, count in done.reasons.most_common(_REASONS):
        sys.stdout.write(f"  {count:,} without a number: {why}\n")
    if len(done.reasons) > _REASONS:
        sys.stdout.write(f"  and {len(done.reasons) - _REASONS:,} further reasons, in the file\n")
