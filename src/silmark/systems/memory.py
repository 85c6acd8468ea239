"""Memory tiers beyond the chips: the host's DRAM, CXL expansion, disks; `[[memory]]` of a system file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from silmark.errors import BadFile
from silmark.figures import Figure
from silmark.figures.tables import expected_unit, read_figure

TierKind = Literal["host", "cxl", "ssd"]
KINDS: tuple[TierKind, ...] = ("host", "cxl", "ssd")
MAX_TIERS = 16
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
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


def read_tiers(path: Path, found: object) -> tuple[dict[str, TierKind], dict[str, Figure]]:
    """Kinds and figures (`memory.NAME.capacity`) of all `[[memory]]` tables; raises BadFile."""
    kinds: dict[str, TierKind] = {}
    figures: dict[str, Figure] = {}
    if not isinstance(found, list) or len(found) > MAX_TIERS or not all(isinstance(one, dict) for one in found):
        raise BadFile(path, f"expected at most {MAX_TIERS} tables [[memory]]", "memory")
    for one in found:
        name = one.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in kinds:
            raise BadFile(path, "expected a name of its own in lower case, such as host or cxl", "memory.name")
        if one.get("kind") not in KINDS:
            raise BadFile(path, f"expected one of {', '.join(KINDS)}", f"memory.{name}.kind")
        kinds[name] = cast("TierKind", one["kind"])
        figures |= _figures(path, name, one)
    return kinds, figures


def _figures(path: Path, name: str, table: Mapping[str, Any]) -> dict[str, Figure]:
    read = {}
    for entry in (*_NEEDED, *_OPTIONAL):
        key = f"memory.{name}.{entry}"
        if entry not in table and entry in _OPTIONAL:
            continue
        if not isinstance(table.get(entry), dict):
            raise BadFile(path, f"missing; give it in a unit of {expected_unit('system', key)}", key)
        read[key] = read_figure(path, key, table[entry], expected_unit("system", key))
        if not read[key].value > 0:
            raise BadFile(path, "must be above 0", key)
    unknown = set(table) - {"name", "kind", *_NEEDED, *_OPTIONAL}
    if unknown:
        known = ", ".join(("name", "kind", *_NEEDED, *_OPTIONAL))
        raise BadFile(path, f"not an entry of [[memory]]; it has {known}", f"memory.{name}.{sorted(unknown)[0]}")
    return read
