"""Applies what engines add (`silmark.calibration.engines`) to predicted work, and fits it to public rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from silmark.calibration import engines, points
from silmark.calibration.engines import TERMS, Overheads, Sample
from silmark.figures import Interval
from silmark.figures.figure import quadrature
from silmark.figures.tables import data_folder, packaged
from silmark.graph import Experts
from silmark.mapping import probe
from silmark.validation import cross, names
from silmark.validation.cross import Widths
from silmark.validation.predict import bar
from silmark.validation.rows import Row
from silmark.validation.work import Work
from silmark.workloads import Step

_NARROWEST = ("fp4", "fp8", "int8")
ASIDE = "aside"
"""Rows that are predicted, but say nothing about others: the open division of MLPerf, which changes the model, and runs
that contradict themselves."""
_ALL = "all"
"""What the file calls all engines together."""
_UNITS = {"rate": "1", "cache": "1"}


def sample(row: Row, done: Work) -> Sample:
    """A measured row as the fit wants it: its value turned into seconds."""
    seconds = row.value if done.amount is None else done.amount / row.value
    return Sample(engine(row), _slug(done.kind), levels(done), seconds, features(done))


def engine(row: Row) -> str:
    """Engine and version range of a row; Argonne's tables state no version, and are of 2024.

    MLPerf's closed division is an engine of its own: see `names.submission`.
    """
    if names.doubted(row):
        return ASIDE
    if row.table == "mlperf_inference_llm":
        return names.submission(row) or ASIDE
    return engines.key(row.engine, row.version or ("2024" if row.table.startswith("argonne") else ""))


def features(done: Work) -> tuple[float, ...]:
    """What the terms of an engine count, in the order of TERMS; host times have no part in watts."""
    if done.kind == "power":
        return (done.seconds, *(0.0 for _ in TERMS[1:]))
    model = done.step_model
    return (
        done.seconds,
        done.steps,
        done.sequences,
        done.tokens,
        float(done.kind == "latency"),
        _ungrouped(done),
        done.steps * model.model.layer_count * math.log2(model.plan.tp),
    )


def _ungrouped(done: Work) -> float:
    """Seconds that attention of decode steps takes longer if every query head reads its cache by itself."""
    if not done.context:
        return 0.0
    model = done.step_model
    step = Step.decode([max(1.0, done.sequences / done.steps / model.depth)], done.context)
    ops = model.attention(step)
    return done.steps * sum(
        float(np.sum(model.op_cost(op).time_s)) * (op.heads / op.kv_heads - 1.0) for op in ops if op.heads > op.kv_heads
    )


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
    if "chip" in unseen and known["vendor"] not in mine.effects.get("vendor", {}):
        unseen[0] = "vendor"
    if not own:  # what other engines did with the chip or the model says little
        unseen = ["engine"]
    below, above = _sides(widths, known["vendor"], kind, unseen)
    below, above = quadrature([below, done.spread[0]]), quadrature([above, done.spread[1]])
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


def _sides(known: Widths, vendor: str, kind: str, unseen: Sequence[str]) -> tuple[float, float]:
    """Widths below and above of a time: of what was not seen, in quadrature; nearest residuals first."""
    sides = []
    for level in unseen or ["row"]:
        # A kind that was measured on one model (or chip) only: as wide as the widest of all kinds' levels.
        pooled = [known.get(("", "", other), (1.0, 1.0)) for other in (level, "chip")]
        most = (max(low for low, _ in pooled), max(high for _, high in pooled))
        keys = ((vendor, kind, level), ("", kind, level))
        sides.append(next((known[key] for key in keys if key in known), most))
    return quadrature(low for low, _ in sides), quadrature(high for _, high in sides)


def file() -> Path:
    """The file of what engines add."""
    return data_folder() / "calibration" / "engines.toml"


def write(samples: Sequence[Sample], left: cross.Left, path: Path | None = None) -> Path:
    """Fits and writes data/calibration/engines.toml.

    Args:
        samples: rows of all engines.
        left: what fits left of them that did not see them.
        path: file to write, the packaged one by default.
    """
    found, widths = engines.fit(samples), cross.widths(left)
    leaves: dict[str, points.Leaf] = {}
    tables: dict[str, dict[str, Any]] = {}
    for (name, kind, chip), mine in found.items():
        place = f"{name or _ALL}.{kind}.{chip or _ALL}"
        for term, value, spread in zip(TERMS, mine.terms, mine.spread, strict=True):
            wide = float(np.exp(min(1.2816 * spread, 3.0)))
            leaves[f"{place}.{term}"] = points.leaf(
                value, value / wide, value * wide, _UNITS.get(term, "s"), source="silmark-calibration", grade="derived"
            )
        if not chip:
            tables[f"chips.{place}"] = dict(mine.rows)
        for level, effects in mine.effects.items():
            tables[f"effects.{place}.{level}"] = dict(effects)
    for (vendor, kind, level), sides in sorted(widths.items()):
        tables.setdefault(f"widths.{vendor or _ALL}.{kind or _ALL}", {})[level] = sides
    head = points.head(
        "engines",
        "silmark validate --write",
        "public end-to-end rows of measurements/public; effects are ln(measured / predicted)",
        len(samples),
    )
    path = path or file()
    points.write(path, head, leaves, tables)
    overheads.cache_clear()
    return path


@cache
def overheads() -> tuple[dict[engines.Key, Overheads], Widths]:
    """The fitted overheads, and widths by vendor, kind and what was not seen."""
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
        ("" if vendor == _ALL else vendor, "" if kind == _ALL else kind, level): (float(sides[0]), float(sides[1]))
        for vendor, kinds in table.get("widths", {}).items()
        for kind, by_level in kinds.items()
        for level, sides in by_level.items()
    }
    return found, widths


def _slug(kind: str) -> str:
    """A kind as the calibration file names it."""
    return "-".join(kind.lower().replace(",", "").split())
