"""Reads technologies, media and parts: the packaged ones by id, a user's own from a TOML file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from silmark.errors import BadFile, UnknownName
from silmark.fabric.physical.spec import Medium, Part, Technology
from silmark.figures import Figure
from silmark.figures.tables import expected_unit, packaged, read_figure, read_toml, walk

STATUSES = ("shipping", "announced", "demonstrated", "withdrawn")
MODULATIONS = ("nrz", "pam4", "")
MEDIA = ("board", "copper", "active-copper", "optical", "package")
PARTS = ("retimer", "switch", "memory-controller", "cable", "nic")
_TEXT = 600
_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_SHARES = ("share.encoding", "share.payload")
_POSITIVE = ("lane.rate", "bandwidth.total", "budget.loss")
_COUNTS = ("lane.count", "lanes")
_MOST_LANES = 1e6


def names(folder: str) -> tuple[str, ...]:
    """Ids of the packaged `links`, `media` or `parts`."""
    return tuple(packaged(folder))


def technology(name: str) -> Technology:
    """A link technology by id or `.toml` path."""
    return _read(Path(name)) if name.endswith(".toml") else _packaged_link(name)


def medium(name: str) -> Medium:
    """A medium by id or `.toml` path."""
    return _read_medium(Path(name), read_toml(Path(name))) if name.endswith(".toml") else _packaged_medium(name)


def part(name: str) -> Part:
    """A part by id or `.toml` path."""
    return _read_part(Path(name), read_toml(Path(name))) if name.endswith(".toml") else _packaged_part(name)


@cache
def _packaged_link(name: str) -> Technology:
    return _technology(Path(f"{name}.toml"), _table("links", "link", name))


@cache
def _packaged_medium(name: str) -> Medium:
    return _read_medium(Path(f"{name}.toml"), _table("media", "medium", name))


@cache
def _packaged_part(name: str) -> Part:
    return _read_part(Path(f"{name}.toml"), _table("parts", "part", name))


def _table(folder: str, kind: str, name: str) -> dict[str, Any]:
    if name not in packaged(folder):
        known = ", ".join(names(folder))
        raise UnknownName(kind, name, names(folder), hint=f"known are {known}")
    return packaged(folder)[name]


def _read(path: Path) -> Technology:
    return _technology(path, read_toml(path))


def _technology(path: Path, table: dict[str, Any]) -> Technology:
    texts = _texts(path, table, ("family", "status", "modulation", "falls_to"))
    _one_of(path, "status", texts["status"], STATUSES)
    _one_of(path, "modulation", texts["modulation"], MODULATIONS)
    figures = _figures(path, "link", table, {*texts, "id", "name", "notes"})
    for key in ("lane.count", "lane.rate", "latency.port"):
        if key not in figures:
            raise BadFile(path, f"missing; give it in a unit of {expected_unit('link', key)}", key)
    return Technology(figures=figures, **_plain(path, table), **texts)


def _read_medium(path: Path, table: dict[str, Any]) -> Medium:
    texts = _texts(path, table, ("kind",))
    _one_of(path, "kind", texts["kind"], MEDIA)
    figures = _figures(path, "medium", table, {"id", "name", "notes", "kind"})
    if "latency.length" not in figures:
        raise BadFile(path, "missing; give it in a unit of s/m, such as ns/m", "latency.length")
    if ("loss.conductor" in figures) != ("loss.dielectric" in figures):
        raise BadFile(path, "give loss.conductor and loss.dielectric, or neither", "loss")
    return Medium(figures=figures, **_plain(path, table), **texts)


def _read_part(path: Path, table: dict[str, Any]) -> Part:
    texts = _texts(path, table, ("vendor", "family", "kind", "status", "medium"))
    _one_of(path, "kind", texts["kind"], PARTS)
    _one_of(path, "status", texts["status"], STATUSES)
    spoken = table.get("links", [])
    if not isinstance(spoken, list) or not all(isinstance(one, str) for one in spoken):
        raise BadFile(path, "expected a list of ids of links", "links")
    adds = table.get("in_network_reduction", False)
    if not isinstance(adds, bool):
        raise BadFile(path, "expected true or false", "in_network_reduction")
    figures = _figures(path, "part", table, {*texts, "id", "name", "notes", "links", "in_network_reduction"})
    for key in _NEEDED[texts["kind"]]:
        if key not in figures:
            raise BadFile(path, f"missing; a {texts['kind']} has it in a unit of {expected_unit('part', key)}", key)
    return Part(figures=figures, links=tuple(spoken), in_network_reduction=adds, **_plain(path, table), **texts)


def _plain(path: Path, table: Mapping[str, Any]) -> dict[str, str]:
    found = _texts(path, table, ("id", "name", "notes"))
    if not _ID.fullmatch(found["id"]):
        raise BadFile(path, "expected lower-case letters, digits, dots and dashes", "id")
    return found


_NEEDED = {
    "retimer": ("lanes", "latency.through", "power.typical"),
    "switch": ("lanes", "latency.through", "power.typical"),
    "nic": ("lanes", "latency.through", "power.typical"),
    "memory-controller": ("lanes", "latency.through", "power.typical", "memory.capacity", "memory.bandwidth"),
    "cable": ("lanes", "latency.end", "energy.end"),
}
"""What a part of each kind has to say."""
_OPTIONAL = {"status": "shipping", "modulation": "", "falls_to": "", "notes": "", "medium": ""}


def _texts(path: Path, table: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for key in keys:
        value = table.get(key, _OPTIONAL.get(key))
        if not isinstance(value, str) or len(value) > _TEXT:
            raise BadFile(path, f"missing or not a text of at most {_TEXT} characters", key)
        found[key] = value
    return found


def _one_of(path: Path, key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BadFile(path, f"{value[:40]!r}; expected one of {', '.join(allowed)}", key)


def _figures(path: Path, kind: str, table: Mapping[str, Any], plain: set[str]) -> dict[str, Figure]:
    """All figures of a file, checked against `data/schema/{kind}.toml`."""
    found = {}
    for key, leaf in walk({key: value for key, value in table.items() if key not in plain}):
        unit = expected_unit(kind, key)
        if unit is None or not isinstance(leaf, dict):
            raise BadFile(path, f"not a key of such a file; the page of any packaged {kind} shows them", key)
        found[key] = read_figure(path, key, leaf, unit)
        if key.startswith("reach.") and not _is_rate(key[6:]):
            raise BadFile(path, "expected reach.RATE with a lane rate in Gbit/s, such as reach.100", key)
        if key in _POSITIVE and not found[key].value > 0:
            raise BadFile(path, "must be above 0", key)
        if key in _COUNTS and not 1 <= found[key].value <= _MOST_LANES:
            raise BadFile(path, f"expected a number of lanes from 1 to {_MOST_LANES:,.0f}", key)
        if key in _SHARES and not 0 < found[key].value <= 1:
            raise BadFile(path, "a share; must be above 0 and at most 1", key)
        if key.startswith("price.") and not found[key].date:
            raise BadFile(path, 'a price needs the date of the quote, such as date = "2026-06"', key)
    return found


def _is_rate(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text[:6]) > 0 and len(text) <= 6
