"""Fits GPUs and their collectives to tables of the user's own, and keeps of the packaged fit what those do not tell.

A parameter that no row feels keeps its packaged value, and so does a part (routed experts, say) with hardly any rows.
Factors of generations, schemes and kernels that the tables lack are inherited; those of generations are rescaled, so
that the generation's parameters stay what they are packaged as. What chips achieve of their peaks always stays, and so
do element-wise kernels and the host's time: the tables have neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from silmark.calibration import fabric, gpu, gpu_attention, gpu_gemm, gpu_moe, points
from silmark.calibration.gpu_tree import Part, Table, Tree, statistics
from silmark.calibration.points import Leaf
from silmark.calibration.robust import Fit, summary
from silmark.chips import catalog
from silmark.fabric import PATTERNS
from silmark.fabric.terms import Terms
from silmark.figures.own import SOURCE
from silmark.figures.tables import shipped, walk
from silmark.systems.catalog import usual

COMMAND = "silmark calibrate measurements"
LEAST_ROWS = 100
"""Rows that a part needs: it has up to 24 parameters, and half of the rows check the others."""
_BLIND = 1e-15
"""Variance (in logarithms) below which no row felt a parameter."""
_IN_LIBRARIES = ("all_reduce_ring", "all_reduce_in_switch")
"""What an engine's own all-reduce falls back to."""

Base = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What one part of the family adds to gpu.toml.

    Attributes:
        values: its common values by key.
        leaves, tables: entries of the file.
        rows: that the fit saw.
        line: what is told of it.
    """

    values: Mapping[str, float]
    leaves: Mapping[str, Leaf]
    tables: Mapping[str, gpu.Entries]
    rows: int
    line: str


def write_gpu(path: Path, data: str) -> Iterator[str]:
    """Fits all parts that have rows (`rows.instead`) and writes gpu.toml; yields a line per part.

    Args:
        path: the file.
        data: what it says about its data.
    """
    base = shipped("calibration")["gpu"]
    leaves: dict[str, Leaf] = dict(walk(base["parameters"]))
    packaged = {key: float(leaf["value"]) for key, leaf in leaves.items()}
    # What chips achieve of their peaks is told by chips that differ; those of a user may be alike.
    held = {key: value for key, value in packaged.items() if key.startswith("achievable.")}
    products = replace(gpu_gemm.PART, common=partial(gpu_gemm.common, held=held), known=held)
    first = fit_part(products, base, packaged)
    yield first.line
    found = [first]
    known = {**held, **first.values}
    for part in (*gpu_attention.parts(known), gpu_moe.part(known)):
        found.append(fit_part(part, base, packaged))
        yield found[-1].line
    tables: dict[str, gpu.Entries] = {}
    for one in found:
        leaves |= one.leaves
        tables |= one.tables
    points.write(path, points.head("gpu", COMMAND, data, sum(one.rows for one in found)), leaves, tables)


def fit_part(part: Part, base: Base, packaged: Mapping[str, float]) -> Fitted:
    """Fits one part; with too few rows it stays as it is packaged.

    Args:
        part: the part, which reads its tables.
        base: the packaged file.
        packaged: its parameters' values.
    """
    own = part.tables(slice(None))
    rows = sum(len(table.group.seconds) for table in own)
    if rows < LEAST_ROWS:
        groups = ("gemm", "format") if part.name == "gemm" else (part.name,)
        values = {key: value for key, value in packaged.items() if key.partition(".")[0] in groups}
        line = f"{part.name}: {rows} rows, {LEAST_ROWS} are needed: stays as packaged"
        return Fitted(values, {}, _packaged_factors(base, part.name), 0, line)
    sound = replace(part, common=partial(_common, part.common, packaged))
    kept, tree = sound.fit(own)
    held_out = sound.held_out()
    tables = _inherited(gpu.factor_entries(tree, own), base, tree, packaged)
    tables |= gpu.statistic_entries("residuals", part.name, statistics(tree, own))
    tables |= gpu.statistic_entries("held_out", part.name, held_out)
    line = _line(part.name, own, _packaged_tree(base, part, packaged), held_out)
    return Fitted(kept.values, _leaves(kept), tables, rows, line)


def _common(common: Callable[[Sequence[Table]], Fit], packaged: Mapping[str, float], some: Sequence[Table]) -> Fit:
    """The part's common values, packaged where no row feels one."""
    kept = common(some)
    felt = np.diag(kept.covariance) > _BLIND
    values = {key: v if yes else packaged[key] for (key, v), yes in zip(kept.values.items(), felt, strict=True)}
    return Fit(values, np.where(np.outer(felt, felt), kept.covariance, 0.0))


