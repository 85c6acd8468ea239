"""Answers about one link and their tables: rates of a channel, ways to build it, cables compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from silmark.fabric.physical import Training, wire
from silmark.figures import Grade, Interval
from silmark.figures.numbers import si, spread, three

Cells = tuple[list[str], list[list[str]]]


@dataclass(frozen=True, slots=True)
class Way:
    """One way to build a link.

    Attributes:
        name: what distinguishes it.
        training: what it comes to.
        latency_s, power_w, price_usd: of what lies between the ports; None where it does not close.
        ports_w: transmitters and receivers of both ends, which are part of the chips.
    """

    name: str
    training: Training
    latency_s: Interval | None
    power_w: Interval | None
    price_usd: Interval | None
    ports_w: Interval | None

    @property
    def grade(self) -> Grade:
        """Worst grade behind it."""
        return wire.grade(self.training.wire)

    def as_dict(self) -> dict[str, Any]:
        """The way as in the JSON schemas, in SI."""
        found = self.training
        built, closes = found.wire, not found.lost
        technology = built.technology
        return {
            "name": self.name,
            "trains_to": technology.id if closes else None,
            "lost": found.lost,
            "loss_db": found.loss_db.as_dict() if found.loss_db else None,
            "allowed_db": found.allowed_db,
            "reach_m": built.reach_m() if built.reach_m() < float("inf") else None,
            "bandwidth_bytes_per_s": technology.bandwidth(built.lanes) if closes else None,
            "payload_bytes_per_s": technology.payload(built.lanes) if closes else None,
            "latency_s": self.latency_s.as_dict() if self.latency_s else None,
            "power_w": self.power_w.as_dict() if self.power_w else None,
            "price_usd": self.price_usd.as_dict() if self.price_usd else None,
            "ports_w": self.ports_w.as_dict() if self.ports_w else None,
            "grade": str(self.grade),
        }


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel: what was asked, the rates of its family, and ways to build it."""

    question: dict[str, Any]
    rates: tuple[Training, ...]
    ways: tuple[Way, ...]

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.channel/1."""
        rates = [
            {
                "link": found.wire.technology.id,
                "loss_db": found.loss_db.as_dict() if found.loss_db else None,
                "budget_db": found.allowed_db,
                "retimers_needed": found.needed,
                "closes": not found.lost,
            }
            for found in self.rates
        ]
        ways = [way.as_dict() for way in self.ways]
        return {"schema": "silmark.channel/1", "question": self.question, "rates": rates, "ways": ways}


@dataclass(frozen=True, slots=True)
class Cables:
    """One rate and length, and the cables there are for them."""

    question: dict[str, Any]
    ways: tuple[Way, ...]

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.cable/1."""
        ways = [way.as_dict() for way in self.ways]
        return {"schema": "silmark.cable/1", "question": self.question, "ways": ways}


def plain(interval: Interval | None, unit: str) -> str:
    """Middle and spread of a number that may be 0, with its unit."""
    if interval is None:
        return "-"
    if interval.low == interval.high:
        return si(interval.mid, unit)
    if interval.low <= 0:
        return f"0 to {si(interval.high, unit)}"
    return f"{si(interval.mid, unit)} {spread(interval)}"


def decibels(interval: Interval | None) -> str:
    """A loss with its bounds: 37.4 -3 +4 dB."""
    if interval is None:
        return "-"
    below, above = interval.mid - interval.low, interval.high - interval.mid
    return f"{interval.mid:.1f} -{below:.1f} +{above:.1f} dB"


def rates(found: Sequence[Training]) -> Cells:
    """One line per rate of a channel."""
    lines = []
    for one in found:
        needed = "more than the 2 allowed" if one.needed is None else str(one.needed)
        budget = "-" if one.allowed_db is None else f"{one.allowed_db:.1f} dB"
        lines.append([one.wire.technology.id, decibels(one.loss_db), budget, needed, one.lost or _closes(one)])
    return ["rate", "loss", "budget", "retimers needed", ""], lines


def _closes(one: Training) -> str:
    """That a rate closes, and whether the interval of its loss reaches beyond the budget."""
    near = one.loss_db is not None and one.allowed_db is not None and one.loss_db.high > one.allowed_db
    return "closes, though the interval reaches beyond the budget" if near else "closes"


def ways(found: Sequence[Way]) -> Cells:
    """One line per way to build a link."""
    return [
        "way",
        "trains to",
        "bandwidth",
        "payload",
        "reach",
        "latency",
        "power",
        "of ports",
        "price",
        "grade",
        "",
    ], [
        [
            way.name,
            "-" if way.training.lost else way.training.wire.technology.id,
            *_rates_of(way),
            _reach(way),
            plain(way.latency_s, "s"),
            plain(way.power_w, "W"),
            plain(way.ports_w, "W"),
            dollars(way.price_usd),
            str(way.grade),
            way.training.lost,
        ]
        for way in found
    ]


def _rates_of(way: Way) -> list[str]:
    built = way.training.wire
    if way.training.lost:
        return ["-", "-"]
    return [si(rate(built.lanes), "B/s") for rate in (built.technology.bandwidth, built.technology.payload)]


def _reach(way: Way) -> str:
    reach = way.training.wire.reach_m()
    return "by loss" if reach == float("inf") else f"{three(reach)} m"


def dollars(interval: Interval | None) -> str:
    """A price with its spread."""
    if interval is None or interval.high == 0:
        return "-"
    return f"{three(interval.mid)} USD {spread(interval)}"
