"""Error bars of operators, and what bends the mechanisms' answers towards how kernels were measured.

`data/corrections/operators.toml` keeps the curves over the predicted time (see `curves`), and
`data/calibration/operators.toml`, per kind of operator and evidence, the quantiles of ln(measured / predicted) that are
left. `silmark validate --write` writes both. The curves lie apart because no other question reads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from silmark.figures.figure import quadrature
from silmark.figures.own import folder
from silmark.figures.tables import packaged, read_figure
from silmark.graph import Array
from silmark.validation.operators.curves import FAR, KIN, SEEN, UNSEEN, Curve, Curves, shifts
from silmark.validation.operators.draft import Draft

FILE = "operators"
_UNKNOWN = 0.7  # a factor of two, until `silmark validate` has run
GRADES = {SEEN: "measured", KIN: "derived", UNSEEN: "derived", FAR: "assumed"}
_WHY = {
    SEEN: "corrected by public rows of this chip",
    KIN: "corrected by public rows of another chip of its generation, or of like operators on this one",
    UNSEEN: "corrected by public rows of other chips",
    FAR: "the mechanism, hardly corrected: nothing like it was measured in public",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """Quantiles of ln(measured / predicted)."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Predicted:
    """Seconds per row, NaN where there is none; grade, and where it comes from or why there is none."""

    low: Array
    mid: Array
    high: Array
    grade: list[str]
    why: list[str]


def root(path: str) -> str:
    """Kind of operator: the first part of a path."""
    return path.partition("/")[0]


@cache
def curves() -> Curves:
    """All curves by name."""
    table: dict[str, list[float]] = packaged("corrections").get(FILE, {}).get("curves", {})
    return {name: Curve(tuple(points[0::2]), tuple(points[1::2])) for name, points in table.items()}


@cache
def bars() -> Mapping[tuple[str, str], Bar]:
    """Quantiles by kind of operator and evidence."""
    fitted: dict[str, Any] = packaged("calibration").get(FILE, {})
    found = {}
    for name, row in fitted.get("residuals", {}).items():
        kind, _, evidence = name.rpartition(" ")
        found[kind, evidence] = Bar(min(0.0, row["q10"]), max(0.0, row["q90"]))
    return found


def _parameter(name: str, default: float = 0.0) -> float:
    """An assumption of the file; the default where there is no file."""
    leaf = packaged("calibration").get(FILE, {}).get("parameters", {}).get("kin", {}).get(name)
    return default if leaf is None else read_figure(f"{FILE}.toml", f"kin.{name}", leaf).value


def bar(kind: str, evidence: str) -> Bar:
    """The error bar of a kind of operator and evidence."""
    known = bars()
    if evidence == KIN and (kind, SEEN) in known:
        seen, apart = known[kind, SEEN], _parameter("width")
        return Bar(-quadrature((seen.low, apart)), quadrature((seen.high, apart)))
    found = known.get((kind, UNSEEN if evidence == FAR else evidence))
    if found is None:
        others = [one for (_, said), one in known.items() if said == UNSEEN] or [Bar(-_UNKNOWN, _UNKNOWN)]
        found = Bar(float(np.median([o.low for o in others])), float(np.median([o.high for o in others])))
    wider = _parameter("far", 1.0) if evidence == FAR else 1.0
    return Bar(found.low * wider, found.high * wider)


def apply(draft: Draft) -> Predicted:
    """Corrected predictions with error bars."""
    logs = np.log(draft.seconds)
    moved, evidence = shifts(curves(), draft.part, draft.chip, logs)
    mid = np.exp(logs + moved)
    pairs = [(root(path), said) for path, said in zip(draft.part, evidence, strict=True)]
    known = {pair: bar(*pair) for pair in dict.fromkeys(pairs)}
    low = mid * np.exp(-np.hypot([known[pair].low for pair in pairs], draft.spread.fast))
    high = mid * np.exp(np.hypot([known[pair].high for pair in pairs], draft.spread.slow))
    answered = np.isfinite(mid)
    return Predicted(
        low, mid, high,
        grade=[GRADES[said] if ok else "" for said, ok in zip(evidence, answered, strict=True)],
        why=_reasons(draft.why, evidence),
    )  # fmt: skip


def _reasons(refused: Sequence[str], evidence: Sequence[str]) -> list[str]:
    whose = "public rows" if folder() is None else "measured rows"
    known = {said: why.replace("public rows", whose) for said, why in _WHY.items()}
    return [why or known[said] for why, said in zip(refused, evidence, strict=True)]
