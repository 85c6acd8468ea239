"""Lists and pages of links, media and parts: the same content for terminal, JSON and docs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from silmark.errors import UnknownName
from silmark.fabric.physical import Medium, Part, Technology, medium, names, part, technology
from silmark.figures.numbers import si, three
from silmark.report.catalogue import Page

Record = dict[str, str | float | int | list[str] | None]
LISTS = ("links", "media", "parts")
_UNITS = {
    "lane": "bit/s",
    "bandwidth": "B/s",
    "payload": "B/s",
    "latency": "s",
    "energy": "J/bit",
    "power": "W",
    "propagation": "s/m",
}


def records(kind: str) -> list[Record]:
    """One list (links, media or parts) as plain values: SI units, None where nothing is known."""
    return [_RECORDS[kind](name) for name in names(kind)]


def listing(kind: str) -> tuple[list[str], list[list[str]]]:
    """Headers and cells of one list for the terminal."""
    found = records(kind)
    return [name.replace("_", " ") for name in found[0]], [[_cell(*pair) for pair in one.items()] for one in found]


def as_document(kind: str) -> dict[str, Any]:
    """The JSON document silmark.links/1, silmark.media/1 or silmark.parts/1."""
    return {"schema": f"silmark.{kind}/1", "rows": records(kind)}


def _cell(name: str, value: str | float | list[str] | None) -> str:
    if value is None or value in ("", 0):
        return "-"
    if isinstance(value, list):
        return ", ".join(value)
    if name in _UNITS:
        return si(float(value), _UNITS[name])
    return value if isinstance(value, str) else three(value)


def _link(name: str) -> Record:
    found = technology(name)
    return {
        "link": found.id,
        "status": found.status,
        "lanes": found.lanes(),
        "lane": found.si("lane.rate") * 8,
        "bandwidth": found.bandwidth(found.lanes()),
        "payload": found.payload(found.lanes()),
        "latency": found.si("latency.port"),
        "energy": _optional(found, "energy.bit"),
        "budget_db": _optional(found, "budget.loss"),
        "falls_to": found.falls_to,
    }


def _medium(name: str) -> Record:
    found = medium(name)
    return {
        "medium": found.id,
        "kind": found.kind,
        "db_per_m_at_16_ghz": found.loss(16e9, 1.0),
        "reach_m_at_25_gbit_s": _reach(found, 25.0),
        "reach_m_at_100_gbit_s": _reach(found, 100.0),
        "reach_m_at_200_gbit_s": _reach(found, 200.0),
        "propagation": found.si("latency.length"),
        "name": found.name,
    }


def _reach(found: Medium, rate: float) -> float | None:
    reach = found.reach(rate)
    return reach if reach < float("inf") else None


def _part(name: str) -> Record:
    found = part(name)
    return {
        "part": found.id,
        "family": found.family,
        "kind": found.kind,
        "status": found.status,
        "lanes": found.si("lanes"),
        "latency": _optional(found, "latency.through") or _optional(found, "latency.end"),
        "power": _optional(found, "power.typical"),
        "speaks": list(found.links),
    }


def _optional(found: Technology | Part, key: str) -> float | None:
    return found.figures[key].value if key in found.figures else None


_RECORDS: dict[str, Callable[[str], Record]] = {"links": _link, "media": _medium, "parts": _part}


def page(kind: str, name: str) -> Page:
    """The page of a link, medium or part by id or path."""
    if kind == "link":
        found = technology(name)
        lanes = found.lanes()
        facts = {
            "id": found.id,
            "name": found.name,
            "family": found.family,
            "status": found.status,
            "modulation": found.modulation or "not public",
            "trains down to": found.falls_to or "-",
            "bandwidth of a port": f"{si(found.bandwidth(lanes), 'B/s')} each way: lanes x rate x encoding",
            "payload of a port": f"{si(found.payload(lanes), 'B/s')} each way",
        }
        return Page(kind, {**facts, "notes": found.notes}, found.figures)
    if kind == "medium":
        carrier = medium(name)
        facts = {"id": carrier.id, "name": carrier.name, "kind": carrier.kind, "notes": carrier.notes}
        return Page(kind, facts, carrier.figures)
    if kind == "part":
        bought = part(name)
        facts = {
            "id": bought.id,
            "name": bought.name,
            "vendor": bought.vendor,
            "family": bought.family,
            "kind": bought.kind,
            "status": bought.status,
            "speaks": ", ".join(bought.links),
            "notes": bought.notes,
        }
        return Page(kind, facts, bought.figures)
    raise UnknownName("page", kind, ("link", "medium", "part"))
