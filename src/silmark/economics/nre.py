"""A chip of one's own: what it costs before the first works, what each costs then, and from which volume it pays.

    once      design + masks x (1 + respins) + team x years x engineer
    each      (dies x wafer / (gross dies x yield) + memory + packaging + board) x margin
    volume    once / (what a token costs when chips are bought - what it costs with own ones) / tokens of a chip's life

Gross dies of a round wafer follow Ferris-Prabhu (IEEE Circuits and Devices Magazine 5, 1989), yield is Murphy's
(Proc. IEEE 52, 1964): ((1 - exp(-A D)) / (A D))^2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from silmark.chips import Chip
from silmark.economics.bill import RATE, Bill, as_interval, owned
from silmark.economics.capital import Asset
from silmark.economics.ledger import Array, Ledger, Line, Values
from silmark.economics.porting import work
from silmark.economics.running import Machines
from silmark.economics.sample import around, draw, joined
from silmark.economics.terms import Terms
from silmark.estimation import Estimate
from silmark.figures import Figure, Interval
from silmark.figures.tables import packaged, read_figure, walk

UNIT = "unit cost"
"""Name of the input that holds what one own chip costs to make."""
_WAFER_M = 0.3
_NODES = ((2.5, "n2"), (3.5, "n3"), (5.5, "n5"), (10.0, "n7"))
"""Largest name of a node in nanometres that counts as that class; larger ones are n16."""


@cache
def defaults() -> Terms:
    """Figures of designing and making chips, and of engineers."""
    path = "economics/nre.toml"
    own = {key: read_figure(path, key, leaf) for key, leaf in walk(packaged("economics")["nre"])}
    return {**own, "engineer.cost": work()["engineer.cost"]}


@dataclass(frozen=True, slots=True)
class Silicon:
    """What one chip is made of, as far as its cost goes.

    Attributes:
        node: class of its process, such as n5.
        dies: compute dies.
        memory_bytes: stacked memory on the package.
        assumed: what its file does not give.
    """

    node: str
    dies: float
    memory_bytes: float
    assumed: tuple[str, ...]


def silicon(chip: Chip) -> Silicon:
    """Reads a chip's file; a missing process counts as n5."""
    node = chip.figures.get("die.node")
    size = 1e9 * node.value if node is not None else 5.0
    name = next((label for most, label in _NODES if size <= most), "n16")
    stacked = chip.kinds.get("memory.main", "").startswith("HBM")
    missing = [what for what in ("die.node", "die.area") if what not in chip.figures]
    return Silicon(
        name, chip.si("die.count", 1.0), chip.si("memory.main.capacity", 0.0) if stacked else 0.0, tuple(missing)
    )


def figures(chip: Chip, terms: Terms) -> dict[str, Figure]:
    """The figures behind one chip's costs, by key."""
    made = silicon(chip)
    keys = [f"design.{made.node}", f"masks.{made.node}", f"wafer.{made.node}"]
    found = {key: terms[key] for key in keys}
    found |= {key: figure for key, figure in terms.items() if key.startswith(("silicon.", "project.", "engineer."))}
    area = chip.figures.get("die.area")
    said = terms["silicon.area"] is not defaults()["silicon.area"]
    return found if area is None or said else found | {"silicon.area": area}


def once(chip: Chip, terms: Terms) -> Ledger:
    """USD before the first chip works."""
    node = silicon(chip).node
    lines = (
        Line("design", 1.0, {f"design.{node}": 1}),
        Line("masks", 1.0, {f"masks.{node}": 1}),
        Line("masks", 1.0, {f"masks.{node}": 1, "project.respins": 1}),
        Line("software", 1.0, {"project.team": 1, "project.duration": 1, "engineer.cost": 1}),
    )
    known = figures(chip, terms)
    return Ledger(lines, {key: as_interval(known[key]) for line in lines for key in line.inputs})


