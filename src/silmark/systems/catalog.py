"""Reads systems, and turns what a user types after `--on` into a target."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

from silmark import chips
from silmark.chips import Chip
from silmark.errors import BadFile, BadValue, UnknownName
from silmark.fabric import COMPILED, NETWORKS
from silmark.figures import Figure
from silmark.figures.tables import expected_unit, packaged, read_figure, read_toml, walk
from silmark.systems.memory import Tiers, read_tiers
from silmark.systems.spec import System, Target
from silmark.systems.wired import adds_up, behind, follow, problems
from silmark.systems.wiring import Wiring
from silmark.systems.wiring import read as read_wiring

KINDS = ("card", "node", "rack", "appliance", "slice", "machine")
TOPOLOGIES = ("switch", "all-to-all", "ring", "torus", "dragonfly", "mesh", "bridge", "none", "fat-tree")
OUTER = (*NETWORKS, "torus", "switch", "all-to-all")
LIBRARIES = ("gpu", "rccl", "oneccl", *COMPILED)
MAX_DIMENSIONS = 8
MAX_CHIPS = 1_000_000
_SWITCHES = ("scale_up.in_network_reduction", "scale_out.in_network_reduction", "scale_up.dimensions")
_ARRAYS = ("memory", "host", "switch", "link")
_PLAIN = {"id", "name", "kind", "chip", "also", "chips", "group", "units_max", "notes", *_ARRAYS}
_COUNTED = re.compile(r"([0-9]{1,9})\s*x:?\s*(.+)")


def names() -> tuple[str, ...]:
    """Ids of all packaged systems."""
    return tuple(packaged("systems"))


def load(name: str) -> System:
    """A packaged system by id, or one from a `.toml` path."""
    if name.endswith(".toml"):
        return whole(Path(name), read_toml(Path(name)))
    if name not in packaged("systems"):
        raise UnknownName("system", name, names())
    return _packaged_system(name)


@cache
def _packaged_system(name: str) -> System:
    return whole(Path(f"{name}.toml"), packaged("systems")[name])


def whole(path: Path, table: dict[str, Any]) -> System:
    """Checks one system file, and that its links close and join everything; raises BadFile."""
    system = parse(path, table)
    found = problems(system.wiring) if system.wiring else []
    if found:
        raise BadFile(path, found[0])
    return system


def source(name: str) -> tuple[Path, dict[str, Any]]:
    """The table of a packaged system or of a `.toml` path, and what to call it."""
    if name.endswith(".toml"):
        return Path(name), read_toml(Path(name))
    load(name)
    return Path(f"{name}.toml"), packaged("systems")[name]


def usual(chip: Chip) -> System:
    """The unit that a chip usually comes in."""
    return load(chip.system)


def target(text: str) -> Target:
    """What `--on` names: `8x:h100`, `h100` (one), a system's id, or `.toml` files of either."""
    counted = _COUNTED.fullmatch(text.strip())
    count, name = (int(counted[1]), counted[2].strip()) if counted else (0, text.strip())
    if name in packaged("systems") or (name.endswith(".toml") and _is_system(Path(name))):
        system = load(name)
        chip = chips.load(system.chip)
        return _checked(chip, system, (count if counted else 1) * system.chips)
    chip = chips.load(name)
    return _checked(chip, usual(chip), count if counted else 1)


def _checked(chip: Chip, system: System, count: int) -> Target:
    most = min(MAX_CHIPS, system.chips * system.units_max)
    if not 1 <= count <= most:
        raise BadValue("number of chips", count, f"1 to {most:,}, what the usual network of {system.id} joins")
    return Target(chip, system, count)


def _is_system(path: Path) -> bool:
    return "chips" in read_toml(path)


