"""Fitted parameters of the mechanisms: `data/calibration/<family>.toml`, written by `silmark calibrate`."""

from __future__ import annotations

from functools import cache
from pathlib import Path

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
