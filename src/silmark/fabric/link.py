"""Link: what a chip has to reach the others of its group, as a collective sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from silmark.errors import BadValue
from silmark.fabric.topology import SHAPES

COMPILED = ("static", "xla")
"""Libraries whose schedules a compiler makes."""
ADDED_IN_SWITCHES = frozenset({"half", "fp16", "bfloat16", "bf16", "float", "fp32"})
"""Types that NVLink SHARP adds; sums of 8-bit integers go round the ring."""


@dataclass(frozen=True, slots=True)
class Link:
    """The fabric that joins the chips of one group.

    Attributes:
        topology: switch | all-to-all | ring | torus | dragonfly | mesh | bridge, and of networks fat-tree | rail.
        bandwidth_bytes_per_s: one direction of all links of one chip together.
        latency_s: one message between neighbours, wire to wire.
        in_network_reduction: switches add (NVLink SHARP).
        share: achieved share of the bandwidth; None takes the fitted one of each algorithm.
        size: chips that the topology joins in all (0: just the group); matters where links are not shared,
            since two of eight chips that are wired all to all use one link of seven. Of a network: units below
            one leaf switch (0: nobody says).
        dimensions: of a torus or mesh.
        library: whose overheads apply: "gpu" (NCCL and the engines' own kernels), "rccl", "oneccl"; or COMPILED
            ones, whose schedules are made with the program: "xla", and "static" of chips that keep a common clock.
        pace: times what the chip needs to launch, write and poll, over an A100 (see `pace`).
        through_host: messages cross the host's PCIe; engines' own kernels then serve pairs only.
        kernels: serving engines bring all-reduce kernels of their own; without them the library runs alone.
        beyond_bytes_per_s: of a bridge: what a ring of more cards than it joins gets through the host; of a
            dragonfly: the links that leave the local group; of a network: what leads out of a leaf, per port.
    """

    topology: str
    bandwidth_bytes_per_s: float
    latency_s: float
    in_network_reduction: bool = False
    share: float | None = None
    size: int = 0
    dimensions: int = 2
    library: str = "gpu"
    pace: float = 1.0
    through_host: bool = False
    kernels: bool = True
    beyond_bytes_per_s: float = 0.0

    @property
    def beyond(self) -> float:
        """Share of the bandwidth left to groups larger than a bridge, a local group or a leaf joins; 1 if unstated."""
        return min(1.0, self.beyond_bytes_per_s / self.bandwidth_bytes_per_s) or 1.0

    def __post_init__(self) -> None:
        if self.topology not in SHAPES:
            raise BadValue("topology", self.topology, f"one of {', '.join(SHAPES)}")
        if not self.bandwidth_bytes_per_s > 0:
            raise BadValue("bandwidth_bytes_per_s", self.bandwidth_bytes_per_s, "a positive number of bytes per second")
        if not self.latency_s >= 0:
            raise BadValue("latency_s", self.latency_s, "a number of seconds, not negative")
        if self.share is not None and not 0 < self.share <= 1:
            raise BadValue("share", self.share, "above 0, at most 1")
        if self.dimensions < 1:
            raise BadValue("dimensions", self.dimensions, "1 or more")
        if not self.pace > 0:
            raise BadValue("pace", self.pace, "a positive number")
        if not self.beyond_bytes_per_s >= 0:
            raise BadValue("beyond_bytes_per_s", self.beyond_bytes_per_s, "a number of bytes per second, 0 if unknown")


def summing(link: Link, dtype: str) -> Link:
    """The link as sums of that type see it: switches add floating point only."""
    if dtype in ADDED_IN_SWITCHES:
        return link
    return replace(link, in_network_reduction=False)
