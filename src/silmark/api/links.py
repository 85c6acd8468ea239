"""Questions about one link: does a channel close and what do retimers change; which cable for a rate and length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from silmark.api.question import Count, whole
from silmark.errors import BadValue
from silmark.fabric import physical
from silmark.fabric.physical import Training, Wire, wire
from silmark.report.layout import PLANS, Layout, Run, bill
from silmark.report.wiring import Cables, Channel, Way

_LENGTH = re.compile(r"([0-9]{0,6}\.?[0-9]{1,6})\s*(m|cm|mm|in|ft)")
_METRES = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "in": 0.0254, "ft": 0.3048}
_RATE = re.compile(r"([0-9]{1,5})\s*g(?:bit/s|b/s|bps|e|be)?", re.IGNORECASE)
_MOST = 1000
_COUNTED = re.compile(r"([0-9]{1,6})\s*x\s*(.+)")
CABLES = ("dac", "aec", "aoc")
"""Media that are sold as cables between boxes, cheapest first."""


def length(label: str, value: str | float) -> float:
    """Metres from `0.35m`, `14in`, `30cm` or a number of metres; raises BadValue."""
    if isinstance(value, str):
        match = _LENGTH.fullmatch(value.strip()) if len(value) < 40 else None
        if match is None:
            raise BadValue(label, value, "a length with its unit, such as 0.35m, 14in or 30cm")
        value = float(match[1]) * _METRES[match[2]]
    if not 0 <= value <= 1e5:
        raise BadValue(label, value, "a length of at most 100 km")
    return float(value)


def channel(
    link: str,
    board: str | float,
    *,
    medium: str = "board-low-loss",
    connectors: Count = 1,
    vias: Count = 0,
    retimers: Sequence[str] = (),
    lanes: Count | None = None,
) -> Channel:
    """Whether a channel is within its budget, how many retimers it needs, what they add.

    Args:
        link: a technology's id or `.toml` path, such as pcie-5.
        board: length of the medium.
        medium: what the signal runs on.
        connectors, vias: on the way.
        retimers: parts that are fitted, in a row; without any, every packaged retimer is tried.
        lanes: of the link; all of a port if not given.
    """
    asked = physical.technology(link)
    used = asked.lanes() if lanes is None else _few("lanes", lanes, least=1)
    fitted = tuple(physical.part(name) for name in retimers)
    for one in fitted:
        if one.kind != "retimer":
            raise BadValue("retimer", one.id, "a part whose kind is retimer; `silmark parts` lists them")
    bare = Wire(
        asked,
        used,
        physical.medium(medium),
        length("board", board),
        _few("connectors", connectors),
        _few("vias", vias),
    )
    if wire.loss_db(bare) is None:
        raise BadValue("link", link, f"one with a budget of losses on {bare.medium.id}, such as pcie-5 or cxl-2")
    said = {
        "link": asked.id,
        "medium": bare.medium.id,
        "length_m": bare.length_m,
        "connectors": bare.connectors,
        "vias": bare.vias,
        "lanes": bare.lanes,
        "retimers": [one.id for one in fitted],
    }
    ways = [_way("as it is", bare)]
    if fitted:
        ways.append(_way(" + ".join(one.id for one in fitted), replace(bare, retimers=fitted)))
    else:
        ways += _retimed(bare)
    return Channel(said, tuple(_rates(bare)), tuple(ways))


def _few(label: str, value: Count, least: int = 0) -> int:
    """A whole number that a board may have; raises BadValue."""
    found = whole(label, value, least)
    if found > _MOST:
        raise BadValue(label, value, f"at most {_MOST}")
    return found


def _rates(bare: Wire) -> Iterator[Training]:
    """The wire judged at the rate asked for and at each that it may fall to."""
    tried: Wire | None = bare
    seen: set[str] = set()
    while tried is not None and tried.technology.id not in seen:
        seen.add(tried.technology.id)
        yield wire.judged(tried)
        lower = tried.technology.falls_to
        tried = replace(tried, technology=physical.technology(lower)) if lower else None


def _retimed(bare: Wire) -> Iterator[Way]:
    """The wire with as many of each packaged retimer as it needs."""
    needed = wire.judged(bare).needed
    for name in physical.names("parts") if needed else ():
        part = physical.part(name)
        if part.kind == "retimer" and bare.technology.id in part.links:
            yield _way(f"{needed} x {part.id}", replace(bare, retimers=(part,) * (needed or 0)))


def cable(rate: str, length_: str | float, *, link: str | None = None) -> Cables:
    """Cables of one rate and length compared: reach, latency, power, price.

    Args:
        rate: of the whole cable, such as 800G; not read where `link` is given.
        length_: such as 3m.
        link: a technology's id or path; Ethernet of that rate if not given.
    """
    technology = physical.technology(link) if link else _ethernet(rate)
    metres = length("length", length_)
    ways = []
    for name in CABLES:
        medium = physical.medium(name)
        plain = Wire(technology, technology.lanes(), medium, metres, card=False)
        ways.append(_way(name, plain))
        parts = [part for part in map(physical.part, physical.names("parts")) if part.medium == name]
        ways += [_way(part.id, replace(plain, cable=part)) for part in parts if technology.id in part.links]
    said = {"link": technology.id, "length_m": metres, "lanes": technology.lanes()}
    return Cables(said, tuple(ways))


def layout(rate: str, lengths: str, *, link: str | None = None) -> Layout:
    """All cables of a rack layout, with and without active copper.

    Args:
        rate, link: as in `cable`.
        lengths: cables of one length each, comma-separated: "16x1m,32x2.5m,8x10m".
    """
    parts = [part.strip() for part in lengths.split(",")][: _MOST + 1]
    if not 1 <= len(parts) <= _MOST or len(lengths) > 20 * _MOST:
        raise BadValue("layout", lengths, f"1 to {_MOST} lengths such as 16x1m,32x2.5m")
    runs = tuple(_run(part, rate, link) for part in parts)
    said = {"link": runs[0].answer.question["link"], "layout": lengths}
    return Layout(said, runs, tuple(bill(name, only, runs) for name, only in PLANS))


def _run(text: str, rate: str, link: str | None) -> Run:
    match = _COUNTED.fullmatch(text) if len(text) < 40 else None
    if match is None or not int(match[1]):
        raise BadValue("layout", text, "so many cables of a length, such as 16x1m")
    return Run(int(match[1]), cable(rate, match[2], link=link))


def _ethernet(rate: str) -> physical.Technology:
    match = _RATE.fullmatch(rate.strip()) if len(rate) < 20 else None
    known = [name for name in physical.names("links") if re.fullmatch(r"ethernet-\d+g", name)]
    name = f"ethernet-{int(match[1])}g" if match else ""
    if name not in known:
        rates = ", ".join(sorted((one[len("ethernet-") :].upper() for one in known), key=lambda text: int(text[:-1])))
        raise BadValue("rate", rate, f"one of {rates}; --link names any other technology")
    return physical.technology(name)


def _way(name: str, built: Wire) -> Way:
    found = physical.train(built)
    if found.lost:
        return Way(name, found, None, None, None, None)
    built = found.wire
    return Way(name, found, wire.latency_s(built), wire.power_w(built), wire.price_usd(built), wire.ports_w(built))
