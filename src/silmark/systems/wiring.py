"""Wiring: hosts, switches and links of one unit, read from `[[host]]`, `[[switch]]` and `[[link]]` of its file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from silmark.errors import BadFile
from silmark.fabric import physical
from silmark.fabric.physical import Part, Training, Wire
from silmark.fabric.physical.sums import more, total
from silmark.fabric.physical.wire import bandwidth, latency_s, power_w, price_usd
from silmark.figures import Figure, Interval
from silmark.systems.entries import counted, named_part, only, sourced, table_name

ROLES = ("scale_up", "scale_out", "host", "memory")
PATTERNS = ("each", "all", "ring", "pairs", "torus")
CHIPS, NETWORK = "chips", "network"
MAX_TABLES = 64
MAX_LINKS = 60_000
MAX_AXES = 6
_LINK_KEYS = {"name", "role", "technology", "between", "pattern", "ports", "lanes", "medium", "length", "connectors",
              "vias", "parts", "card", "sides"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """Components of one kind in the unit.

    Attributes:
        name: how links call them.
        count: how many there are.
        part: what each is, for switches and memory controllers.
    """

    name: str
    count: int
    part: Part | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Links:
    """All links of one `[[link]]` table.

    Attributes:
        name: of the table.
        roles: what they carry: scale_up, scale_out, host, memory.
        ends: names of the groups that they join.
        pattern: each | all | ring | pairs | torus; see `systems.graph`.
        sides: of a torus.
        count: links in the unit.
        asked: the wire at the rate that its file names.
        training: what it comes to.
        adapters: network cards at the near end.
    """

    name: str
    roles: tuple[str, ...]
    ends: tuple[str, str]
    pattern: str
    sides: tuple[int, ...]
    count: int
    asked: Wire
    training: Training
    adapters: tuple[Part, ...] = ()

    @property
    def rate(self) -> Interval:
        """Bytes per second of one link, one direction, 0 where it is lost."""
        return Interval(0.0, 0.0, 0.0) if self.training.lost else bandwidth(self.training.wire)

    @property
    def latency_s(self) -> Interval:
        """Seconds of one crossing, network cards included."""
        return more(latency_s(self.training.wire), self._cards("latency.through", each=True))

    @property
    def power_w(self) -> Interval:
        """Watts of what lies on one link, network cards included."""
        return more(power_w(self.asked), self._cards("power.typical"))

    @property
    def price_usd(self) -> Interval:
        """Dollars of the same."""
        return more(price_usd(self.asked), self._cards("price.purchase"))

    def _cards(self, key: str, each: bool = False) -> Interval:
        """Sum of a figure over network cards, as many as the lanes take, or once on the way."""
        known = [part for part in self.adapters if key in part.figures]
        return total([(part.figures[key], 1.0 if each else self.asked.lanes / part.si("lanes")) for part in known])

    def parts(self) -> tuple[Part, ...]:
        """Everything bought for one of them."""
        return (*self.asked.parts(), *self.adapters)


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """Groups by name and the links between them, with the figures of the tables.

    Attributes:
        groups: components, chips and network among them.
        hosts: names of those that are hosts.
        memories: names of those that are memory behind a part.
        links: in the order of the file.
        figures: lengths, powers and prices by key (`link.slot.length`).
    """

    groups: Mapping[str, Group]
    hosts: tuple[str, ...]
    memories: tuple[str, ...]
    links: tuple[Links, ...]
    figures: Mapping[str, Figure]

    def switches(self) -> tuple[Group, ...]:
        """Groups that are switches."""
        return tuple(group for group in self.groups.values() if group.part and group.part.kind == "switch")

    def parts(self) -> dict[str, Part]:
        """Every part in the unit by id."""
        found = [group.part for group in self.groups.values() if group.part]
        return {part.id: part for part in (*found, *(part for links in self.links for part in links.parts()))}


def read(path: Path, table: Mapping[str, Any], memories: Mapping[str, Group]) -> Wiring | None:
    """The wiring that a system file describes, None if it has no `[[link]]`; raises BadFile.

    Args:
        path: for messages.
        table: the whole file.
        memories: tiers that are made of parts, by name.
    """
    tables = {key: _tables(path, table, key) for key in ("host", "switch", "link")}
    if not tables["link"]:
        for key in ("host", "switch"):
            if tables[key]:
                raise BadFile(path, "without a [[link]] it is joined to nothing; add one, or leave it out", key)
        return None
    figures: dict[str, Figure] = {}
    groups = {CHIPS: Group(CHIPS, table["chips"]), NETWORK: Group(NETWORK, 1), **memories}
    hosts = []
    for key in ("host", "switch"):
        for one in tables[key]:
            group = _group(path, key, one, groups)
            groups[group.name] = group
            if key == "host":
                hosts.append(group.name)
                figures |= _host_figures(path, group.name, one)
    if not hosts:
        raise BadFile(path, "missing; a wired unit names at least one [[host]]", "host")
    links, names = [], set[str]()
    for one in tables["link"]:
        found = _links(path, one, groups, figures)
        if found.name in names:
            raise BadFile(path, "two tables have this name", f"link.{found.name}")
        names.add(found.name)
        links.append(found)
    for group in groups.values():
        _enough_lanes(path, group, links)
    return Wiring(groups, tuple(hosts), tuple(memories), tuple(links), figures)


def _enough_lanes(path: Path, group: Group, links: list[Links]) -> None:
    """Raises BadFile where links take more lanes of a switch or controller than it has."""
    if group.part is None:
        return
    taken = sum(one.count * one.asked.lanes * one.ends.count(group.name) for one in links) / group.count
    has = group.part.si("lanes")
    if taken > has:
        raise BadFile(path, f"{group.part.id} has {has:.0f} lanes, the links take {taken:.0f} of each", group.name)


def _tables(path: Path, table: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    found = table.get(key, [])
    if not isinstance(found, list) or len(found) > MAX_TABLES or not all(isinstance(one, dict) for one in found):
        raise BadFile(path, f"expected at most {MAX_TABLES} tables [[{key}]]", key)
    return found


def _group(path: Path, key: str, one: Mapping[str, Any], known: Mapping[str, Group]) -> Group:
    name = table_name(path, key, one)
    if name in known:
        raise BadFile(path, "the name is taken; names of hosts, switches and memories are their own", f"{key}.{name}")
    allowed = {"name", "count", "power", "price"} if key == "host" else {"name", "count", "part"}
    only(path, f"{key}.{name}", one, allowed)
    part = None
    if key == "switch":
        part = named_part(path, f"switch.{name}.part", one.get("part"), "switch")
    return Group(name, counted(path, f"{key}.{name}.count", one.get("count", 1)), part)


def _host_figures(path: Path, name: str, one: Mapping[str, Any]) -> dict[str, Figure]:
    found = {}
    for entry in ("power", "price"):
        if entry in one:
            found[f"host.{name}.{entry}"] = sourced(path, f"host.{name}.{entry}", one[entry])
    return found


def _links(path: Path, one: Mapping[str, Any], groups: Mapping[str, Group], figures: dict[str, Figure]) -> Links:
    name = table_name(path, "link", one)
    key = f"link.{name}"
    only(path, key, one, _LINK_KEYS)
    roles = one.get("role")
    roles = [roles] if isinstance(roles, str) else roles
    if not isinstance(roles, list) or not roles or any(role not in ROLES for role in roles):
        raise BadFile(path, f"expected one of {', '.join(ROLES)}, or a list of them", f"{key}.role")
    ends = one.get("between")
    if not isinstance(ends, list) or len(ends) != 2 or any(end not in groups for end in map(str, ends)):
        raise BadFile(path, f"expected two of {', '.join(groups)}", f"{key}.between")
    pattern = one.get("pattern", "each")
    if pattern not in PATTERNS:
        raise BadFile(path, f"expected one of {', '.join(PATTERNS)}", f"{key}.pattern")
    figures[f"{key}.length"] = sourced(path, f"{key}.length", one.get("length"))
    wire, adapters = _wire(path, key, one, figures[f"{key}.length"].value)
    near, far = (groups[end] for end in ends)
    sides = _sides(path, key, one, near.count) if pattern == "torus" else ()
    count = _count(path, key, pattern, near, far, sides)
    both = (near.name, far.name)
    return Links(name, tuple(roles), both, pattern, sides, count, wire, physical.train(wire), adapters)


def _sides(path: Path, key: str, one: Mapping[str, Any], count: int) -> tuple[int, ...]:
    """Sides of a torus, which hold all members."""
    sides = one.get("sides")
    if not isinstance(sides, list) or not 1 <= len(sides) <= MAX_AXES:
        raise BadFile(path, f"a torus has 1 to {MAX_AXES} sides, such as sides = [4, 4]", f"{key}.sides")
    found = tuple(counted(path, f"{key}.sides", side) for side in sides)
    if math.prod(found) != count:
        raise BadFile(path, f"{math.prod(found):,} places for {count:,} members", f"{key}.sides")
    return found


def _wire(path: Path, key: str, one: Mapping[str, Any], length_m: float) -> tuple[Wire, tuple[Part, ...]]:
    """The wire of a table, and network cards at its near end."""
    for entry in ("technology", "medium"):
        if not isinstance(one.get(entry), str):
            raise BadFile(
                path, f"missing or not a text; `silmark {_LISTED[entry]}` lists what there is", f"{key}.{entry}"
            )
    technology, medium = physical.technology(one["technology"]), physical.medium(one["medium"])
    named = one.get("parts", [])
    if not isinstance(named, list) or len(named) > MAX_TABLES:
        raise BadFile(path, "expected a list of parts; `silmark parts` lists them", f"{key}.parts")
    parts = [named_part(path, f"{key}.parts", name, "retimer", "cable", "nic") for name in named]
    cables = [part for part in parts if part.kind == "cable"]
    if len(cables) > 1 or any(part.medium != medium.id for part in cables):
        raise BadFile(path, "a link has at most one cable, and its medium is the link's", f"{key}.parts")
    lanes = counted(path, f"{key}.lanes", one.get("lanes", technology.lanes()))
    card = one.get("card", True)
    if not isinstance(card, bool):
        raise BadFile(path, "expected true or false", f"{key}.card")
    wire = Wire(
        technology=technology,
        lanes=lanes * counted(path, f"{key}.ports", one.get("ports", 1)),
        medium=medium,
        length_m=length_m,
        connectors=counted(path, f"{key}.connectors", one.get("connectors", 0), least=0),
        vias=counted(path, f"{key}.vias", one.get("vias", 0), least=0),
        retimers=tuple(part for part in parts if part.kind == "retimer"),
        cable=cables[0] if cables else None,
        card=card,
    )
    return wire, tuple(part for part in parts if part.kind == "nic")


_LISTED = {"technology": "links", "medium": "media"}


def _count(path: Path, key: str, pattern: str, near: Group, far: Group, sides: tuple[int, ...]) -> int:
    """Links that a pattern makes between two groups."""
    same = near.name == far.name
    if same != (pattern in ("ring", "pairs", "torus")) and pattern != "all":
        what = "joins a group to itself" if same else "joins two groups"
        raise BadFile(
            path, f"a link that {what} has the pattern {'all, ring, pairs or torus' if same else 'each or all'}", key
        )
    if pattern == "all":
        count = near.count * (near.count - 1) // 2 if same else near.count * far.count
    elif pattern == "each":
        count = max(near.count, far.count)
    elif pattern == "torus":
        count = sum(near.count if side > 2 else near.count // 2 for side in sides if side > 1)
    else:
        count = near.count // 2 if pattern == "pairs" else near.count
    if not 1 <= count <= MAX_LINKS:
        raise BadFile(path, f"makes {count:,} links; expected 1 to {MAX_LINKS:,}", key)
    return count
