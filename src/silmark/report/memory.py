"""Memory tiers of a system: values, document, tables."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from silmark.figures.numbers import si, three
from silmark.report.wiring import Cells
from silmark.systems import MemoryTier


@dataclass(frozen=True, slots=True)
class Mixed:
    """A near and a far tier used together.

    Attributes:
        names: of both.
        capacity_bytes: together.
        far_share: share of pages on the far one at which both are busy all the time.
        bandwidth_bytes_per_s: so interleaved.
        average_access_s: where accesses find the near tier as often as asked.
        slowdown_mixed, slowdown_far: time of a program that waits for memory as asked, over its time on the near tier
            alone: with that average, and with everything on the far tier.
        gather_speedup: of a program that gathers from memory, by the bandwidth of both.
    """

    names: tuple[str, str]
    capacity_bytes: float
    far_share: float
    bandwidth_bytes_per_s: float
    average_access_s: float
    slowdown_mixed: float
    slowdown_far: float
    gather_speedup: float


@dataclass(frozen=True, slots=True)
class Tiers:
    """All tiers of one unit, the first of them with each other, and what chips restore from them."""

    question: dict[str, Any]
    tiers: tuple[MemoryTier, ...]
    chips: int
    bytes_: float
    mixed: tuple[Mixed, ...]

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.memory/1."""
        return {
            "schema": "silmark.memory/1",
            "question": self.question,
            "tiers": [
                {
                    "name": tier.name,
                    "kind": tier.kind,
                    "capacity_bytes": tier.capacity_bytes,
                    "bandwidth_bytes_per_s": tier.bandwidth_bytes_per_s,
                    "latency_s": tier.latency_s,
                    "chip_bytes_per_s": tier.chip_bytes_per_s,
                    "restore_bytes": self.bytes_,
                    "restore_one_s": tier.seconds(self.bytes_),
                    "restore_all_s": tier.seconds(self.bytes_, self.chips),
                    "figures": [figure.as_dict(key) for key, figure in tier.figures.items()],
                }
                for tier in self.tiers
            ],
            "mixed": [{**asdict(one), "names": list(one.names)} for one in self.mixed],
        }


def tiers(found: Tiers) -> Cells:
    """One line per tier."""
    size = si(found.bytes_, "B")
    headers = ["tier", "kind", "capacity", "all chips", "one chip", "latency", f"{size} to one chip",
               f"{size} to each of {found.chips}"]  # fmt: skip
    return headers, [
        [
            tier.name,
            tier.kind,
            si(tier.capacity_bytes, "B"),
            si(tier.bandwidth_bytes_per_s, "B/s"),
            si(tier.chip_bytes_per_s, "B/s"),
            si(tier.latency_s, "s"),
            si(tier.seconds(found.bytes_), "s"),
            si(tier.seconds(found.bytes_, found.chips), "s"),
        ]
        for tier in found.tiers
    ]


def mixed(found: Tiers) -> Cells:
    """One column per pair of tiers."""
    asked = found.question
    lines = [
        ["capacity", *(si(one.capacity_bytes, "B") for one in found.mixed)],
        ["pages on the far tier, both busy", *(f"{100 * one.far_share:.0f} %" for one in found.mixed)],
        ["bandwidth so interleaved", *(si(one.bandwidth_bytes_per_s, "B/s") for one in found.mixed)],
        [f"access, {100 * asked['near']:.0f} % near", *(si(one.average_access_s, "s") for one in found.mixed)],
        [f"program that waits {100 * asked['stalled']:.0f} %", *(_slower(one.slowdown_mixed) for one in found.mixed)],
        ["the same, all on the far tier", *(_slower(one.slowdown_far) for one in found.mixed)],
        [f"program that gathers {100 * asked['gather']:.0f} %", *(f"x{one.gather_speedup:.2f}" for one in found.mixed)],
    ]
    return ["", *(" + ".join(one.names) for one in found.mixed)], lines


def _slower(factor: float) -> str:
    return f"{three(factor)} times as long"
