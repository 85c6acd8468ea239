"""Wire: one link as it is built, from port to port: what it loses, what it trains to, what it adds and costs.

Insertion loss is the sum of packages, connectors, vias and length (PCI-SIG's channel budgets):

    IL = package + card + connectors x c + vias x v + length x (k1 sqrt f + k2 f)

and a link trains at a rate where IL is within the budget. A retimer receives and sends again, so that the channel is
counted afresh behind it: n of them leave n + 1 stretches. The two outer ones end at receivers that only bear the
specification's budget, in one of the directions; stretches between two retimers bear what these restore.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from silmark.fabric.physical import catalog
from silmark.fabric.physical.spec import BITS, Medium, Part, Technology
from silmark.fabric.physical.sums import Term, total
from silmark.figures import Figure, Grade, Interval
from silmark.figures.figure import quadrature

MOST_RETIMERS = 2
"""Retimers that PCI Express allows in one link (PCIe 4.0 and later, section 4.3.6.8)."""
_MOST_STEPS = 8
"""Rates that training tries; a stranger's file may fall back to itself."""
RATE = ("lane.rate", "share.encoding")
"""Figures that a bandwidth is made of."""
_ROUNDED = 1 + 1e-9
"""Lengths and reaches are compared with this slack."""
_CABLE_RATE = 800e9 / BITS
"""Bytes per second of the cable that prices of media are stated for."""


@dataclass(frozen=True, slots=True)
class Wire:
    """One link between two ends.

    Attributes:
        technology: what the ends speak at best.
        lanes: lanes used, one direction.
        medium: what carries the signal.
        length_m: one way.
        connectors, vias: on the way.
        retimers: in a row.
        cable: the part whose electronics stand in for those of the medium, if any.
        card: the far end is a card or module, with a loss of its own.
    """

    technology: Technology
    lanes: int
    medium: Medium
    length_m: float
    connectors: int = 0
    vias: int = 0
    retimers: tuple[Part, ...] = ()
    cable: Part | None = None
    card: bool = True

    def parts(self) -> tuple[Part, ...]:
        """Everything bought besides the ends and the medium."""
        return (*self.retimers, self.cable) if self.cable else self.retimers

    def reach_m(self) -> float:
        """Longest length at this rate that the cable or medium is made for; no limit where lanes are not public."""
        if not self.technology.modulation:
            return math.inf
        return (self.cable or self.medium).reach(self.technology.lane_gbit_s())


@dataclass(frozen=True, slots=True)
class Training:
    """What a wire comes to.

    Attributes:
        wire: at the rate that it trains to; the one asked for where it does not close at any.
        loss_db: insertion loss at that rate, None where length is judged by reach.
        allowed_db: what the retimers that are fitted leave room for.
        asked_db: insertion loss at the rate asked for.
        needed: retimers that this rate would need; None if no number of them is enough.
        lost: why no rate closes, empty if one does.
    """

    wire: Wire
    loss_db: Interval | None
    allowed_db: float | None
    asked_db: Interval | None
    needed: int | None
    lost: str = ""


def loss_db(wire: Wire) -> Interval | None:
    """Insertion loss in dB at the Nyquist frequency; None where medium or technology have no budget of losses."""
    nyquist, own = wire.technology.nyquist_hz(), wire.technology.figures
    if nyquist is None or "budget.loss" not in own or "loss.conductor" not in wire.medium.figures:
        return None
    ghz = nyquist / 1e9
    counted = {"package": 1.0, "card": float(wire.card), "connector": wire.connectors, "via": wire.vias}
    terms: list[Term] = [(own[f"loss.{key}"], times) for key, times in counted.items() if f"loss.{key}" in own]
    terms.append((wire.medium.figures["loss.conductor"], wire.length_m * ghz**0.5))
    terms.append((wire.medium.figures["loss.dielectric"], wire.length_m * ghz))
    return total(terms)


def allowed_db(technology: Technology, retimers: tuple[Part, ...]) -> float:
    """Loss that a link with these retimers bears: the budget at both outer stretches, theirs in between."""
    budget = technology.si("budget.loss")
    inner = sum(max(budget, part.si("budget.restored", budget)) for part in retimers[1:])
    return budget if not retimers else 2 * budget + inner


def retimers_needed(technology: Technology, loss: float, most: int = MOST_RETIMERS) -> int | None:
    """Retimers that a loss in dB needs; None if it takes more than the specification allows."""
    stretches = loss / technology.si("budget.loss")
    for count in range(most + 1):
        if stretches <= count + 1:
            return count
    return None


