"""Chip: the facts about one accelerator package as sold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from silmark.chips.arithmetic import Rule
from silmark.chips.ways import Way
from silmark.errors import BadFile
from silmark.figures import Figure
from silmark.figures.tables import expected_unit


@dataclass(frozen=True, slots=True, eq=False)
class Chip:
    """One accelerator, its figures in SI by dotted key (`memory.main.bandwidth`).

    Attributes:
        id: full SKU, vendor first.
        family: the mechanism that reads these facts.
        status: shipping | announced | demonstrated | withdrawn.
        precision: format in which it runs a model unless asked otherwise.
        evidence: measured | published | none - on what predictions for it were checked.
        system: id of its usual node, rack or appliance.
        cannot: operator kinds that it cannot run, each with the reason.
        support: where its file says otherwise than its family's: how it runs a feature or takes a number format.
        kinds: names such as {"memory.main": "HBM3"}.
        generation: architecture that it shares with its siblings (`hopper`), empty where there is none; what was
            fitted on one of them holds for all.
        arithmetic: how it multiplies, by format, where its own file says so; `arithmetic.rule` adds its family's.
    """

    id: str
    name: str
    vendor: str
    family: str
    status: str
    since: str
    system: str
    precision: str
    evidence: str
    stack: str
    notes: str = ""
    generation: str = ""
    aliases: tuple[str, ...] = ()
    purpose: tuple[str, ...] = ()
    cannot: Mapping[str, str] = field(default_factory=dict)
    support: Mapping[str, Way] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, Figure] = field(default_factory=dict)
    arithmetic: Mapping[str, Rule] = field(default_factory=dict)

    def figure(self, key: str) -> Figure:
        """The figure of that key; raises BadFile if the chip's file does not give it."""
        try:
            return self.figures[key]
        except KeyError:
            unit = expected_unit("chip", key)
            raise BadFile(
                f"the file of {self.id}", f"missing; give it in a unit of {unit}, with source and grade", key
            ) from None

    def si(self, key: str, default: float | None = None) -> float:
        """The value of a figure in SI, or the default where the file does not give it."""
        if default is not None and key not in self.figures:
            return default
        return self.figure(key).value

    @property
    def formats(self) -> tuple[str, ...]:
        """Number formats in which it multiplies matrices natively."""
        return tuple(k[5:] for k in self.figures if k.startswith("peak.") and k != "peak.vector")

    def with_figure(self, key: str, value: float) -> Chip:
        """A copy with one figure set, for what-if questions and laws.

        What was achieved of a peak or bandwidth moves with it: a faster chip is not a worse one.
        """
        figures = {**self.figures, key: self.figure(key).at(value)}
        twin = key.replace("peak.", "achievable.") if key.startswith("peak.") else "memory.main.achievable"
        if twin in figures and (key.startswith("peak.") or key == "memory.main.bandwidth"):
            figures[twin] = figures[twin].at(figures[twin].value * value / self.figure(key).value)
        return replace(self, figures=figures)
