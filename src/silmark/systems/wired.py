"""What follows from a unit's wiring: bandwidth and latency of its chips, power, price, memory behind parts.

A figure that the file gives itself stands; wiring fills in what is missing. Bandwidth is what vendors call so (lanes x
rate x encoding); the latency of a message is software's share, the technology's `latency.message`, and the links and
switches on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from silmark.fabric.physical import wire
from silmark.fabric.physical.sums import more, total
from silmark.figures import Figure, Grade, Interval
from silmark.systems.graph import Bound, farthest_s, island
from silmark.systems.wiring import CHIPS, NETWORK, Group, Links, Wiring

SOURCE = "system-wiring"
"""Source of figures that follow from a file's own wiring."""


def problems(wiring: Wiring) -> list[str]:
    """Why the unit cannot work as it is wired, one sentence each; empty if it can."""
    lost = [f"link {links.name}: {links.training.lost}" for links in wiring.links if links.training.lost]
    apart = island(wiring)
    return [*lost, apart] if apart else lost


def follow(wiring: Wiring) -> dict[str, Figure]:
    """Figures that the wiring implies, by the keys of a system file."""
    found = {}
    for level in ("up", "out"):
        carrying = [links for links in wiring.links if f"scale_{level}" in links.roles and links.rate.mid]
        rate = _bounds(partial(_per_chip, wiring, carrying, level))
        if rate.mid:
            key = f"scale_{level}.bandwidth"
            found[key] = _figure(key, rate, "B/s", _worst(carrying, *wire.RATE))
        message = _message(wiring, carrying, level)
        if message is not None:
            key = f"scale_{level}.latency"
            found[key] = _figure(key, message, "s", _worst(carrying, "latency"))
    found |= _to_host(wiring)
    if all(f"host.{name}.power" in wiring.figures for name in wiring.hosts):
        watts = more(hosts_w(wiring), electronics_w(wiring))
        found["power.host"] = _figure("power.host", watts, "W", Grade.ASSUMED)
    return found


def _bounds(rate: Callable[[Bound], float]) -> Interval:
    """What a function makes of the low, middle and high bound of everything."""
    return Interval(rate("low"), rate("mid"), rate("high"))


def _worst(carrying: list[Links], *prefixes: str) -> Grade:
    """Worst grade of what links are made of, of figures whose keys start so; never better than derived."""
    return max(Grade.DERIVED, *(wire.grade(links.training.wire, *prefixes) for links in carrying))


def adds_up(wiring: Wiring | None) -> bool:
    """Whether all chips hang on switches that add up all-reduces."""
    if wiring is None:
        return False
    chips = [links for links in wiring.links if "scale_up" in links.roles and CHIPS in links.ends]
    far = [wiring.groups[end].part for links in chips for end in links.ends if end != CHIPS]
    return bool(far) and all(part is not None and part.in_network_reduction for part in far)


def _figure(key: str, value: Interval, unit: str, grade: Grade) -> Figure:
    return Figure(
        key=key, value=value.mid, low=value.low, high=value.high, unit=unit, source=SOURCE, grade=grade,
        note="follows from the links of the file",
    )  # fmt: skip


def _per_chip(wiring: Wiring, carrying: list[Links], level: str, bound: Bound) -> float:
    """Bytes per second of one chip over links of one role, one direction; 0 without any.

    Inside a unit a ring over all chips crosses each link between switches once, so such a link bounds it; out of the
    unit, all chips share what leaves it.
    """
    chips = wiring.groups[CHIPS].count
    rates = {links.name: float(getattr(links.rate, bound)) for links in carrying}
    own = sum(rates[links.name] * links.count * _ends_at_chips(links) / chips for links in carrying)
    rest = [links for links in carrying if CHIPS not in links.ends]
    if level == "up":
        return min([own, *(rates[links.name] for links in rest)]) if own else 0.0
    shared = sum(rates[links.name] * links.count for links in carrying if NETWORK in links.ends) / chips
    return min(own, shared) if own and rest else shared


def _ends_at_chips(links: Links) -> int:
    return sum(end == CHIPS for end in links.ends)


def _message(wiring: Wiring, carrying: list[Links], level: str) -> Interval | None:
    """Seconds of one message: software's share, and links, switches and network cards on its way.

    Out of the unit it passes the links and switches of two units; what lies between them is not in the file.
    """
    written = [links for links in carrying if "latency.message" in links.training.wire.technology.figures]
    if not written:
        return None
    software = total([(written[0].training.wire.technology.figures["latency.message"], 1.0)])
    if level == "up":
        if farthest_s(wiring) is None:
            return None
        return more(software, _bounds(lambda bound: farthest_s(wiring, bound) or 0.0))
    touched = {end for links in carrying for end in links.ends}
    switches = [group.part for group in wiring.switches() if group.part and group.name in touched]
    inside = total([(part.figures["latency.through"], 2.0) for part in switches])
    return more(software, inside, *(links.latency_s.scaled(2) for links in carrying))


