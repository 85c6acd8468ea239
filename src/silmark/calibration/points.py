"""Points from papers that fits and tests use: `data/published/<slug>.csv`, each row with its citation."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from silmark.figures.tables import data_folder

Leaf = Mapping[str, float | str]


def read(slug: str) -> list[dict[str, str]]:
    """Rows of one file of published points; lines that begin with # are remarks."""
    text = (data_folder() / "published" / f"{slug}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def leaf(value: float, low: float, high: float, unit: str, **rest: str) -> Leaf:
    """One fitted parameter: value and interval to four digits, and its source, grade, note, derived_from."""
    numbers = {name: float(f"{number:.4g}") for name, number in (("value", value), ("low", low), ("high", high))}
    return {**numbers, "unit": unit, **rest}


def head(family: str, command: str, data: str, rows: int) -> dict[str, str | int]:
    """What a calibration file says of itself: what is fitted, when, by which command, to which rows."""
    today = datetime.now(UTC).date().isoformat()
    return {"family": family, "date": today, "command": command, "data": data, "rows": rows}


def write(
    path: Path,
    head: Mapping[str, str | int],
    parameters: Mapping[str, Leaf],
    tables: Mapping[str, Mapping[str, float | Iterable[float]]],
) -> None:
    """Writes one calibration file.

    Args:
        path: the file.
        head: top-level entries; see `head`.
        parameters: dotted key to leaf, e.g. `decode.fixed`.
        tables: further tables of plain numbers (residuals, covariance).
    """
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    groups: dict[str, list[str]] = {}
    for key, entry in parameters.items():
        group, _, name = key.rpartition(".")
        inner = ", ".join(f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in entry.items())
        groups.setdefault(group, []).append(f"{name} = {{ {inner} }}")
    for group, entries in groups.items():
        lines += ["", f"[parameters.{group}]", *entries]
    for name, table in tables.items():
        lines += ["", f"[{name}]"]
        lines += [f"{json.dumps(key)} = {_number(value)}" for key, value in table.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _number(value: float | Iterable[float]) -> str:
    if isinstance(value, int | float):
        return f"{float(value):.4g}"
    return "[" + ", ".join(f"{float(v):.6g}" for v in value) + "]"
