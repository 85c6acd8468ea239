"""System: one unit as bought (node, rack, appliance, slice); Target: so many chips in such units."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from silmark.chips import Chip
from silmark.fabric import Link
from silmark.figures import Figure


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
        library: whose overheads collectives pay: "gpu" (NCCL and its like) or "static" (compiled schedules).
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

    def link(self, level: str) -> Link:
        """The link class inside a unit ("up") or between units ("out")."""
        system, chip = self.system, self.chip
        if level == "up":
            return Link(
                topology=system.topology,
                bandwidth_bytes_per_s=system.si("scale_up.bandwidth", chip.si("link.scale_up.bandwidth", _HOST_LINK)),
                latency_s=chip.si("link.scale_up.latency", system.si("scale_up.latency", 2e-6)),
                in_network_reduction=system.in_network_reduction,
                size=system.chips,
                library=system.library,
            )
        return Link(
            topology="fat-tree",
            bandwidth_bytes_per_s=system.si("scale_out.bandwidth", chip.si("link.scale_out.bandwidth", _NETWORK)),
            latency_s=system.si("scale_out.latency", chip.si("link.scale_out.latency", 5e-6)),
            library=system.library,
        )

    def figures(self, level: str) -> dict[str, Figure]:
        """The figures behind `link`, for explanations and error bars."""
        found = {f"system.{k}": f for k, f in self.system.figures.items() if k.startswith(f"scale_{level}.")}
        found |= {k: f for k, f in self.chip.figures.items() if k.startswith(f"link.scale_{level}.")}
        return found


_HOST_LINK = 25e9
"""A chip without links of its own speaks through its host: PCIe 4.0 x16 as measured."""
_NETWORK = 12.5e9
"""100 Gbit/s per chip where nothing is said."""