def parse(path: Path, table: dict[str, Any]) -> System:
    """Checks one system file, whether its links close or not; raises BadFile with file, key and what is expected."""
    for key, top in (("chips", 100_000), ("units_max", 1_000_000), ("group", 100_000)):
        value = table.get(key, 1 if key == "group" else None)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= top:
            raise BadFile(path, f"expected a whole number from 1 to {top:,}", key)
    for key in ("id", "name", "kind", "chip"):
        if not isinstance(table.get(key), str):
            raise BadFile(path, "missing or not a text", key)
    if table["kind"] not in KINDS:
        raise BadFile(path, f"expected one of {', '.join(KINDS)}", "kind")
    also = table.get("also", [])
    if not isinstance(also, list) or not all(isinstance(name, str) for name in also):
        raise BadFile(path, "expected a list of chip ids", "also")
    scale_up = table.get("scale_up", {})
    topology = scale_up.get("topology", "none") if isinstance(scale_up, dict) else None
    if topology not in TOPOLOGIES:
        raise BadFile(path, f"expected one of {', '.join(TOPOLOGIES)}", "scale_up.topology")
    if scale_up.get("library", "gpu") not in LIBRARIES:
        raise BadFile(path, f"expected one of {', '.join(LIBRARIES)}", "scale_up.library")
    scale_out = table.get("scale_out", {})
    if not isinstance(scale_out, dict) or scale_out.get("topology", "fat-tree") not in OUTER:
        raise BadFile(path, f"expected one of {', '.join(OUTER)}", "scale_out.topology")
    dimensions = scale_up.get("dimensions", 2)
    if isinstance(dimensions, bool) or not isinstance(dimensions, int) or not 1 <= dimensions <= MAX_DIMENSIONS:
        raise BadFile(path, f"expected a whole number from 1 to {MAX_DIMENSIONS}", "scale_up.dimensions")
    if not isinstance(scale_out.get("in_network_reduction", False), bool):
        raise BadFile(path, "expected true or false", "scale_out.in_network_reduction")
    figures, kinds = _figures(path, table)
    for key, least in (("scale_out.oversubscription", 1), ("scale_out.leaf_ports", 2)):
        if key in figures and not least <= figures[key].low <= figures[key].high <= MAX_CHIPS:
            raise BadFile(path, f"must be from {least} to {MAX_CHIPS:,}", key)
    tiers = read_tiers(path, table.get("memory", []))
    wiring = read_wiring(path, table, tiers.parts)
    wired = _wired(path, {**figures, **tiers.figures}, wiring, tiers)
    return System(
        id=table["id"],
        name=table["name"],
        kind=table["kind"],
        chip=table["chip"],
        chips=table["chips"],
        group=table.get("group", table["chips"]),
        units_max=table["units_max"],
        topology=topology,
        reduces_between=scale_out.get("in_network_reduction", False),
        in_network_reduction=bool(scale_up.get("in_network_reduction", adds_up(wiring))),
        dimensions=dimensions,
        library=str(scale_up.get("library", "gpu")),
        also=tuple(also),
        kinds=kinds,
        figures={**figures, **tiers.figures, **(wiring.figures if wiring else {}), **wired},
        notes=str(table.get("notes", "")),
        tiers=tiers.kinds,
        wiring=wiring,
        wired=frozenset(wired),
    )


def _wired(path: Path, given: dict[str, Figure], wiring: Wiring | None, tiers: Tiers) -> dict[str, Figure]:
    """Figures that the wiring implies and the file does not give."""
    if wiring is None:
        if tiers.parts:
            raise BadFile(path, "a tier made of parts needs [[host]] and [[link]]", f"memory.{min(tiers.parts)}")
        return {}
    implied = follow(wiring)
    if tiers.parts:
        near = next((name for name, kind in tiers.kinds.items() if kind == "host"), None)
        if near is None:
            raise BadFile(path, "missing; memory behind a part is counted from the host's own", "memory.host")
        for group in tiers.parts.values():
            implied |= behind(group, wiring, given[f"memory.{near}.latency"])
    return {key: figure for key, figure in implied.items() if key not in given}


def _figures(path: Path, table: dict[str, Any]) -> tuple[dict[str, Figure], dict[str, str]]:
    figures: dict[str, Figure] = {}
    kinds: dict[str, str] = {}
    for key, leaf in walk({k: v for k, v in table.items() if k not in _PLAIN}):
        unit = expected_unit("system", key)
        if isinstance(leaf, dict) and unit is not None:
            figures[key] = read_figure(path, key, leaf, unit)
            if key.startswith("price.") and not figures[key].date:
                raise BadFile(path, 'a price needs the date of the quote, such as date = "2026-06"', key)
        elif key.endswith((".kind", ".topology", ".library")) and isinstance(leaf, str):
            kinds[key] = leaf
        elif key not in _SWITCHES:
            raise BadFile(path, "not a key of a system file; `silmark systems show hgx-h100-8` shows one", key)
    return figures, kinds
