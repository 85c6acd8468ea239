"""Lists and pages of the catalogue: the same content for terminal, JSON and docs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from silmark import chips, models, systems
from silmark.chips import Chip
from silmark.chips.arithmetic import chip_rules
from silmark.errors import UnknownName
from silmark.figures import Figure, load_sources
from silmark.figures.numbers import si
from silmark.systems import System
from silmark.systems.wiring import Links

Record = dict[str, str | float | int | list[str] | None]


def records(kind: str) -> list[Record]:
    """One catalogue (chips, systems or models) as plain values: SI units, None where nothing is known."""
    if kind == "chips":
        return [_chip_record(chips.load(name)) for name in (*chips.names(), chips.HOST)]
    if kind == "systems":
        return [_system_record(systems.load(name)) for name in systems.names()]
    short: dict[str, list[str]] = {}
    for alias, name in models.aliases().items():
        short.setdefault(name, []).append(alias)
    return [_model_record(name, short.get(name, [])) for name in models.names()]


def listing(kind: str) -> tuple[list[str], list[list[str]]]:
    """Headers and cells of one catalogue for the terminal and the docs."""
    found = records(kind)
    return [name.replace("_", " ") for name in found[0]], [[_cell(*pair) for pair in one.items()] for one in found]


def as_document(kind: str) -> dict[str, Any]:
    """The JSON document silmark.chips/1, silmark.systems/1 or silmark.models/1."""
    return {"schema": f"silmark.{kind}/1", "rows": records(kind)}


_UNITS = {"peak": "FLOP/s", "memory": "B", "bandwidth": "B/s", "limit": "W"}


def _cell(name: str, value: str | float | list[str] | None) -> str:
    if value is None or value == 0:
        return "-"
    if isinstance(value, list):
        return ", ".join(value)
    if name in _UNITS:
        return si(float(value), _UNITS[name])
    return si(float(value), "").strip() if name in ("parameters", "active") else str(value)


def _chip_record(chip: Chip) -> Record:
    tier = "main" if "memory.main.capacity" in chip.figures else "sram"
    keys = {
        "peak": f"peak.{chip.precision}",
        "memory": f"memory.{tier}.capacity",
        "bandwidth": f"memory.{tier}.bandwidth",
        "limit": "power.tdp",
    }
    return {
        "chip": chip.id,
        "status": chip.status,
        "since": chip.since,
        "family": chip.family,
        "default": chip.precision,
        **{name: chip.figures[key].value if key in chip.figures else None for name, key in keys.items()},
        "short_names": list(chip.aliases),
    }


def _system_record(system: System) -> Record:
    return {
        "system": system.id,
        "kind": system.kind,
        "chips": system.chips,
        "chip": system.chip,
        "units": system.units_max,
        "topology": system.topology,
        "name": system.name,
    }


def _model_record(name: str, short: list[str]) -> Record:
    model = models.load(name)
    return {
        "model": name,
        "kind": model.kind,
        "parameters": model.parameters,
        "active": model.active_parameters,
        "layers": model.layer_count,
        "hidden": model.hidden,
        "context": model.max_context or None,
        "short_names": short,
    }


@dataclass(frozen=True, slots=True)
class Page:
    """One entry: plain facts, figures by key, and the sources that they resolve to."""

    kind: str
    facts: dict[str, str]
    figures: Mapping[str, Figure]

    @property
    def cells(self) -> list[list[str]]:
        """The figures as rows of a table."""
        return [figure_cells(key, figure) for key, figure in self.figures.items()]

    @property
    def sources(self) -> list[list[str]]:
        """Key and reference of every source."""
        table = load_sources()
        used = sorted({figure.source for figure in self.figures.values()})
        return [[key, str(table[key]) if key in table else "a source of the file's own"] for key in used]

    def as_dict(self) -> dict[str, Any]:
        """The JSON document silmark.chip/1 or silmark.system/1."""
        table = load_sources()
        used = sorted({figure.source for figure in self.figures.values()} & set(table))
        return {
            "schema": f"silmark.{self.kind}/1",
            "facts": self.facts,
            "figures": [figure.as_dict(key) for key, figure in self.figures.items()],
            "sources": [asdict(table[key]) for key in used],
        }


def page(kind: str, name: str) -> Page:
    """The page of a chip or system by id, alias or path."""
    if kind == "chip":
        chip = chips.load(name)
        facts = {
            "id": chip.id,
            "name": chip.name,
            "vendor": chip.vendor,
            "family": chip.family,
            "status": f"{chip.status}, since {chip.since}",
            "software": chip.stack,
            "usual system": chip.system,
            "made for": ", ".join(chip.purpose),
            "default format": chip.precision,
            "checked on": chip.evidence,
        }
        facts |= {f"arithmetic in {name}": f"{one.name} ({one.grade})" for name, one in chip_rules(chip).items()}
        facts |= {f"cannot run {operator}": why for operator, why in chip.cannot.items()}
        facts |= {
            f"runs {what}": f"{way.by}: {way.how} ({way.source}, {way.grade})" for what, way in chip.support.items()
        }
        facts |= {key if key.endswith(".technology") else f"kind of {key}": what for key, what in chip.kinds.items()}
        return Page(kind, {**facts, "notes": chip.notes}, chip.figures)
    if kind == "system":
        system = systems.load(name)
        facts = {
            "id": system.id,
            "name": system.name,
            "kind": system.kind,
            "chips": f"{system.chips} x {system.chip}",
            "units joined": str(system.units_max),
            "topology": system.topology,
            "chips per layer": str(system.group),
        }
        facts |= {f"kind of {key}": what for key, what in system.kinds.items()}
        facts |= {f"kind of memory.{name}": what for name, what in system.tiers.items()}
        if system.wiring is not None:
            facts |= {f"link {links.name}": _link(links) for links in system.wiring.links}
        return Page(kind, {**facts, "notes": system.notes}, system.figures)
    raise UnknownName("page", kind, ("chip", "system"))


def _link(links: Links) -> str:
    """One table of links in words."""
    wire, parts = links.training.wire, ", ".join(part.id for part in links.parts())
    run = (
        f"{links.count} x {wire.technology.id} x{wire.lanes}, {links.ends[0]} to {links.ends[1]} over {wire.medium.id}"
    )
    return f"{run}, {parts}" if parts else run


def figure_cells(key: str, figure: Figure) -> list[str]:
    """Key, value, interval, grade, source and note of one figure."""
    bounds = figure.shown_bounds
    if not bounds and figure.low < figure.high:
        bounds = f"{si(figure.low, figure.unit)} to {si(figure.high, figure.unit)}"
    claim = f"from {figure.derived_from}" if figure.derived_from else ""
    rivals = [f"also {rival.get('value')} ({rival.get('source')})" for rival in figure.alternatives]
    note = "; ".join(part for part in (figure.date, claim, figure.note, *rivals) if part)
    return [key, figure.shown or si(figure.value, figure.unit), bounds, str(figure.grade), figure.source, note]
