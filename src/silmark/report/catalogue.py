"""Lists and pages of the catalogue: the same content for terminal, JSON and docs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from silmark import chips, models, systems
from silmark.chips import Chip
from silmark.errors import UnknownName
from silmark.figures import Figure, load_sources
from silmark.report.numbers import si
from silmark.systems import System


def listing(kind: str) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of one catalogue: chips, systems or models."""
    if kind == "chips":
        headers = [
            "chip",
            "status",
            "since",
            "family",
            "default",
            "peak",
            "memory",
            "bandwidth",
            "limit",
            "short names",
        ]
        return headers, [_chip_line(chips.load(name)) for name in (*chips.names(), chips.HOST)]
    if kind == "systems":
        headers = ["system", "kind", "chips", "units", "topology", "name"]
        return headers, [_system_line(systems.load(name)) for name in systems.names()]
    headers = ["model", "kind", "parameters", "active", "layers", "hidden", "context", "short names"]
    short: dict[str, list[str]] = {}
    for alias, name in models.aliases().items():
        short.setdefault(name, []).append(alias)
    rows = []
    for name in models.names():
        model = models.load(name)
        counts = [_billions(model.parameters), _billions(model.active_parameters)]
        sizes = [str(model.layer_count), str(model.hidden), str(model.max_context)]
        rows.append([name, model.kind, *counts, *sizes, ", ".join(short.get(name, ()))])
    return headers, rows


def _billions(count: int) -> str:
    return f"{count / 1e9:.3g} B" if count >= 1e8 else f"{count / 1e6:.3g} M"


def _chip_line(chip: Chip) -> list[str]:
    peak = chip.figures.get(f"peak.{chip.precision}")
    tier = "main" if "memory.main.capacity" in chip.figures else "sram"
    memory, bandwidth = (chip.figures.get(f"memory.{tier}.{key}") for key in ("capacity", "bandwidth"))
    cells = [si(f.value, f.unit) if f else "-" for f in (peak, memory, bandwidth, chip.figures.get("power.tdp"))]
    return [chip.id, chip.status, chip.since, chip.family, chip.precision, *cells, ", ".join(chip.aliases)]


def _system_line(system: System) -> list[str]:
    return [
        system.id,
        system.kind,
        f"{system.chips} x {system.chip}",
        str(system.units_max),
        system.topology,
        system.name,
    ]


@dataclass(frozen=True, slots=True)
class Page:
    """One entry: plain facts, figures, and the sources that they resolve to; rows of cells."""

    facts: list[list[str]]
    figures: list[list[str]]
    sources: list[list[str]]

    def as_dict(self) -> dict[str, Any]:
        """The page as a JSON document."""
        keys = ("figure", "value", "interval", "grade", "source", "note")
        return {
            "facts": dict(self.facts),
            "figures": [dict(zip(keys, row, strict=True)) for row in self.figures],
            "sources": dict(self.sources),
        }


def page(kind: str, name: str) -> Page:
    """The page of a chip or system by id, alias or path."""
    if kind == "chip":
        chip = chips.load(name)
        facts = [["id", chip.id], ["name", chip.name], ["vendor", chip.vendor], ["family", chip.family]]
        facts += [
            ["status", f"{chip.status}, since {chip.since}"],
            ["software", chip.stack],
            ["usual system", chip.system],
        ]
        facts += [["made for", ", ".join(chip.purpose)]]
        facts += [["default format", chip.precision], ["checked on", chip.evidence]]
        facts += [[f"cannot run {operator}", why] for operator, why in chip.cannot.items()]
        facts += [[f"kind of {key}", what] for key, what in chip.kinds.items()]
        return _page([*facts, ["notes", chip.notes]], chip.figures)
    if kind == "system":
        system = systems.load(name)
        facts = [
            ["id", system.id],
            ["name", system.name],
            ["kind", system.kind],
            ["chips", f"{system.chips} x {system.chip}"],
        ]
        facts += [
            ["units joined", str(system.units_max)],
            ["topology", system.topology],
            ["chips per layer", str(system.group)],
        ]
        facts += [[f"kind of {key}", what] for key, what in system.kinds.items()]
        return _page([*facts, ["notes", system.notes]], system.figures)
    raise UnknownName("page", kind, ("chip", "system"))


def _page(facts: list[list[str]], figures: dict[str, Figure] | Any) -> Page:  # noqa: ANN401
    table = load_sources()
    cells = [figure_cells(key, figure) for key, figure in figures.items()]
    used = sorted({figure.source for figure in figures.values()})
    return Page(
        facts, cells, [[key, str(table[key]) if key in table else "a source of the file's own"] for key in used]
    )


def figure_cells(key: str, figure: Figure) -> list[str]:
    """Key, value, interval, grade, source and note of one figure."""
    bounds = figure.shown_bounds
    if not bounds and figure.low < figure.high:
        bounds = f"{si(figure.low, figure.unit)} to {si(figure.high, figure.unit)}"
    claim = f"from {figure.derived_from}" if figure.derived_from else ""
    rivals = [f"also {rival.get('value')} ({rival.get('source')})" for rival in figure.alternatives]
    note = "; ".join(part for part in (figure.date, claim, figure.note, *rivals) if part)
    return [key, figure.shown or si(figure.value, figure.unit), bounds, str(figure.grade), figure.source, note]