def each(chip: Chip, values: Values) -> dict[str, Array]:
    """USD of the parts of one chip, before the margin.

    `silicon.area` is that of all compute dies together; only chips with stacked memory need an interposer.
    """
    made = silicon(chip)
    area = np.asarray(values["silicon.area"], dtype=float) / made.dies
    crowd = area * np.asarray(values["silicon.defects"], dtype=float)
    good = ((1.0 - np.exp(-crowd)) / crowd) ** 2
    gross = math.pi * _WAFER_M**2 / (4.0 * area) * np.exp(-2.0 * np.sqrt(area) / _WAFER_M)
    return {
        "dies": made.dies * np.asarray(values[f"wafer.{made.node}"], dtype=float) / (gross * good),
        "memory": made.memory_bytes * np.asarray(values["silicon.memory"], dtype=float),
        "packaging": np.asarray(values["silicon.packaging"] if made.memory_bytes else 0.0, dtype=float),
        "board": np.asarray(values["silicon.board"], dtype=float),
    }


def unit_cost(chip: Chip, terms: Terms) -> Interval:
    """USD of one chip as its owner pays for it."""
    inputs = {key: as_interval(figure) for key, figure in figures(chip, terms).items()}
    middle = {key: interval.mid for key, interval in inputs.items()}
    return around(float(_paid(chip, middle)), _paid(chip, draw(inputs)))


def _paid(chip: Chip, values: Values) -> Array:
    return np.asarray(sum(each(chip, values).values()) * np.asarray(values["silicon.margin"]))


def own_bill(answer: Estimate, terms: Terms, unit: Interval) -> Bill:
    """What a system of own chips costs per second of work, without what was paid once."""
    hosts, limit = terms["silicon.host"], answer.step_model.target.chip.si("power.tdp")
    assets = (Asset("chips", answer.chips, {UNIT: 1}), Asset("hosts", answer.chips * limit, {"silicon.host": 1}))
    return owned(Machines.of(answer), terms, assets, {"silicon.host": hosts}, {UNIT: unit})


@dataclass(frozen=True, slots=True)
class BuildOrBuy:
    """From which volume an own chip pays.

    Attributes:
        once: USD before the first chip.
        unit: USD of one chip.
        own, bought: USD per million tokens with own chips (once left out) and with bought ones.
        spread: once, per million tokens at the asked volume.
        volume: chips from which it pays; None where own chips save nothing in the middle.
        pays: share of the draws in which it pays at the asked volume.
        saves: share in which it pays at any volume.
    """

    once: Interval
    unit: Interval
    own: Interval
    bought: Interval
    spread: Interval
    volume: Interval | None
    pays: float
    saves: float


def build_or_buy(answer: Estimate, terms: Terms, bought: Ledger, volume: float) -> BuildOrBuy:
    """Compares own chips with bought ones, token for token.

    Args:
        answer: what a system of own chips does.
        terms: of money, place, design and making.
        bought: USD per million tokens of the system to buy; its own inputs have names apart.
        volume: own chips that will be made.
    """
    chip = answer.step_model.target.chip
    unit = unit_cost(chip, terms)
    own, project = own_bill(answer, terms, unit).per_million(answer.rate), once(chip, terms)
    life = {"capital.years": 1, "capital.utilisation": 1, RATE: 1}
    tokens = Ledger((Line("tokens", 1e-6 / answer.chips, life),), {key: own.inputs[key] for key in life})
    inputs = joined((own.inputs, project.inputs, bought.inputs))
    draws, middle = draw(inputs), {key: interval.mid for key, interval in inputs.items()}

    def chips(values: Values) -> Array:
        saved = (bought.total(values) - own.total(values)) * tokens.total(values)
        return np.where(saved > 0, project.total(values) / np.where(saved > 0, saved, 1.0), np.inf)

    found, mid = chips(draws), float(chips(middle))
    low, high = np.quantile(found, (0.1, 0.9), method="inverted_cdf")
    spread = project.total(draws) / (volume * tokens.total(draws))
    return BuildOrBuy(
        once=project.interval(),
        unit=unit,
        own=own.interval(),
        bought=bought.interval(),
        spread=around(float(project.total() / (volume * tokens.total())), spread),
        volume=Interval(min(float(low), mid), mid, max(float(high), mid)) if math.isfinite(mid) else None,
        pays=float(np.mean(found <= volume)),
        saves=float(np.mean(np.isfinite(found))),
    )


def parts(chip: Chip, terms: Terms) -> Mapping[str, float]:
    """USD of the parts of one chip at the middle of every figure, the margin apart."""
    middle = {key: figure.value for key, figure in figures(chip, terms).items()}
    amounts = {name: float(amount) for name, amount in each(chip, middle).items()}
    return {**amounts, "margin": sum(amounts.values()) * (middle["silicon.margin"] - 1.0)}
