"""System: one unit as bought (node, rack, appliance, slice); Target: so many chips in such units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from silmark.chips import Chip
from silmark.fabric import COMPILED, Link, Reach, pace, tiers
from silmark.figures import Figure, assumptions
from silmark.systems.memory import MemoryTier, TierKind
from silmark.systems.wiring import Wiring

Level = Literal["up", "out"]
_TIER = ("capacity", "bandwidth", "latency")


_THROUGH_MEMORY = "through host memory"
"""How links of cards are called that cannot write into each other's memory, as engines' own kernels do."""


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """One unit of a system.

    Attributes:
        chip: id of the chip it is sold with; `also` are others whose usual unit this is.
        chips: chips in one unit that a workload can use.
        group: largest number of chips that tensor parallelism spans here.
        units_max: how many units the usual network joins.
        topology: of the links inside a unit.
        in_network_reduction: switches add up all-reduces.
        reduces_between: the network's switches add, too (SHARP), and the library is set up for it.
        dimensions: of a torus or mesh of equal sides.
        library: whose overheads collectives pay: "gpu" (NCCL and its like), "rccl", "oneccl", or compiled
            schedules ("xla", "static").
        tiers: kinds of the memory tiers beyond the chips, by name; their figures are `memory.NAME.capacity` and so on.
        wiring: hosts, switches and links, where the file names them.
        wired: keys of figures that follow from it.
    """

    id: str
    name: str
    kind: str
    chip: str
    chips: int
    group: int
    units_max: int
    topology: str
    in_network_reduction: bool = False
    reduces_between: bool = False
    dimensions: int = 2
    library: str = "gpu"
    also: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    notes: str = ""
    tiers: Mapping[str, TierKind] = field(default_factory=dict)
    wiring: Wiring | None = None
    wired: frozenset[str] = frozenset()

    def si(self, key: str, default: float) -> float:
        """A figure's value, or the default where the file gives none."""
        figure = self.figures.get(key)
        return default if figure is None else figure.value


