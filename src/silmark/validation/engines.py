"""Applies what engines add (`silmark.calibration.engines`) to predicted work, and fits it to public rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from silmark.calibration import engines, points
from silmark.calibration.engines import TERMS, Overheads, Sample, quantiles
from silmark.figures import Interval
from silmark.figures.figure import quadrature
from silmark.figures.tables import data_folder, packaged
from silmark.graph import Experts
from silmark.mapping import probe
from silmark.validation.predict import bar
from silmark.validation.rows import Row
from silmark.validation.work import Work

Widths = dict[tuple[str, str, str], tuple[float, float]]
_NARROWEST = ("fp4", "fp8", "int8")
_LEAST_WIDTH = 0.05
"""Narrower than repeats of one configuration under another version of its engine."""
_LEAST_ROWS = 30
"""Rows from which an engine's own residuals say how wide a bar must be."""
_OPEN = "mlperf-open"
_ALL = "all"
"""What the file calls all engines together."""
_UNITS = {"rate": "1", "step": "s", "sequence": "s", "token": "s"}


def sample(row: Row, done: Work) -> Sample:
    """A measured row as the fit wants it: its value turned into seconds."""
    seconds = row.value if done.amount is None else done.amount / row.value
    return Sample(engine(row), _slug(done.kind), levels(done), seconds, features(done))


def engine(row: Row) -> str:
    """Engine and version range of a row; Argonne's tables state no version, and are of 2024.

    MLPerf's closed division is an engine of its own: whatever software it names, it was tuned to the benchmark.
    """
    if row.table == "mlperf_inference_llm":
        return _OPEN if "; open;" in row.notes else "mlperf-closed"
    return engines.key(row.engine, row.version or ("2024" if row.table.startswith("argonne") else ""))


def features(done: Work) -> tuple[float, float, float, float]:
    """Seconds of chips and links, steps, sequences, prompt tokens; host times have no part in watts."""
    if done.kind == "power":
        return done.seconds, 0.0, 0.0, 0.0
    return done.seconds, done.steps, done.sequences, done.tokens


def levels(done: Work) -> dict[str, str]:
    """What a prediction belongs to, by level of `calibration.engines.LEVELS`."""
    model, chip = done.step_model, done.step_model.target.chip
    network = "experts" if any(isinstance(op, Experts) for op in probe(model.model)) else "dense"
    narrow = next((name for name in _NARROWEST if name in chip.formats), "wide")
    return {
        "network": network,
        "format": model.plan.precision.weights,
        "vendor": chip.vendor,
        "generation": f"{chip.vendor}-{narrow}",
        "chip": chip.id,
        "model": model.model.name,
    }


def corrected(row: Row, done: Work) -> tuple[Interval, str]:
    """The value with the row's engine, its error bar, and in words where both come from."""
    found, widths = overheads()
    name, kind, known = engine(row), _slug(done.kind), levels(done)
    mine = engines.lookup(found, name, kind, known["chip"])
    if mine is None:
        return bar(done), f"{done.kind}; no engine was measured so: engine of today"
    own = (name, kind, "") in found
    seconds = mine.seconds(features(done), known)
    value = seconds if done.amount is None else done.amount / seconds
    unseen = [level for level in ("chip", "model") if known[level] not in mine.effects.get(level, {})]
    if not own:  # what other engines did with the chip or the model says little
        unseen = ["engine"]
    below, above = _sides(widths, name if own else "", kind, unseen)
    if done.amount is not None:
        below, above = above, below
    said = f"engine {name}" if own else f"engine {name} has no such rows: all engines together"
    what = f"; no such row of its {' and '.join(unseen)}" if own and unseen else ""
    return Interval.around(value, below, above), f"{done.kind}; {said}{what}"


def relative(row: Row, done: Work) -> float:
    """Factor on the predicted value for what the row's engine adds, whatever is special to its chip and model."""
    found, _ = overheads()
    mine = engines.lookup(found, engine(row), _slug(done.kind), "")
    if mine is None:
        return 1.0
    general = {level: name for level, name in levels(done).items() if level not in ("chip", "model")}
    slower = mine.seconds(features(done), general) / done.seconds
    return slower if done.amount is None else 1.0 / slower


def _sides(widths: Widths, name: str, kind: str, unseen: Sequence[str]) -> tuple[float, float]:
    """Widths below and above of a time: of what was not seen, in quadrature; nearest residuals first."""
    sides = []
    for level in unseen or ["seen"]:
        # A kind that was measured on one model (or chip) only: as wide as the widest of all kinds' levels.
        keys = ((name, kind, level), ("", kind, level))
        pooled = [widths.get(("", "", other), (1.0, 1.0)) for other in (level, "chip")]
        most = (max(low for low, _ in pooled), max(high for _, high in pooled))
        sides.append(next((widths[key] for key in keys if key in widths), most))
    return quadrature(low for low, _ in sides), quadrature(high for _, high in sides)