def _to_host(wiring: Wiring) -> dict[str, Figure]:
    """Bandwidth of one chip alone to its host, and of all chips together, each to the host that it hangs on."""
    carrying = [links for links in wiring.links if "host" in links.roles and links.rate.mid]
    at_chips = [links for links in carrying if CHIPS in links.ends]
    further = [links for links in carrying if CHIPS not in links.ends and links.ends[0] != links.ends[1]]
    if not at_chips:
        return {}

    def together(bound: Bound) -> float:
        own = sum(getattr(links.rate, bound) * links.count for links in at_chips)
        return float(min([own, *(getattr(links.rate, bound) * links.count for links in further)]))

    def alone(bound: Bound) -> float:
        own = sum(getattr(links.rate, bound) * links.count for links in at_chips) / wiring.groups[CHIPS].count
        return float(min([own, *(getattr(links.rate, bound) for links in further)]))

    grade = _worst(carrying, *wire.RATE)
    return {
        key: _figure(key, _bounds(rate), "B/s", grade)
        for key, rate in (("host.bandwidth", alone), ("host.total", together))
    }


def hosts_w(wiring: Wiring) -> Interval:
    """Watts of the hosts."""
    return total(
        (wiring.figures[f"host.{name}.power"], float(wiring.groups[name].count))
        for name in wiring.hosts
        if f"host.{name}.power" in wiring.figures
    )


def electronics_w(wiring: Wiring) -> Interval:
    """Watts of everything on links and behind them: retimers, cables, network cards, switches, memory."""
    links = (links.power_w.scaled(links.count) for links in wiring.links)
    return more(total(_bought(wiring, "power.typical", "memory.power")), *links)


def electronics_usd(wiring: Wiring) -> Interval:
    """Dollars of the same."""
    links = (links.price_usd.scaled(links.count) for links in wiring.links)
    return more(total(_bought(wiring, "price.purchase", "price.memory")), *links)


def _bought(wiring: Wiring, *keys: str) -> Iterator[tuple[Figure, float]]:
    """Figures of switches and memory controllers, with their number."""
    for group in wiring.groups.values():
        for key in keys if group.part else ():
            if group.part and key in group.part.figures:
                yield group.part.figures[key], group.count


def behind(group: Group, wiring: Wiring, near: Figure) -> dict[str, Figure]:
    """Capacity, bandwidth and latency of memory behind controllers.

    A read crosses its link twice, as request and as data, and then takes what local memory takes.

    Args:
        group: the controllers.
        wiring: with their links.
        near: latency of the host's own memory.
    """
    part = group.part
    assert part is not None
    mine = [links for links in wiring.links if group.name in links.ends and links.rate.mid]
    own = total([(part.figures["memory.bandwidth"], float(group.count))])
    rate = _bounds(lambda bound: min([getattr(own, bound), *_payload(mine, bound)]))
    crossing = [mine[0].latency_s.scaled(2)] if mine else []
    latency = more(
        Interval(near.low, near.value, near.high), total([(part.figures["latency.through"], 1.0)]), *crossing
    )
    capacity = total([(part.figures["memory.capacity"], group.count)])
    sums = {"capacity": (capacity, "B"), "bandwidth": (rate, "B/s"), "latency": (latency, "s")}
    grades = {
        "capacity": max(Grade.DERIVED, part.figures["memory.capacity"].grade),
        "bandwidth": max(_worst(mine, *wire.RATE, "share"), part.figures["memory.bandwidth"].grade),
        "latency": max(_worst(mine, "latency"), near.grade, part.figures["latency.through"].grade),
    }
    keys = {entry: f"memory.{group.name}.{entry}" for entry in sums}
    return {keys[entry]: _figure(keys[entry], *sums[entry], grades[entry]) for entry in sums}


def _payload(mine: list[Links], bound: Bound) -> list[float]:
    """Bytes per second of payload that all links to some memory carry; empty without links."""
    found = 0.0
    for links in mine:
        share = links.training.wire.technology.figures.get("share.payload")
        kept = getattr(total([(share, 1.0)]), bound) if share else 1.0
        found += links.count * getattr(links.rate, bound) * kept
    return [found] if mine else []
