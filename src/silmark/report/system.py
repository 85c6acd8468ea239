"""One system's links and totals, as built and without some parts: values, document, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from silmark.figures import Figure, Interval
from silmark.figures.numbers import shown, si
from silmark.report.rows import Row
from silmark.report.wiring import Cells, decibels, dollars, plain
from silmark.systems import Target
from silmark.systems.spec import Level
from silmark.systems.wiring import Links

_LEVELS: tuple[Level, Level] = ("up", "out")
_TOTALS = (
    ("host links, all chips", "host.total"),
    ("power without chips", "power.host"),
    ("price of the unit", "price.purchase"),
)


@dataclass(frozen=True, slots=True)
class Side:
    """A system as built, or without some parts.

    Attributes:
        target: all chips of one unit.
        row: what it does for a model, if one was asked.
        lost: why it cannot work, empty if it can.
    """

    target: Target
    row: Row | None = None
    lost: str = ""

    def links(self) -> tuple[Links, ...]:
        """Its links; none where it is not wired."""
        return self.target.system.wiring.links if self.target.system.wiring else ()

    def quantities(self) -> dict[str, Figure]:
        """What of a system is compared: its figures by what they are called."""
        target = self.target
        (up, up_latency), (out, out_latency) = (target.figures(level).values() for level in _LEVELS)
        found = {
            "scale-up per chip": up,
            "scale-up, one message": up_latency,
            "host link, one chip alone": target.host_link()[1],
            "scale-out per chip": out,
            "scale-out, one message": out_latency,
        }
        figures = target.system.figures
        return found | {name: figures[key] for name, key in _TOTALS if key in figures}

    def as_dict(self) -> dict[str, Any]:
        """The side as in the JSON schema, in SI."""
        tiers = self.target.tiers().values()
        return {
            "lost": self.lost,
            "links": [_link(links) for links in self.links()],
            "figures": [figure.as_dict() for figure in self.quantities().values()],
            "memory": [
                {
                    "name": tier.name,
                    "kind": tier.kind,
                    "capacity_bytes": tier.capacity_bytes,
                    "bandwidth_bytes_per_s": tier.bandwidth_bytes_per_s,
                    "latency_s": tier.latency_s,
                    "chip_bytes_per_s": tier.chip_bytes_per_s,
                }
                for tier in tiers
            ],
            "row": self.row.as_dict() if self.row else None,
        }


@dataclass(frozen=True, slots=True)
class Built:
    """A system as its file says, and without some of its parts."""

    question: dict[str, Any]
    full: Side
    bare: Side | None = None
    changes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.built/1."""
        return {
            "schema": "silmark.built/1",
            "question": self.question,
            "as_built": self.full.as_dict(),
            "without": self.bare.as_dict() if self.bare else None,
            "changes": list(self.changes),
        }


def _link(links: Links) -> dict[str, Any]:
    found = links.training
    return {
        "name": links.name,
        "roles": list(links.roles),
        "between": list(links.ends),
        "count": links.count,
        "asked": links.asked.technology.id,
        "trains_to": None if found.lost else found.wire.technology.id,
        "lost": found.lost,
        "medium": links.asked.medium.id,
        "length_m": links.asked.length_m,
        "parts": [part.id for part in links.parts()],
        "loss_db": found.asked_db.as_dict() if found.asked_db else None,
        "budget_db": links.asked.technology.si("budget.loss", 0.0) or None,
        "retimers_needed": found.needed,
        "bandwidth_bytes_per_s": links.rate.mid,
        "latency_s": links.latency_s.as_dict(),
        "power_w": links.power_w.scaled(links.count).as_dict(),
    }


def links(built: Built) -> Cells:
    """One line per link and side."""
    headers = ["link", "", "count", "over", "loss at full rate", "budget", "retimers", "trains to", "bandwidth",
               "latency", "power of all"]  # fmt: skip
    lines = []
    for name in dict.fromkeys(one.name for side in _sides(built) for one in side[1].links()):
        for label, side in _sides(built):
            found = next((one for one in side.links() if one.name == name), None)
            lines.append([name if label == "as built" else "", label, *(_cells(found) if found else _gone())])
    return headers, lines


def _sides(built: Built) -> Iterator[tuple[str, Side]]:
    yield "as built", built.full
    if built.bare is not None:
        yield "without", built.bare


def _gone() -> list[str]:
    return ["-", "gone", *["-"] * 7]


def _cells(found: Links) -> list[str]:
    training, asked = found.training, found.asked
    budget = asked.technology.figures.get("budget.loss")
    fitted = len(asked.retimers)
    needed = "none is enough" if training.needed is None else f"{fitted} of {training.needed}"
    carrier = asked.cable.id if asked.cable else asked.medium.id
    return [
        str(found.count),
        f"{si(asked.length_m, 'm')} {carrier}",
        decibels(training.asked_db),
        f"{budget.value:.0f} dB" if budget and training.asked_db else "-",
        needed if training.asked_db else "-",
        "lost" if training.lost else training.wire.technology.id,
        plain(found.rate, "B/s") if found.rate.mid else "-",
        plain(found.latency_s, "s"),
        plain(found.power_w.scaled(found.count), "W"),
    ]


def totals(built: Built) -> Cells:
    """One line per quantity of the whole unit, one column per side."""
    sides = [side for _, side in _sides(built)]
    known = [{} if side.lost else side.quantities() for side in sides]
    names = dict.fromkeys(name for found in known for name in found)
    lines = [[name, *(_figure(found.get(name)) for found in known)] for name in names]
    tiers = dict.fromkeys(name for side in sides for name in side.target.system.tiers)
    lines += [[f"memory {name}", *(_tier(side, name) for side in sides)] for name in tiers]
    if built.full.row is not None:
        lines += [[name, *(_answer(side, cell) for side in sides)] for name, cell in _ANSWERS]
    return ["", *(label for label, _ in _sides(built))], lines


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    found = Interval(figure.low, figure.value, figure.high)
    return dollars(found) if figure.unit == "USD" else plain(found, figure.unit)


def _tier(side: Side, name: str) -> str:
    tier = side.target.tiers().get(name)
    if tier is None or side.lost:
        return "-"
    rates = f"{si(tier.bandwidth_bytes_per_s, 'B/s')}, {si(tier.chip_bytes_per_s, 'B/s')} to one chip"
    return f"{si(tier.capacity_bytes, 'B')}, {rates}, {si(tier.latency_s, 's')}"


def _answer(side: Side, cell: Callable[[Row], str]) -> str:
    return "-" if side.row is None or side.row.estimate is None else cell(side.row)


_ANSWERS: Sequence[tuple[str, Callable[[Row], str]]] = (
    ("TTFT", lambda row: shown(row.estimate.ttft_s if row.estimate else None, "s")),
    ("TPOT", lambda row: shown(row.estimate.tpot_s if row.estimate else None, "s")),
    ("tokens/s/chip", lambda row: shown(row.per_chip)),
    ("J/token", lambda row: shown(row.estimate.joules if row.estimate else None, "J")),
    ("$/Mtok", lambda row: shown(row.price.usd_per_million if row.price else None)),
)
