"""Measured rows that fits read: `$SILMARK_DATA/measurements/public/*.csv.gz`, never anything else there."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

import numpy as np

from silmark.errors import BadFile, BadValue
from silmark.figures.tables import packaged
from silmark.graph import Array

CHIPS: dict[str, str] = packaged("aliases")["hardware"]["operators"]
"""Hardware as the operator tables name it -> id of the chip."""
END_TO_END: dict[str, str] = packaged("aliases")["hardware"]["end_to_end"]
"""The same for the end-to-end tables."""

Row = dict[str, str]
_INSTEAD: ContextVar[Mapping[str, tuple[Row, ...]] | None] = ContextVar(
    "tables in place of the public ones", default=None
)


def folder() -> Path:
    """The folder of the public tables; raises BadValue if SILMARK_DATA does not lead to it."""
    root = os.environ.get("SILMARK_DATA", "")
    path = Path(root) / "measurements" / "public"
    if not root or not path.is_dir():
        raise BadValue("SILMARK_DATA", root, "a folder that holds measurements/public/*.csv.gz, set in the environment")
    return path


def given(root: Path, names: Iterable[str]) -> Path:
    """The folder of public tables that a user named: `root` itself, or `measurements/public` or `public` below it.

    Args:
        root: what was named.
        names: tables that must lie there, without endings; questions, which have no values, lie elsewhere.

    Raises:
        BadValue: a folder of tables was not found, or lacks some.
    """
    wanted = list(names)
    places = [root / "measurements" / "public", root / "public", root]
    lacking = {place: [n for n in wanted if not (place / f"{n}.csv.gz").is_file()] for place in places}
    best = min(places, key=lambda place: len(lacking[place]))
    missing = lacking[best]
    if not missing:
        return best
    if len(missing) == len(wanted):
        raise BadValue("data", str(root), "a folder that holds measurements/public/*.csv.gz, or these tables")
    raise BadValue("data", str(best), f"a folder with all public tables; missing: {', '.join(missing)} (.csv.gz)")


@contextmanager
def instead(tables: Mapping[str, tuple[Row, ...]]) -> Iterator[None]:
    """Fits inside of this block see these tables in place of the public ones; those not given are empty."""
    before = _INSTEAD.set(tables)
    table.cache_clear()
    try:
        yield
    finally:
        _INSTEAD.reset(before)
        table.cache_clear()


@cache
def table(name: str) -> tuple[Row, ...]:
    """Rows of one public table, flagged and unsplit ones left out."""
    given = _INSTEAD.get()
    if given is not None:
        return given.get(name, ())
    path = folder() / f"{name}.csv.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    return tuple(row for row in rows if row.get("split") == "public" and row.get("flag", "") != "IMPOSSIBLE")


def numbers(rows: list[Row], column: str) -> Array:
    """One column as numbers, 0 where empty."""
    return np.array([float(row[column] or 0.0) for row in rows])


def grouped(rows: list[Row], *keys: str) -> dict[tuple[str, ...], list[Row]]:
    """Rows by the values of some columns, in the order of first appearance."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups
