"""What leaving a software stack costs, once and every year, and when cheaper tokens pay for it: a moat in dollars.

    once    (kernels x months x (1 - translated) + bring-up + models x months + validation) x engineer
    upkeep  the same x share per year x years that the machines live

Kernels are one's own; what engines and libraries bring counts as bring-up. Nobody publishes engineer-months, so every
one of them is an input with a wide interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from silmark.chips import Chip
from silmark.economics.bill import as_interval
from silmark.economics.ledger import Ledger, Line
from silmark.economics.sample import around, draw, joined
from silmark.economics.terms import Terms
from silmark.errors import UnknownName
from silmark.figures import Figure, Interval
from silmark.figures.tables import packaged, read_figure, walk

_PATH = "economics/porting.toml"
_PER_STACK = ("bring_up", "per_model", "translated")
"""Figures of a stack; the last one is there only where a tool translates CUDA into it."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A software stack.

    Attributes:
        name: as `--from` and `--to` write it.
        match: how the `stack` of a chip's file begins to speak of it.
        facts: what it offers, in a sentence.
        runs_on: stacks on which kernels in its language run.
        figures: engineer-months and shares by key.
    """

    name: str
    match: str
    facts: str
    runs_on: tuple[str, ...]
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Port:
    """Moving from one stack to another.

    Attributes:
        source, target: the stacks.
        ledger: its parts, USD.
        figures: what it was computed from, by key.
    """

    source: Stack
    target: Stack
    ledger: Ledger
    figures: Mapping[str, Figure]

    @property
    def usd(self) -> Interval:
        """The whole of it."""
        return self.ledger.interval()


@cache
def stacks() -> Mapping[str, Stack]:
    """The stacks of the catalogue by name."""
    return {name: _stack(name, table) for name, table in packaged("economics")["porting"]["stack"].items()}


@cache
def work() -> Terms:
    """What holds for every port: an engineer's cost, kernels, models, validation, upkeep."""
    table = {key: value for key, value in packaged("economics")["porting"].items() if key != "stack"}
    return {key: read_figure(_PATH, key, leaf) for key, leaf in walk(table)}


def named(name: str) -> Stack:
    """A stack by name; raises UnknownName."""
    if name not in stacks():
        raise UnknownName("stack", name, stacks(), hint=f"known stacks: {', '.join(stacks())}")
    return stacks()[name]


def of(chip: Chip) -> Stack | None:
    """The stack of a chip, None where the catalogue does not know it."""
    return next((stack for stack in stacks().values() if stack.match in chip.stack), None)


def port(source: Stack, target: Stack, terms: Terms) -> Port:
    """What moving from one stack to another costs; nothing within one.

    Args:
        source: where the code is.
        target: where it shall run.
        terms: the terms of the money and of the work, those of one's own included.
    """
    known = {**{f"{target.name}.{key}": figure for key, figure in target.figures.items()}, **terms}
    lines = _lines(target.name, _saved(source, target, known)) if source.name != target.name else ()
    figures = {key: known[key] for key in dict.fromkeys(key for line in lines for key in line.inputs)}
    return Port(source, target, Ledger(lines, {key: as_interval(f) for key, f in figures.items()}), figures)


def _saved(source: Stack, target: Stack, known: Terms) -> str | None:
    """Key of the share of kernel work that need not be done: a portable language's, or a translator's of CUDA."""
    if target.name in source.runs_on:
        return "work.portable"
    translated = f"{target.name}.translated"
    return translated if source.name == "cuda" and translated in known else None


def _lines(target: str, saved: str | None) -> tuple[Line, ...]:
    hand = {"work.kernels": 1, "work.kernel": 1}
    parts = [
        ("kernels", 1.0, hand),
        *([("kernels", -1.0, {**hand, saved: 1})] if saved else []),
        ("bring-up", 1.0, {f"{target}.bring_up": 1}),
        ("models", 1.0, {"work.models": 1, f"{target}.per_model": 1}),
        ("validation", 1.0, {"work.validation": 1}),
    ]
    once = [Line(name, scale, {**inputs, "engineer.cost": 1}) for name, scale, inputs in parts]
    yearly = {"work.upkeep": 1, "capital.years": 1}
    return (*once, *(Line("upkeep", line.scale, {**line.inputs, **yearly}) for line in once))


@dataclass(frozen=True, slots=True)
class Payback:
    """When a port pays for itself.

    Attributes:
        saving: USD per million tokens that the new system saves; below 0 where it is dearer.
        tokens: output tokens after which the port is paid; None where the new system saves nothing in the middle.
        saves: share of the draws in which it saves anything.
    """

    saving: Interval
    tokens: Interval | None
    saves: float


def payback(moved: Port, old: Ledger, new: Ledger) -> Payback:
    """Tokens that pay for a port: its cost over what each token saves.

    Args:
        moved: the port.
        old, new: USD per million tokens of both systems; inputs that they share have one name.
    """
    inputs = joined((moved.ledger.inputs, old.inputs, new.inputs))
    draws = draw(inputs)
    saving = old.total(draws) - new.total(draws)
    middle = float(old.total() - new.total())
    volume = np.where(saving > 0, 1e6 * moved.ledger.total(draws) / np.where(saving > 0, saving, 1.0), np.inf)
    tokens = None
    if middle > 0:
        low, high = np.quantile(volume, (0.1, 0.9), method="inverted_cdf")
        mid = 1e6 * float(moved.ledger.total()) / middle
        tokens = Interval(min(float(low), mid), mid, max(float(high), mid))
    return Payback(around(middle, saving), tokens, float(np.mean(saving > 0)))


def _stack(name: str, table: Mapping[str, object]) -> Stack:
    figures = {key: read_figure(_PATH, f"{name}.{key}", table[key]) for key in _PER_STACK if key in table}  # type: ignore[arg-type]
    runs_on = table.get("runs_on", [])
    assert isinstance(runs_on, list)
    return Stack(name, str(table["match"]), str(table["facts"]), tuple(map(str, runs_on)), figures)
