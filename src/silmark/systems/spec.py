"""System: one unit as bought (node, rack, appliance, slice); Target: so many chips in such units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from silmark.chips import Chip
from silmark.fabric import COMPILED, Link, pace
from silmark.figures import Figure, assumptions

Level = Literal["up", "out"]


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
        dimensions: of a torus or mesh of equal sides.
        library: whose overheads collectives pay: "gpu" (NCCL and its like), "rccl", "oneccl", or compiled
            schedules ("xla", "static").
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
    dimensions: int = 2
    library: str = "gpu"
    also: tuple[str, ...] = ()
    kinds: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    notes: str = ""

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
            return Link("fat-tree", bandwidth, latency, library=self.system.library, pace=self._pace(), kernels=False)
        return Link(
            topology=self.system.topology,
            bandwidth_bytes_per_s=bandwidth,
            latency_s=latency,
            in_network_reduction=self.system.in_network_reduction,
            size=self.system.chips,
            dimensions=self.system.dimensions,
            library=self.system.library,
            pace=self._pace(),
            through_host=self.through_host,
            kernels=_THROUGH_MEMORY not in self.chip.kinds.get("link.scale_up", ""),
        )

    def spanning(self, group: int, within: int) -> Link:
        """The link that a ring over a group sees, of which so many members lie in one unit.

        Inside a unit its own links. Beyond, the members in a unit pass their rings through all their ports together,
        each ring crossing the network once per unit (NCCL's channels), so a member has their sum - at most its own
        link. A torus that goes on between units stays one torus.
        """
        if group <= within or self.system.kinds.get("scale_out.topology") == "torus":
            return self.link("up")
        out, up = self.link("out"), self.link("up")
        rate = min(up.bandwidth_bytes_per_s, within * out.bandwidth_bytes_per_s)
        return replace(out, bandwidth_bytes_per_s=rate)

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

    def figures(self, level: Level) -> dict[str, Figure]:
        """The figures behind `link`, by key, for explanations and error bars."""
        return dict(self._rate(level, quantity) for quantity in ("bandwidth", "latency"))

    def _rate(self, level: Level, quantity: str) -> tuple[str, Figure]:
        """Bandwidth or latency: the unit's wiring where its file says, else the chip's links, else assumed."""
        key = f"scale_{level}.{quantity}"
        own, wired = self.chip.figures.get(f"link.{key}"), self.system.figures.get(key)
        first, second = ((f"system.{key}", wired), (f"link.{key}", own))
        if level == "up" and quantity == "latency":
            first, second = second, first
        for name, figure in (first, second):
            if figure is not None:
                return name, figure
        return f"assumed.{key}", assumptions("engine")[f"link.{level}_{quantity}"]
