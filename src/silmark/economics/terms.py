"""Terms: the figures that turn machines into dollars, from the package, a region, and a user's own scenario."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from silmark.errors import UnknownName
from silmark.figures import Figure, assumptions
from silmark.figures.tables import packaged, read_figure, walk

Terms = Mapping[str, Figure]
"""Dotted key -> figure. Keys `chip.*` and `system.*` stand in for figures of those files."""


@cache
def defaults() -> Terms:
    """What holds where nobody says otherwise."""
    return {**assumptions("economics"), **_read("running")}


@cache
def cloud() -> Terms:
    """Rents below the on-demand rate, by `spot.CHIP` and `reserved.CHIP`."""
    return _read("cloud")


@cache
def regions() -> Mapping[str, Terms]:
    """Electricity price and carbon of each region."""
    found: dict[str, dict[str, Figure]] = {}
    for key, figure in _read("regions").items():
        name, _, rest = key.partition(".")
        found.setdefault(name, {})[rest] = figure
    return found


def terms(region: str = "", own: Terms | None = None) -> Terms:
    """The defaults, with those of a region and then a user's own in their place; raises UnknownName."""
    if region and region not in regions():
        raise UnknownName("region", region, regions(), hint=f"known regions: {', '.join(regions())}")
    return {**defaults(), **(regions()[region] if region else {}), **(own or {})}


def _read(name: str) -> dict[str, Figure]:
    path = f"economics/{name}.toml"
    return {key: read_figure(path, key, leaf) for key, leaf in walk(packaged("economics")[name])}
