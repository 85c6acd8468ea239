"""The grid of `data/grid` as plain lists, so that any version of the package can be asked."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from silmark import chips
from silmark.calibration.rows import CHIPS
from silmark.figures.tables import packaged

_PLACES = ("system", "hardware")
"""Columns that name the chip."""


def questions() -> dict[str, Any]:
    """All questions, as JSON: chips to be estimated, comparisons, plans, and rows of operator tables."""
    grid = packaged("grid")
    models = grid["models"]
    compare = [
        {"model": model, "workload": workload}
        for asked in models["compare"]
        for model, workload in itertools.product(asked["models"], asked["workloads"])
    ]
    found: dict[str, list[dict[str, Any]]] = {}
    for table in grid["operators"]["tables"]:
        columns = {name: list(map(str, values)) for name, values in table.items() if name != "kind"}
        found.setdefault(table["kind"], []).extend(_rows(columns))
    operators = [{"kind": kind, "rows": _filled(rows)} for kind, rows in found.items()]
    return {"chips": list(chips.names()), "compare": compare, "estimate": models["estimate"], "operators": operators}


def _rows(columns: Mapping[str, list[str]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*columns.values()):
        cells = dict(zip(columns, values, strict=True))
        place = next(name for name in _PLACES if name in cells)
        shape = [_said(name, cell) for name, cell in cells.items() if name != place and cell]
        yield {"chip": CHIPS[cells[place]], "shape": " ".join(shape), "cells": cells}


def _said(name: str, cell: str) -> str:
    """Numbers need the name of their column; words speak for themselves."""
    return f"{name}={cell}" if cell.isdecimal() else cell


def _filled(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of one table, each with all of its columns."""
    columns = dict.fromkeys(name for row in rows for name in row["cells"])
    return [{**row, "cells": {name: row["cells"].get(name, "") for name in columns}} for row in rows]


def digest(asked: Mapping[str, Any]) -> str:
    """A short name of a grid: another grid has another one."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
