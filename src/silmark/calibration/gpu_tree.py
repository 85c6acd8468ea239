"""Fits a part of the GPU family as a tree: what all tables share, then what each generation, scheme and kernel adds.

A node is a name of `gpu_kernels.chain`: a generation, a scheme, a scheme on a generation, a library, one of its kernels
for a scheme, and that on a generation. From the widest to the narrowest, every node gets factors of the parameters that
fit all tables below it, given the factors above it. Each factor's logarithm has a normal prior around 0, so that a node
with few rows stays with its parents (partial pooling: Gelman and Hill, "Data analysis using regression and multilevel
models", 2007, chapter 12).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from silmark.calibration.robust import NOISE, Fit, Group, summary
from silmark.chips import catalog
from silmark.chips.mechanisms.gpu_kernels import KIN, LIMITS, clipped, library
from silmark.graph import Array

PRIOR = 0.5
"""Standard deviation of a factor's logarithm before any row is seen. From 0.3 to 1 the errors of held-out rows move
by less than a tenth of themselves."""
_EVALUATIONS = 12
_FEWEST = 6  # rows from which a node gets factors
LIBRARY = 3
"""Level of the libraries; the wider ones are generation, scheme and scheme on a generation."""
LEVELS = (0, 1, 2, 3, 4, 5)
_REFERENCE = "bfloat16"  # the scheme that generations are told apart in; it has no factors of its own

Factors = dict[str, dict[str, float]]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one chip, scheme and kernel.

    Attributes:
        scheme, engine, kernel: see `gpu_kernels.Engine`.
        group: chip, measured times and their prediction.
        pooled: whether the rows enter nodes wider than their kernel's; False for fallbacks and host-bound tables.
    """

    scheme: str
    engine: str
    kernel: str
    group: Group
    pooled: bool = True

    @property
    def generation(self) -> str:
        """Of the chip, or the one whose factors it takes."""
        own = catalog.load(self.group.chip).generation
        return KIN.get(own, own)

    def nodes(self) -> tuple[str, ...]:
        """Names of all nodes that the table lies below, the widest first."""
        kernel = f"{self.scheme}|{self.engine}|{self.kernel}"
        on_chip = f"{self.generation}|{self.scheme}"
        shared = library(self.engine, self.kernel)
        return self.generation, self.scheme, on_chip, shared, kernel, f"{self.generation}|{kernel}"


@dataclass(frozen=True, slots=True)
class Tree:
    """Common values of a part and the factors of its nodes.

    Attributes:
        part: prefix of its parameters.
        common: parameters without prefix -> value.
        known: further parameters that predictions need, with their prefixes.
        factors: node -> parameter -> factor.
    """

    part: str
    common: Mapping[str, float]
    known: Mapping[str, float]
    factors: Factors = field(default_factory=dict)

    def parameters(self, nodes: Sequence[str]) -> dict[str, float]:
        """Parameters with prefixes under some nodes' factors."""
        found = dict(self.known)
        for name, value in self.common.items():
            factor = math.prod(self.factors.get(node, {}).get(name, 1.0) for node in nodes)
            found[f"{self.part}.{name}"] = clipped(f"{self.part}.{name}", value * factor)
        return found

    def errors(self, table: Table) -> Array:
        """ln(predicted / measured) of a table's rows."""
        return table.group.errors(self.parameters(table.nodes()))

    def aliases(self, tables: Sequence[Table]) -> Factors:
        """Factors of an engine's usual kernel under the engine's own name, for plans that name no kernel."""
        found: Factors = {}
        rows: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
        for table in tables:
            if table.pooled:
                by_kernel = rows.setdefault((table.scheme, table.engine), {}).setdefault(table.kernel, {})
                by_kernel[table.generation] = by_kernel.get(table.generation, 0) + len(table.group.seconds)
        for (scheme, engine), kernels in rows.items():
            usual = max(kernels, key=lambda name: sum(kernels[name].values()))
            shared = self._product(library(engine, ""))
            wide = self._product(library(engine, usual), f"{scheme}|{engine}|{usual}")
            found[f"{scheme}|{engine}"] = {name: wide[name] / shared[name] for name in wide}
            for generation in dict.fromkeys(g for counts in kernels.values() for g in counts):
                own = max(kernels, key=lambda name: kernels[name].get(generation, 0))
                kernel = f"{scheme}|{engine}|{own}"
                total = self._product(library(engine, own), kernel, f"{generation}|{kernel}")
                found[f"{generation}|{scheme}|{engine}"] = {name: total[name] / wide[name] for name in total}
        return found

    def _product(self, *nodes: str) -> dict[str, float]:
        """Factors of several nodes together."""
        return {name: math.prod(self.factors.get(node, {}).get(name, 1.0) for node in nodes) for name in self.common}


