"""Reads entries of the tables of an array ([[host]], [[link]], [[memory]]) of a system file; all raise BadFile."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from silmark.errors import BadFile
from silmark.fabric import physical
from silmark.fabric.physical import Part
from silmark.figures import Figure
from silmark.figures.tables import expected_unit, read_figure

MAX_COUNT = 100_000
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


def table_name(path: Path, key: str, one: Mapping[str, Any]) -> str:
    """The name of one table of an array; raises BadFile."""
    name = one.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadFile(path, "expected a name in lower case, such as slot", f"{key}.name")
    return name


def only(path: Path, key: str, one: Mapping[str, Any], allowed: set[str]) -> None:
    """Raises BadFile for an entry that such a table does not have."""
    unknown = sorted(set(one) - allowed)
    if unknown:
        raise BadFile(path, f"not an entry of such a table; it has {', '.join(sorted(allowed))}", f"{key}.{unknown[0]}")


def counted(path: Path, key: str, value: object, least: int = 1) -> int:
    """A whole number of things; raises BadFile."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_COUNT:
        raise BadFile(path, f"expected a whole number from {least} to {MAX_COUNT:,}", key)
    return value


def named_part(path: Path, key: str, name: object, *kinds: str) -> Part:
    """A part by id or path, of one of some kinds; raises BadFile."""
    if not isinstance(name, str):
        raise BadFile(path, "missing or not the name of a part; `silmark parts` lists them", key)
    part = physical.part(name)
    if part.kind not in kinds:
        raise BadFile(path, f"{part.id} is a {part.kind}; expected a {' or '.join(kinds)}", key)
    return part


def sourced(path: Path, key: str, leaf: object) -> Figure:
    """A figure of a table of an array; prices need a date. Raises BadFile."""
    unit = expected_unit("system", key)
    if not isinstance(leaf, dict):
        raise BadFile(path, f"expected a figure in a unit of {unit}, with value, unit, source and grade", key)
    figure = read_figure(path, key, leaf, unit)
    if key.endswith(".price") and not figure.date:
        raise BadFile(path, 'a price needs the date of the quote, such as date = "2026-06"', key)
    return figure