def train(wire: Wire) -> Training:
    """The fastest rate of the technology's family at which the wire closes."""
    first = found = judged(wire)
    for _ in range(_MOST_STEPS):
        lower = found.wire.technology.falls_to
        if not found.lost or not lower:
            break
        found = judged(replace(found.wire, technology=catalog.technology(lower)))
    return first if found.lost else replace(found, asked_db=first.loss_db, needed=first.needed)


def judged(wire: Wire) -> Training:
    """Whether a wire closes at its own rate, and if not, why."""
    loss, rate = loss_db(wire), wire.technology.id
    allowed = None if loss is None else allowed_db(wire.technology, wire.retimers)
    needed = 0 if loss is None else retimers_needed(wire.technology, loss.mid)
    found = Training(wire, loss, allowed, loss, needed)
    for part in wire.parts():
        if part.links and wire.technology.id not in part.links:
            return replace(found, lost=f"{part.id} does not speak {rate}")
    if len(wire.retimers) > MOST_RETIMERS:
        return replace(found, lost=f"{len(wire.retimers)} retimers in a row, {MOST_RETIMERS} are allowed")
    reach = wire.reach_m()
    if wire.length_m > reach * _ROUNDED:
        what = (wire.cable or wire.medium).id
        says = f"reaches {reach:.3g} m" if reach else "is not made"
        return replace(found, lost=f"{wire.length_m:.3g} m, but {what} {says} at {rate}")
    if loss is not None and allowed is not None and loss.mid > allowed:
        short = f"{loss.mid:.1f} dB of loss, {allowed:.1f} dB allowed at {rate}"
        return replace(found, lost=f"{short} with {len(wire.retimers)} retimers")
    return found


def bandwidth(wire: Wire) -> Interval:
    """Bytes per second, one direction, at the rate of its technology: lanes x rate x encoding."""
    mid = wire.technology.bandwidth(wire.lanes)
    used = [wire.technology.figures[key] for key in RATE if key in wire.technology.figures]
    below, above = (quadrature(width) for width in zip(*((one.log_low, one.log_high) for one in used), strict=True))
    return Interval.around(mid, below, above)


def latency_s(wire: Wire) -> Interval:
    """Seconds of one crossing: both ports, parts, propagation, electronics in the ends of a cable."""
    return total(_latency_terms(wire))


def _latency_terms(wire: Wire) -> Iterator[Term]:
    yield wire.technology.figures["latency.port"], 1.0
    yield wire.medium.figures["latency.length"], wire.length_m
    for part in wire.retimers:
        yield part.figures["latency.through"], 1.0
    if (end := _end(wire, "latency.end")) is not None:
        yield end, 2.0


def power_w(wire: Wire) -> Interval:
    """Watts of everything between the ports with both directions busy; the ports' own are part of the chips."""
    return total(_power_terms(wire))


def _power_terms(wire: Wire) -> Iterator[Term]:
    for part in wire.retimers:
        yield part.figures["power.typical"], _share(wire, part)
    if (end := _end(wire, "energy.end")) is not None:
        yield end, 2.0 * wire.technology.bandwidth(wire.lanes) * BITS


def ports_w(wire: Wire) -> Interval:
    """Watts of the transmitters and receivers of both ends, both directions busy."""
    figure = wire.technology.figures.get("energy.bit")
    rate = 2.0 * wire.technology.bandwidth(wire.lanes) * BITS
    return total([(figure, rate)] if figure else [])


def price_usd(wire: Wire) -> Interval:
    """Dollars of retimers and cable; a board has no price of its own."""
    return total(_price_terms(wire))


def _price_terms(wire: Wire) -> Iterator[Term]:
    for part in wire.parts():
        if "price.purchase" in part.figures:
            yield part.figures["price.purchase"], _share(wire, part)
    if wire.cable is None:
        scale = wire.technology.bandwidth(wire.lanes) / _CABLE_RATE
        for key, times in (("price.end", 2.0), ("price.length", wire.length_m)):
            if key in wire.medium.figures:
                yield wire.medium.figures[key], times * scale


def grade(wire: Wire, *prefixes: str) -> Grade:
    """Worst grade of the figures behind a wire, or of those whose keys start with one of the prefixes."""
    things = (wire.technology, wire.medium, *wire.parts())
    used = [figure for thing in things for key, figure in thing.figures.items() if key.startswith(prefixes or "")]
    return max((figure.grade for figure in used), default=Grade.MEASURED)


def _end(wire: Wire, key: str) -> Figure | None:
    """A figure of the electronics in a cable's end: the part's, else the medium's."""
    if wire.cable is not None and key in wire.cable.figures:
        return wire.cable.figures[key]
    return wire.medium.figures.get(key)


def _share(wire: Wire, part: Part) -> float:
    """How many of a part the lanes of a wire take."""
    return wire.lanes / part.si("lanes", float(wire.lanes))
