"""Memory tiers beyond the chips: the host's DRAM, CXL expansion, disks; `[[memory]]` of a system file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from silmark.errors import BadFile
from silmark.figures import Figure
from silmark.figures.tables import expected_unit
from silmark.systems.entries import counted, named_part, only, sourced, table_name
from silmark.systems.wiring import CHIPS, NETWORK, Group

TierKind = Literal["host", "cxl", "ssd"]
KINDS: tuple[TierKind, ...] = ("host", "cxl", "ssd")
MAX_TIERS = 16
_NEEDED = ("capacity", "bandwidth", "latency")
_OPTIONAL = ("chip_bandwidth",)


@dataclass(frozen=True, slots=True)
class MemoryTier:
    """Memory that the chips of one unit reach through their host link.

    Attributes:
        name: how plans and files call it; the host's own DRAM is "host".
        kind: host | cxl | ssd.
        capacity_bytes: of the whole unit.
        bandwidth_bytes_per_s: reads, of the whole unit, whatever the number of chips that pull.
        latency_s: one access by the host's processor; a chip adds its host link.
        chip_bytes_per_s: payload that one chip alone can pull from it.
        figures: what these were taken from, by key.
    """

    name: str
    kind: TierKind
    capacity_bytes: float
    bandwidth_bytes_per_s: float
    latency_s: float
    chip_bytes_per_s: float
    figures: Mapping[str, Figure] = field(default_factory=dict, compare=False)

    def seconds(self, bytes_: float, chips: int = 1) -> float:
        """Seconds until each of so many chips has pulled so many bytes, all at the same time."""
        return self.latency_s + bytes_ / min(self.chip_bytes_per_s, self.bandwidth_bytes_per_s / chips)


@dataclass(frozen=True, slots=True)
class Tiers:
    """What the `[[memory]]` tables of a file say.

    Attributes:
        kinds: by name.
        figures: by key (`memory.NAME.capacity`); of tiers made of parts only what the file overrides.
        parts: controllers that tiers are made of, by name of the tier.
    """

    kinds: Mapping[str, TierKind]
    figures: Mapping[str, Figure]
    parts: Mapping[str, Group]


def read_tiers(path: Path, found: object) -> Tiers:
    """All `[[memory]]` tables of a file; raises BadFile."""
    if not isinstance(found, list) or len(found) > MAX_TIERS or not all(isinstance(one, dict) for one in found):
        raise BadFile(path, f"expected at most {MAX_TIERS} tables [[memory]]", "memory")
    kinds: dict[str, TierKind] = {}
    figures: dict[str, Figure] = {}
    parts: dict[str, Group] = {}
    for one in found:
        name = table_name(path, "memory", one)
        if name in (*kinds, CHIPS, NETWORK):
            raise BadFile(path, "the name is taken; every tier has one of its own", f"memory.{name}")
        if one.get("kind") not in KINDS:
            raise BadFile(path, f"expected one of {', '.join(KINDS)}", f"memory.{name}.kind")
        kinds[name] = cast("TierKind", one["kind"])
        if "part" in one:
            part = named_part(path, f"memory.{name}.part", one["part"], "memory-controller")
            parts[name] = Group(name, counted(path, f"memory.{name}.count", one.get("count", 1)), part)
        figures |= _figures(path, name, one)
    return Tiers(kinds, figures, parts)


def _figures(path: Path, name: str, table: Mapping[str, Any]) -> dict[str, Figure]:
    key = f"memory.{name}"
    only(path, key, table, {"name", "kind", "part", "count", *_NEEDED, *_OPTIONAL})
    read = {}
    for entry in (*_NEEDED, *_OPTIONAL):
        if entry not in table and (entry in _OPTIONAL or "part" in table):
            continue
        if entry not in table:
            raise BadFile(
                path, f"missing; give it in a unit of {expected_unit('system', f'{key}.{entry}')}", f"{key}.{entry}"
            )
        read[f"{key}.{entry}"] = figure = sourced(path, f"{key}.{entry}", table[entry])
        if not figure.value > 0:
            raise BadFile(path, "must be above 0", f"{key}.{entry}")
    return read