def _leaves(kept: Fit) -> dict[str, Leaf]:
    """Entries of the parameters that some row felt."""
    felt = np.diag(kept.covariance) > 0.0
    entries = kept.leaves(SOURCE, gpu.NOTES)
    return {key: entry for (key, entry), yes in zip(entries.items(), felt, strict=True) if yes}


def _packaged_factors(base: Base, part: str) -> dict[str, gpu.Entries]:
    nodes = dict(base["factors"][part])
    order = nodes.pop("order")
    return {f"factors.{part}": nodes, f"factors.{part}.order": order}


def _inherited(
    entries: dict[str, gpu.Entries], base: Base, tree: Tree, packaged: Mapping[str, float]
) -> dict[str, gpu.Entries]:
    """Factors with those of packaged nodes that the tables lack."""
    generations = {catalog.load(name).generation for name in catalog.names()}
    kept = _packaged_factors(base, tree.part)[f"factors.{tree.part}"]
    moved = [packaged[f"{tree.part}.{name}"] / value for name, value in tree.common.items()]
    found: gpu.Entries = dict(entries[f"factors.{tree.part}"])
    for node, row in kept.items():
        if node not in found and isinstance(row, list):
            scale = moved if node in generations else [1.0] * len(row)
            found[node] = [float(f"{factor * by:.4g}") for factor, by in zip(row, scale, strict=True)]
    return {**entries, f"factors.{tree.part}": dict(sorted(found.items()))}


def _packaged_tree(base: Base, part: Part, packaged: Mapping[str, float]) -> Tree:
    """The packaged fit of a part, to be held against the rows."""
    nodes = base["factors"][part.name]
    order = list(nodes["order"])
    factors = {name: dict(zip(order, row, strict=True)) for name, row in nodes.items() if name != "order"}
    common = {name: packaged[f"{part.name}.{name}"] for name in order}
    return Tree(part.name, common, packaged, factors)


def _line(name: str, own: Sequence[Table], before: Tree, held_out: Mapping[str, Mapping[str, float]]) -> str:
    chips = [row for label, row in held_out.items() if label.endswith(" all")]
    error = float(np.mean([row["median_error"] for row in chips])) if chips else float("nan")
    by_chip: dict[str, list[Any]] = {}
    for table in own:
        by_chip.setdefault(table.group.chip, []).append(before.errors(table))
    old = float(np.mean([summary(np.concatenate(errors))["median_error"] for errors in by_chip.values()]))
    rows = sum(len(table.group.seconds) for table in own)
    seen = f"{name}: {rows:,} rows of {len(by_chip)} chips"
    return f"{seen}, median error {error:.1%} on rows left out, {old:.1%} as packaged"


def write_fabric(path: Path, data: str) -> Iterator[str]:
    """Fits the collectives that have rows (`rows.instead`) and writes fabric.toml; yields a line.

    A parameter keeps the relative interval of the packaged one: what one chip left out does to it.
    """
    base = dict(walk(shipped("calibration")["fabric"]["parameters"]))
    leaves: dict[str, Leaf] = dict(base)
    packaged = _terms(base)
    fitted: dict[str, Terms] = {}
    rows = 0
    for groups, names, start in fabric.stages():
        some = [group for group in groups if usual(catalog.load(group.chip)).topology == "switch"]
        able = [n for n in names if any(PATTERNS[g.pattern][n].available(g.n, g.link) for g in some)]
        if some and able:
            held = {} if "all_reduce_ring" in names else {name: packaged[name] for name in _IN_LIBRARIES}
            fitted |= fabric.solve(some, able, {**held, **fitted}, {name: start[name] for name in able})
            rows += sum(len(group.payload) for group in some)
    for name, terms in fitted.items():
        for term in ("launch", "step", "share", "ramp"):
            key = f"gpu.{name}.{term}"
            leaves[key] = _moved(base[key], getattr(terms, term) * (1e6 if term in ("launch", "ramp") else 1.0))
    points.write(path, points.head("fabric", COMMAND, data, rows), leaves, {})
    yield f"collectives: {rows:,} rows, {', '.join(fitted) or 'packaged'}"


def _terms(base: Mapping[str, Any]) -> dict[str, Terms]:
    found: dict[str, dict[str, float]] = {}
    for key, leaf in base.items():
        owner, _, rest = key.partition(".")
        name, _, term = rest.partition(".")
        if owner == "gpu":
            found.setdefault(name, {})[term] = float(leaf["value"]) * (1e-6 if leaf["unit"] == "us" else 1.0)
    return {name: Terms(**terms) for name, terms in found.items()}


def _moved(leaf: Mapping[str, Any], value: float) -> Leaf:
    """The entry with another value, its interval as wide in proportion."""
    ratio = value / float(leaf["value"])
    low, high = float(leaf["low"]) * ratio, float(leaf["high"]) * ratio
    return points.leaf(value, low, high, str(leaf["unit"]), source=SOURCE, grade="derived")
