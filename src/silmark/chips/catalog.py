"""Reads chips: the packaged ones by id or alias, a user's own from a TOML file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from silmark import formats
from silmark.chips import ways
from silmark.chips.arithmetic import rules
from silmark.chips.host import HOST, host
from silmark.chips.spec import Chip
from silmark.errors import BadFile, UnknownName
from silmark.figures.figure import Figure
from silmark.figures.tables import expected_unit, packaged, read_figure, read_toml, walk

FAMILIES = ("gpu", "systolic", "streaming", "wafer", "dimc", "photonic", "thermodynamic", "cpu")
STATUSES = ("shipping", "announced", "demonstrated", "withdrawn")
EVIDENCE = ("measured", "published", "none")
OPERATORS = ("gemm", "attention", "experts", "scan", "conv", "elementwise", "gibbs", "training")
_TEXTS = ("id", "name", "vendor", "family", "status", "since", "system", "precision", "evidence", "stack")
_LISTS = ("aliases", "purpose")
_OTHERS = ("notes", "cannot", "support", "generation", "arithmetic")
_TECHNOLOGIES = tuple(f"link.{role}.technology" for role in ("scale_up", "scale_out", "host"))
_POSITIVE = ("peak", "achievable", "memory", "compute", "link")


def names() -> tuple[str, ...]:
    """Ids of all packaged chips."""
    return tuple(packaged("chips"))


@cache
def aliases() -> dict[str, str]:
    """Short name -> id."""
    return {alias: name for name, table in packaged("chips").items() for alias in table.get("aliases", ())}


def resolve(name: str) -> str:
    """Id of a packaged chip from its id or alias; raises UnknownName with near matches."""
    lowered = name.lower()
    if lowered in packaged("chips"):
        return lowered
    if lowered in aliases():
        return aliases()[lowered]
    raise UnknownName("chip", name, [*names(), *aliases()])


def load(name: str) -> Chip:
    """A packaged chip by id or alias, one from a `.toml` path, or `host`, the processor that this runs on."""
    if name == HOST:
        return host()
    if name.endswith(".toml"):
        return parse(Path(name), read_toml(Path(name)))
    return _packaged_chip(resolve(name))


@cache
def _packaged_chip(name: str) -> Chip:
    return parse(Path(f"{name}.toml"), packaged("chips")[name])


def parse(path: Path, table: dict[str, Any]) -> Chip:
    """Checks one chip file; raises BadFile that names file, key and what is expected."""
    texts = {key: _text(path, table, key) for key in _TEXTS}
    for key, allowed in (("family", FAMILIES), ("status", STATUSES), ("evidence", EVIDENCE)):
        if texts[key] not in allowed:
            raise BadFile(path, f"{texts[key][:40]!r}; expected one of {', '.join(allowed)}", key)
    if texts["precision"] not in formats.FORMATS:
        raise BadFile(path, f"{texts['precision'][:40]!r}; expected one of {', '.join(formats.FORMATS)}", "precision")
    figures: dict[str, Figure] = {}
    kinds: dict[str, str] = {}
    cannot = table.get("cannot", {})
    if not isinstance(cannot, dict) or any(k not in OPERATORS or not isinstance(v, str) for k, v in cannot.items()):
        raise BadFile(path, f'expected operator = "reason" with operators of {", ".join(OPERATORS)}', "cannot")
    for key, leaf in walk({k: v for k, v in table.items() if k not in (*_TEXTS, *_LISTS, *_OTHERS)}):
        if key.endswith(".kind") and isinstance(leaf, str):
            kinds[key[: -len(".kind")]] = leaf
        elif key in _TECHNOLOGIES and isinstance(leaf, str):
            kinds[key] = leaf
        elif isinstance(leaf, dict):
            figures[key] = _figure(path, key, leaf)
        else:
            raise BadFile(path, "not a key of a chip file; `silmark chips show h100` shows one", key)
    _require(path, texts["family"], figures)
    lists = {key: _texts(path, table, key) for key in _LISTS}
    if "generation" in table:
        texts["generation"] = _text(path, table, "generation")
    notes, support = str(table.get("notes", "")), ways.read_all(table.get("support", {}), path)
    return Chip(
        notes=notes, arithmetic=rules(path, table.get("arithmetic", {})), cannot=cannot, support=support,
        kinds=kinds, figures=figures, **texts, **lists,  # type: ignore[arg-type]
    )  # fmt: skip


def _text(path: Path, table: dict[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not 0 < len(value) <= 400:
        raise BadFile(path, "missing or not a text of at most 400 characters", key)
    return value


def _texts(path: Path, table: dict[str, Any], key: str) -> tuple[str, ...]:
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise BadFile(path, "expected a list of texts", key)
    return tuple(value)


def _figure(path: Path, key: str, leaf: dict[str, Any]) -> Figure:
    unit = expected_unit("chip", key)
    group, _, name = key.partition(".")
    if group in ("peak", "achievable") and name not in (*formats.FORMATS, "vector"):
        raise BadFile(path, f"not a number format; known are vector, {', '.join(formats.FORMATS)}", key)
    if unit is None:
        raise BadFile(path, "not a key of a chip file; `silmark chips show h100` shows one", key)
    return read_figure(path, key, leaf, unit)


def _require(path: Path, family: str, figures: dict[str, Figure]) -> None:
    needed = ["power.tdp", "power.idle_share", "power.decode_share", "power.prefill_share", "software.maturity"]
    if family != "thermodynamic":
        if not any(key.startswith("peak.") and key != "peak.vector" for key in figures):
            raise BadFile(path, "no matrix peak; give at least one, such as peak.bf16 in TFLOP/s", "peak")
        if not any(key.startswith("memory.") and key.endswith(".capacity") for key in figures):
            raise BadFile(path, "no memory; give memory.main or memory.sram a capacity in GB", "memory")
    for key in needed:
        if key not in figures:
            raise BadFile(path, f"missing; give it in a unit of {expected_unit('chip', key)}", key)
    for key, figure in figures.items():
        if figure.value == 0 and (key.split(".")[0] in _POSITIVE or key in needed):
            raise BadFile(path, "must be above 0", key)
        if key.endswith(("_share", ".maturity")) and figure.value > 1:
            raise BadFile(path, "a share; must be at most 1", key)
