"""Engines: whose defaults hold on a machine, by name and version, from `data/engines/*.toml`.

A file has one table `[usual]` and any number of `[[rule]]` tables, each with conditions and the settings that hold
where all of them are met; a later rule goes before an earlier one.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast, get_args

from silmark.chips import Chip
from silmark.errors import BadValue
from silmark.figures import Figure
from silmark.figures.tables import packaged, read_figure, walk
from silmark.mapping import Infeasible
from silmark.serving.options import Policy

_VERSION = re.compile(r"v?([0-9]{1,4}(?:\.[0-9]{1,4}){0,3})")
_CONDITIONS = {"chips", "without", "least_memory", "least_chips", "before"}


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine as it comes up on one machine.

    Attributes:
        id: name of its file.
        name: as its makers write it.
        policy: whose scheduler decides.
        version: of the engine; empty where nothing is published about it.
        settings: what holds where the user says nothing, by key.
        notes: what a reader should know.
    """

    id: str
    name: str
    policy: Policy
    version: str
    settings: Mapping[str, Figure] = field(repr=False)
    notes: str = ""

    def value(self, key: str, default: float = 0.0) -> float:
        """A setting, or the default where the engine's file says nothing."""
        figure = self.settings.get(key)
        return default if figure is None else figure.value

    def whole(self, key: str, default: int = 0) -> int:
        """The same as a whole number."""
        return round(self.value(key, default))

    def __str__(self) -> str:
        return f"{self.name} {self.version}".rstrip()


def engine(policy: str, chip: Chip, replica_chips: int = 1, version: str = "") -> Engine | Infeasible:
    """The engine of a policy on a chip, with the defaults of a version.

    Args:
        policy: vllm, sglang or trtllm; on a machine that runs none of them vllm is taken to be what schedules.
        chip: the chip.
        replica_chips: chips of one replica.
        version: such as 0.19.0; empty for the version that the file was written from.

    Returns:
        The engine; Infeasible where it does not run on the chip.

    Raises:
        BadValue: an unknown policy, or a version that is none.
    """
    if policy not in get_args(Policy):
        raise BadValue("policy", policy, f"one of {', '.join(get_args(Policy))}")
    files = {name: table for name, table in packaged("engines").items() if table["policy"] == policy}
    for name, table in sorted(files.items(), key=lambda file: "*" in file[1]["runs_on"]):  # what runs anywhere: last
        if _is_one_of(chip, table["runs_on"]):
            asked = table["version"] and (version or table["version"])
            settings = _settings(name, chip, replica_chips, _parts(asked))
            return Engine(name, table["name"], cast("Policy", policy), asked, settings, table.get("notes", ""))
    known = ", ".join(table["name"] for table in files.values())
    return Infeasible(f"{known} does not run on {chip.id}; ask for the policy vllm", cannot=True)


def _is_one_of(chip: Chip, patterns: Sequence[str]) -> bool:
    """Whether a chip's id fits; that of a user's own chip need not begin with its vendor."""
    names = (chip.id, f"{chip.vendor.lower()}-{chip.id}")
    return any(fnmatch.fnmatch(name, pattern) for name in names for pattern in patterns)


def reported(chip: Chip) -> tuple[str, Figure]:
    """Main memory as the driver reports it to an engine: as measured, else the capacity; with its key."""
    for key in ("memory.main.reported", "memory.main.capacity"):
        if key in chip.figures:
            return key, chip.figures[key]
    return "memory.sram.capacity", chip.figure("memory.sram.capacity")


def _settings(name: str, chip: Chip, replica_chips: int, version: tuple[int, ...]) -> dict[str, Figure]:
    usual, rules = _read(name)
    found = dict(usual)
    for conditions, settings in rules:
        if _holds(conditions, chip, replica_chips, version):
            found |= settings
    return found


def _holds(conditions: Mapping[str, Any], chip: Chip, replica_chips: int, version: tuple[int, ...]) -> bool:
    """Whether all conditions of a rule are met."""
    named = _is_one_of(chip, conditions.get("chips", ["*"])) and not _is_one_of(chip, conditions.get("without", []))
    least = conditions["least_memory"].value if "least_memory" in conditions else 0.0
    older = "before" not in conditions or (version != () and version < _parts(conditions["before"]))
    enough = replica_chips >= conditions.get("least_chips", 1)
    return named and older and enough and reported(chip)[1].value >= least


@cache
def _read(name: str) -> tuple[dict[str, Figure], list[tuple[dict[str, Any], dict[str, Figure]]]]:
    """The usual settings of a file, and its rules: conditions and settings of each."""
    table = packaged("engines")[name]
    usual = _figures(name, table["usual"])
    rules = []
    for rule in table.get("rule", []):
        conditions = {key: value for key, value in rule.items() if key in _CONDITIONS}
        if "least_memory" in conditions:
            leaf = conditions["least_memory"]
            conditions["least_memory"] = read_figure(f"engines/{name}.toml", "rule.least_memory", leaf)
        rules.append((conditions, _figures(name, {k: v for k, v in rule.items() if k not in _CONDITIONS})))
    return usual, rules


def _figures(name: str, table: Mapping[str, Any]) -> dict[str, Figure]:
    return {key: read_figure(f"engines/{name}.toml", key, leaf) for key, leaf in walk(table)}


def _parts(version: str) -> tuple[int, ...]:
    """The numbers of a version, in order; raises BadValue."""
    if not version:
        return ()
    match = _VERSION.match(version) if len(version) < 40 else None
    if match is None:
        raise BadValue("engine version", version, "numbers such as 0.19.0")
    return tuple(int(part) for part in match[1].split("."))
