"""Fitted parameters of the mechanisms: `data/calibration/<family>.toml`, written by `silmark calibrate`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from silmark.errors import BadFile
from silmark.figures import Figure
from silmark.figures.tables import packaged, read_figure, walk


@cache
def load(family: str) -> dict[str, Figure]:
    """Parameters of one family by dotted key, e.g. `gemm.flop_share`; empty where nothing was fitted."""
    table = packaged("calibration").get(family, {}).get("parameters", {})
    path = Path(f"{family}.toml")
    return {key: read_figure(path, key, leaf) for key, leaf in walk(table)}


def fitted(family: str, key: str) -> Figure:
    """One parameter; raises BadFile where nobody has fitted it."""
    known = load(family)
    if key not in known:
        raise BadFile(f"data/calibration/{family}.toml", f"missing; `silmark calibrate {family}`", key)
    return known[key]


@contextmanager
def replaced(family: str, table: Mapping[str, Any]) -> Iterator[None]:
    """Inside, a family answers from `table` instead of its file: how a fit does on rows that it never saw.

    Whoever kept something that was made of the parameters must drop it, before and after.
    """
    packaged_tables = packaged("calibration")
    own = packaged_tables.get(family, {})
    packaged_tables[family] = dict(table)
    load.cache_clear()
    try:
        yield
    finally:
        packaged_tables[family] = own
        load.cache_clear()
