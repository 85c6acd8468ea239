"""What follows from a unit's wiring: bandwidth and latency of its chips, power, price, memory behind parts.

A figure that the file gives itself stands; wiring fills in what is missing. Bandwidth is what vendors call so (lanes x
rate x encoding); the latency of a message is software's share, the technology's `latency.message`, and the links and
switches on its way.
"""

from __future__ import annotations

from collections.abc import Iterator

from silmark.fabric.physical import Part, wire
from silmark.fabric.physical.sums import more, total
from silmark.figures import Figure, Grade, Interval
from silmark.systems.graph import farthest_s, island
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
        carrying = [links for links in wiring.links if f"scale_{level}" in links.roles and links.rate]
        rate = _per_chip(wiring, carrying, level)
        if rate:
            found[f"scale_{level}.bandwidth"] = _figure(f"scale_{level}.bandwidth", Interval(rate, rate, rate), "B/s")
        message = _message(wiring, carrying, level)
        if message is not None:
            found[f"scale_{level}.latency"] = _figure(f"scale_{level}.latency", message, "s")
    found |= _to_host(wiring)
    if any(f"host.{name}.power" in wiring.figures for name in wiring.hosts):
        found["power.host"] = _figure("power.host", more(hosts_w(wiring), electronics_w(wiring)), "W")
    return found


def adds_up(wiring: Wiring | None) -> bool:
    """Whether all chips hang on switches that add up all-reduces."""
    if wiring is None:
        return False
    chips = [links for links in wiring.links if "scale_up" in links.roles and CHIPS in links.ends]
    far = [wiring.groups[end].part for links in chips for end in links.ends if end != CHIPS]
    return bool(far) and all(part is not None and part.in_network_reduction for part in far)


def _figure(key: str, value: Interval, unit: str) -> Figure:
    return Figure(
        key=key, value=value.mid, low=value.low, high=value.high, unit=unit, source=SOURCE, grade=Grade.DERIVED,
        note="follows from the links of the file",
    )  # fmt: skip


def _per_chip(wiring: Wiring, carrying: list[Links], level: str) -> float:
    """Bytes per second of one chip over links of one role, one direction; 0 without any.

    Inside a unit a ring over all chips crosses each link between switches once, so such a link bounds it; out of the
    unit, all chips share what leaves it.
    """
    chips = wiring.groups[CHIPS].count
    own = sum(links.rate * links.count * _ends_at_chips(links) / chips for links in carrying)
    rest = [links for links in carrying if CHIPS not in links.ends]
    if level == "up":
        return min([own, *(links.rate for links in rest)]) if own else 0.0
    leaving = [links for links in carrying if NETWORK in links.ends]
    shared = sum(links.rate * links.count for links in leaving) / chips
    return min(own, shared) if own and rest else shared


def _ends_at_chips(links: Links) -> int:
    return sum(end == CHIPS for end in links.ends)


def _message(wiring: Wiring, carrying: list[Links], level: str) -> Interval | None:
    """Seconds of one message: software's share, and links, switches and network cards on its way."""
    written = [links for links in carrying if "latency.message" in links.training.wire.technology.figures]
    if not written:
        return None
    software = total([(written[0].training.wire.technology.figures["latency.message"], 1.0)])
    if level == "up":
        away = farthest_s(wiring)
        return None if away is None else more(software, Interval(away, away, away))
    hops = [more(wire.latency_s(links.training.wire), _adapters(links)) for links in carrying]
    return more(software, *hops, *hops)


def _adapters(links: Links) -> Interval:
    return total([(part.figures["latency.through"], 1.0) for part in links.adapters])


def _to_host(wiring: Wiring) -> dict[str, Figure]:
    """Bandwidth of one chip alone to its host, and of all chips together, each to the host that it hangs on."""
    carrying = [links for links in wiring.links if "host" in links.roles and links.rate]
    chips = wiring.groups[CHIPS].count
    own = sum(links.rate * links.count / chips for links in carrying if CHIPS in links.ends)
    if not own:
        return {}
    further = [links for links in carrying if CHIPS not in links.ends and links.ends[0] != links.ends[1]]
    alone = min([own, *(links.rate for links in further)])
    together = min([own * chips, *(links.rate * links.count for links in further)])
    return {
        key: _figure(key, Interval(rate, rate, rate), "B/s")
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
    links = (wire.power_w(links.asked).scaled(links.count) for links in wiring.links)
    return more(total(_bought(wiring, ("power.typical", "memory.power"))), *links)


def electronics_usd(wiring: Wiring) -> Interval:
    """Dollars of the same."""
    links = (wire.price_usd(links.asked).scaled(links.count) for links in wiring.links)
    return more(total(_bought(wiring, ("price.purchase", "price.memory"))), *links)


def _bought(wiring: Wiring, keys: tuple[str, ...]) -> Iterator[tuple[Figure, float]]:
    """Figures of parts that are no part of a wire, with their number."""
    for part, count in _pieces(wiring):
        for key in keys:
            if key in part.figures:
                yield part.figures[key], count


def _pieces(wiring: Wiring) -> Iterator[tuple[Part, float]]:
    for group in wiring.groups.values():
        if group.part is not None:
            yield group.part, group.count
    for links in wiring.links:
        for part in links.adapters:
            yield part, links.count * links.asked.lanes / part.si("lanes")


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
    mine = [links for links in wiring.links if group.name in links.ends and links.rate]
    built = mine[0].training.wire if mine else None
    link_rate = sum(links.count * links.training.wire.technology.payload(links.training.wire.lanes) for links in mine)
    own = total([(part.figures["memory.bandwidth"], float(group.count))])
    once = [wire.latency_s(built)] * 2 if built else []
    local = Interval(near.low, near.value, near.high)
    latency = more(local, total([(part.figures["latency.through"], 1.0)]), *once)
    key = f"memory.{group.name}"
    return {
        f"{key}.capacity": _figure(f"{key}.capacity", total([(part.figures["memory.capacity"], group.count)]), "B"),
        f"{key}.bandwidth": _figure(f"{key}.bandwidth", own.at_most(link_rate) if mine else own, "B/s"),
        f"{key}.latency": _figure(f"{key}.latency", latency, "s"),
    }
