"""`silmark predict` and `silmark validate`: whole tables of questions, and of measurements."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from silmark.errors import BadValue

Part = Literal["all", "models", "operators"]
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


def validate(
    write: Annotated[
        bool, typer.Option("--write", help="write residual classes, operators' corrections and docs/accuracy.md")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="print JSON (schema: silmark schema)")] = False,
    only: Annotated[str, typer.Option(help="all, models or operators")] = "all",
) -> None:
    """Predict measured public rows and say how wrong that is (needs SILMARK_DATA)."""
    if only not in ("all", "models", "operators"):
        raise BadValue("only", only, "all, models or operators")
    part = cast("Part", only)
    from silmark.figures.own import refuse_to_write  # noqa: PLC0415
    from silmark.report.table import console, grid  # noqa: PLC0415
    from silmark.validation import run  # noqa: PLC0415
    from silmark.validation.operators import accuracy, report  # noqa: PLC0415
    from silmark.validation.report import SCHEMA  # noqa: PLC0415

    if write:
        refuse_to_write()
    models = run(write) if part != "operators" else None
    written = list(models.written) if models else []
    said = []
    if part != "models":
        rows = accuracy.measured()
        said = accuracy.judge(rows)
        written += [str(path) for path in accuracy.write(rows, said)] if write else []
    if json_:
        document: dict[str, Any] = models.as_dict() if models else {"schema": SCHEMA}
        if said:
            document["operators"] = report.as_dicts(said)
        sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")
        return
    grids = [*(models.grids() if models else []), *([report.grid(said)] if said else [])]
    screen = console()
    for one in grids:
        screen.print(grid(one.headers, one.rows, one.title, range(one.numbers, len(one.headers))))
        screen.print()
    for path in written:
        screen.print(f"wrote {path}", markup=False)