@dataclass(frozen=True, slots=True)
class Target:
    """So many chips in their system: what a plan is laid on."""

    chip: Chip
    system: System
    count: int

    @property
    def units(self) -> int:
        """Units needed to hold that many chips."""
        return math.ceil(self.count / self.system.chips)

    @property
    def name(self) -> str:
        """How `--on` writes it, units spelled out when there is more than one."""
        base = f"{self.count}x:{self.chip.id}"
        return base if self.units == 1 else f"{base} ({self.units} x {self.system.id})"

    def link(self, level: Level) -> Link:
        """The link class inside a unit ("up") or between units ("out")."""
        bandwidth, latency = self._rate(level, "bandwidth")[1].value, self._rate(level, "latency")[1].value
        if level == "out":
            return self._out(bandwidth, latency)
        return Link(
            topology="switch" if self.system.topology == "none" else self.system.topology,  # of one chip: any
            bandwidth_bytes_per_s=bandwidth,
            latency_s=latency,
            in_network_reduction=self.system.in_network_reduction,
            size=self.system.chips,
            dimensions=self.system.dimensions,
            library=self.system.library,
            pace=self._pace(),
            through_host=self.through_host,
            kernels=_THROUGH_MEMORY not in self.chip.kinds.get("link.scale_up", ""),
            beyond_bytes_per_s=self._rate("out", "bandwidth")[1].value if self.one_dragonfly else 0.0,
        )

    def _out(self, bandwidth: float, latency: float) -> Link:
        """The network between units: every chip's own port, and what switches leave of it."""
        system, topology = self.system, self.network
        ports = 1 if topology == "rail" else system.chips
        return Link(
            topology="rail" if topology == "rail" else "fat-tree",
            bandwidth_bytes_per_s=bandwidth,
            latency_s=latency,
            in_network_reduction=system.reduces_between,
            size=int(system.si("scale_out.leaf_ports", 0.0) // ports),
            library=system.library,
            pace=self._pace(),
            kernels=False,
            beyond_bytes_per_s=bandwidth / system.si("scale_out.oversubscription", 1.0),
        )

    def reach(self, group: int, apart: int = 1) -> Reach:
        """How the members of a group reach each other.

        Args:
            group: chips that take part.
            apart: chips from one member to the next. Tensor parallelism is innermost: its members are neighbours;
                replicas of tp chips lie tp apart.
        """
        return reached(self, group, apart)

    @property
    def network(self) -> str:
        """Topology of what joins the units, as the system's file says it."""
        return self.system.kinds.get("scale_out.topology", "")

    @property
    def one_dragonfly(self) -> bool:
        """Whether the chips' own links lead out of their local group and out of the unit, without other switches."""
        return self.system.topology == self.network == "dragonfly"

    @property
    def through_host(self) -> bool:
        """Whether the links inside a unit are the host's PCIe."""
        return self.chip.kinds.get("link.scale_up", "").startswith("PCIe")

    def _pace(self) -> float:
        """How fast the chip runs a library's kernels; compiled schedules and other engines have none."""
        if self.chip.family != "gpu" or self.system.library in COMPILED:
            return 1.0
        return pace(self.chip.si("compute.clock", 0.0), self.several_dies)

    @property
    def several_dies(self) -> bool:
        """Whether software sees several compute dies as one chip."""
        return self.chip.si("die.count", 1.0) > 1

    def tiers(self) -> dict[str, MemoryTier]:
        """Memory tiers of one unit beyond its chips, by name; empty where the system's file names none."""
        return {name: self._tier(name, kind) for name, kind in self.system.tiers.items()}

    def _tier(self, name: str, kind: TierKind) -> MemoryTier:
        """One tier: the system's figures, and what the chip's host link carries of it."""
        used = {f"system.memory.{name}.{entry}": self.system.figures[f"memory.{name}.{entry}"] for entry in _TIER}
        capacity, bandwidth, latency = (figure.value for figure in used.values())
        own = f"memory.{name}.chip_bandwidth"
        if own in self.system.figures:
            used[f"system.{own}"] = self.system.figures[own]
            chip_rate = used[f"system.{own}"].value
        else:
            key, host = self.host_link()
            share = assumptions("engine")["link.host_share"]
            used |= {key: host, "assumed.link.host_share": share}
            chip_rate = host.value * share.value
            together = self.system.figures.get("host.total")
            if together is not None:
                used["system.host.total"] = together
                bandwidth = min(bandwidth, together.value * share.value)
        return MemoryTier(name, kind, capacity, bandwidth, latency, min(chip_rate, bandwidth), used)

    def host_link(self) -> tuple[str, Figure]:
        """One direction of one chip's link to its host: the unit's wiring, else the chip's link, else assumed."""
        wired = self.system.figures.get("host.bandwidth")
        if wired is not None:
            return "system.host.bandwidth", wired
        own = self.chip.figures.get("link.host.bandwidth")
        if own is not None:
            return "link.host.bandwidth", own
        return "assumed.link.up_bandwidth", assumptions("engine")["link.up_bandwidth"]

    def figures(self, level: Level) -> dict[str, Figure]:
        """The figures behind `link`, by key, for explanations and error bars."""
        return dict(self._rate(level, quantity) for quantity in ("bandwidth", "latency"))

    def _rate(self, level: Level, quantity: str) -> tuple[str, Figure]:
        """Bandwidth or latency: the unit's wiring where its file says, else the chip's links, else assumed."""
        key = f"scale_{level}.{quantity}"
        own, wired = self.chip.figures.get(f"link.{key}"), self.system.figures.get(key)
        first, second = ((f"system.{key}", wired), (f"link.{key}", own))
        if level == "up" and quantity == "latency" and key not in self.system.wired:
            first, second = second, first
        for name, figure in (first, second):
            if figure is not None:
                return name, figure
        return f"assumed.{key}", assumptions("engine")[f"link.{level}_{quantity}"]


@lru_cache(maxsize=4096)
def reached(target: Target, group: int, apart: int) -> Reach:
    """See `Target.reach`; a torus that goes on between units stays one torus."""
    up, out = target.link("up"), target.link("out")
    system = target.system
    if target.network == "torus":
        return Reach(group, group, up, out)
    most = min(group, max(1, system.chips // apart))
    units = math.ceil(group / most)
    above = tiers(out.size, int(system.si("scale_out.leaf_ports", 0.0)), system.chips, units) - 1
    further = above * system.si("scale_out.hop_latency", 0.0)
    return Reach(group, math.ceil(group / units), up, replace(out, latency_s=out.latency_s + further))