def grow(
    tables: Sequence[Table],
    tree: Tree,
    fixed: Sequence[str] = (),
    presets: Mapping[str, Mapping[str, float]] | None = None,
    levels: Sequence[int] = LEVELS,
) -> Tree:
    """Fits all nodes below the common values.

    Args:
        tables: rows.
        tree: the common values; its factors are not used.
        fixed: parameters that no node changes.
        presets: kernel -> factors that are facts of its code and not fitted.
        levels: those that get factors.
    """
    factors: Factors = {}
    grown = Tree(tree.part, tree.common, tree.known, factors)
    names = [name for name in tree.common if name not in fixed]
    for table in tables:
        preset = (presets or {}).get(table.kernel)
        if preset:
            factors[table.nodes()[4]] = dict(preset)
    for level in levels:
        below: dict[str, list[Table]] = {}
        for table in tables:
            if _enters(table, level):
                below.setdefault(table.nodes()[level], []).append(table)
        for node, own in below.items():
            if sum(len(table.group.seconds) for table in own) >= _FEWEST:
                factors[node] = {**factors.get(node, {}), **_node(grown, own, names)}
    return grown


def _enters(table: Table, level: int) -> bool:
    if level >= LIBRARY:
        return True
    return table.pooled and (table.scheme == _REFERENCE) == (level == 0)


def _node(tree: Tree, tables: Sequence[Table], names: Sequence[str]) -> dict[str, float]:
    """Factors of one node; all rows of one engine on one chip count as those of another."""
    from scipy.optimize import least_squares  # noqa: PLC0415 - only fits need scipy

    base = [tree.parameters(table.nodes()) for table in tables]
    keys = [f"{tree.part}.{name}" for name in names]
    rows: dict[tuple[str, str], int] = {}
    for table in tables:
        source = table.group.chip, table.engine
        rows[source] = rows.get(source, 0) + len(table.group.seconds)
    mean = sum(rows.values()) / len(rows)
    weights = [np.sqrt(mean / rows[table.group.chip, table.engine]) for table in tables]

    def residuals(x: Array) -> Array:
        factor = dict(zip(keys, np.exp(x).tolist(), strict=True))
        parts = []
        for table, own, weight in zip(tables, base, weights, strict=True):
            trial = {**own, **{key: clipped(key, own[key] * value) for key, value in factor.items()}}
            parts.append(table.group.errors(trial) * weight)
        return np.concatenate([*parts, x * (NOISE / PRIOR)])

    far = np.log([_room(key, base) for key in keys])
    result = least_squares(
        residuals, np.zeros(len(keys)), bounds=(-far, far), loss="soft_l1", f_scale=NOISE, max_nfev=_EVALUATIONS
    )
    return dict(zip(names, np.exp(result.x).tolist(), strict=True))


def _room(key: str, base: Sequence[Mapping[str, float]]) -> float:
    """How far a factor may move before its parameter's limits make it useless."""
    if key not in LIMITS:
        return 100.0
    low, high = LIMITS[key]
    values = [own[key] for own in base]
    return max(1.01, max(values) / low, high / min(values))


def statistics(tree: Tree, tables: Sequence[Table]) -> dict[str, dict[str, float]]:
    """Rows, median and mean |ln error|, bias and quantiles per table and per chip."""
    by_label: dict[str, list[Array]] = {}
    for table in tables:
        errors = tree.errors(table)
        for label in (table.group.label, f"{table.group.chip} all"):
            by_label.setdefault(label, []).append(errors)
    return {label: summary(np.concatenate(parts)) for label, parts in sorted(by_label.items())}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the family: how its tables are read and its common values fitted.

    Attributes:
        name: prefix of its parameters.
        tables: reads the tables; the slice picks rows of each.
        common: fits what all tables share.
        known: parameters from earlier parts, with prefixes.
        fixed, presets, levels: see `grow`.
    """

    name: str
    tables: Callable[[slice], list[Table]]
    common: Callable[[Sequence[Table]], Fit]
    known: Mapping[str, float]
    fixed: Sequence[str] = ()
    presets: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    levels: Sequence[int] = LEVELS

    def fit(self, tables: Sequence[Table]) -> tuple[Fit, Tree]:
        """Common values, then all nodes."""
        common = self.common(tables)
        start = len(self.name) + 1
        own = {key[start:]: value for key, value in common.values.items() if key.startswith(f"{self.name}.")}
        own |= {name: self.known[f"{self.name}.{name}"] for name in self.fixed}
        tree = Tree(self.name, own, {**self.known, **common.values})
        return common, grow(tables, tree, self.fixed, self.presets, self.levels)

    def held_out(self) -> dict[str, dict[str, float]]:
        """Statistics of every second row of each table under a fit to the others."""
        _, tree = self.fit(self.tables(slice(0, None, 2)))
        return statistics(tree, self.tables(slice(1, None, 2)))

    def left_out(self) -> dict[str, dict[str, float]]:
        """Statistics of every chip under a fit that never saw it, on every second row to save time."""
        found: dict[str, dict[str, float]] = {}
        tables = self.tables(slice(0, None, 2))
        for chip in dict.fromkeys(table.group.chip for table in tables):
            _, tree = self.fit([table for table in tables if table.group.chip != chip])
            own = statistics(tree, [table for table in tables if table.group.chip == chip])
            found |= {label.replace(f"{chip} all", chip): row for label, row in own.items()}
        return found