def fit(samples: Sequence[Sample]) -> tuple[dict[engines.Key, Overheads], Widths]:
    """Overheads, and how wide what they leave is: for chips, models and engines that the fit did not see."""
    residuals: dict[str, list[tuple[Sample, float]]] = {"seen": [], "chip": [], "model": [], "engine": []}
    found = engines.fit(samples)
    for one in samples:
        mine = engines.lookup(found, one.engine, one.kind, one.chip)
        assert mine is not None
        residuals["seen"].append((one, float(np.log(one.seconds / mine.seconds(one.work, one.levels)))))
    for kind in sorted({one.kind for one in samples}):
        own = [one for one in samples if one.kind == kind]
        for level in ("chip", "model", "engine"):
            residuals[level] += engines.left_out(own, level)
    widths: Widths = {}
    for level, pairs in residuals.items():
        for name, kind in {("", ""), *((e, o.kind) for o, _ in pairs for e in ("", o.engine))}:
            mine_are = [(o, r) for o, r in pairs if (not kind or o.kind == kind) and (not name or o.engine == name)]
            if len(mine_are) >= (_LEAST_ROWS if name else 5):
                widths[name, kind, level] = _width(mine_are)
    return found, widths


def _width(pairs: Sequence[tuple[Sample, float]]) -> tuple[float, float]:
    """Widths that hold 80 %: chips of an engine weigh alike."""
    groups: dict[tuple[str, str, str], list[float]] = {}
    for one, rest in pairs:
        groups.setdefault((one.engine, one.kind, one.chip), []).append(rest)
    low, _, high = quantiles([np.array(values) for values in groups.values()])
    return max(_LEAST_WIDTH, -low), max(_LEAST_WIDTH, high)


def file() -> Path:
    """The file of what engines add."""
    return data_folder() / "calibration" / "engines.toml"


def write(samples: Sequence[Sample], path: Path | None = None) -> Path:
    """Fits and writes data/calibration/engines.toml."""
    # The open division changes the model: it is predicted, but says nothing about others.
    found, widths = fit([one for one in samples if one.engine != _OPEN])
    leaves: dict[str, points.Leaf] = {}
    tables: dict[str, dict[str, Any]] = {}
    for (name, kind, chip), mine in found.items():
        place = f"{name or _ALL}.{kind}.{chip or _ALL}"
        for term, value, spread in zip(TERMS, mine.terms, mine.spread, strict=True):
            wide = float(np.exp(min(1.2816 * spread, 3.0)))
            leaves[f"{place}.{term}"] = points.leaf(
                value, value / wide, value * wide, _UNITS[term], source="silmark-calibration", grade="derived"
            )
        if not chip:
            tables[f"chips.{place}"] = dict(mine.rows)
        for level, effects in mine.effects.items():
            tables[f"effects.{place}.{level}"] = dict(effects)
    for (name, kind, level), sides in sorted(widths.items()):
        tables.setdefault(f"widths.{name or _ALL}.{kind or _ALL}", {})[level] = sides
    head: dict[str, str | int] = {
        "family": "engines",
        "date": datetime.now(UTC).date().isoformat(),
        "command": "silmark validate --write",
        "data": "public end-to-end rows of measurements/public; effects are ln(measured / predicted)",
        "rows": len(samples),
    }
    path = path or file()
    points.write(path, head, leaves, tables)
    overheads.cache_clear()
    return path


@cache
def overheads() -> tuple[dict[engines.Key, Overheads], Widths]:
    """The fitted overheads, and widths by engine, kind and what was not seen."""
    return read(packaged("calibration").get("engines", {}))


def read(table: Mapping[str, Any]) -> tuple[dict[engines.Key, Overheads], Widths]:
    """The content of engines.toml."""
    found: dict[engines.Key, Overheads] = {}
    for name, kinds in table.get("parameters", {}).items():
        for kind, on in kinds.items():
            for chip, terms in on.items():
                effects = table["effects"][name][kind][chip]
                own = tuple(float(terms[term]["value"]) for term in TERMS)
                found["" if name == _ALL else name, kind, "" if chip == _ALL else chip] = Overheads(own, effects)
    widths: Widths = {
        ("" if name == _ALL else name, "" if kind == _ALL else kind, level): (float(sides[0]), float(sides[1]))
        for name, kinds in table.get("widths", {}).items()
        for kind, by_level in kinds.items()
        for level, sides in by_level.items()
    }
    return found, widths


def _slug(kind: str) -> str:
    """A kind as the calibration file names it."""
    return "-".join(kind.lower().replace(",", "").split())
