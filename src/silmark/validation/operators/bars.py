"""Error bars of operators, and what bends some answers of the mechanisms towards how kernels were measured.

`data/corrections/operators.toml` keeps which conditions were measured on which chips and the curves over the predicted
time (see `curves`), and `data/calibration/operators.toml`, per class of operators and evidence, the quantiles of
ln(measured / predicted) on rows that neither fit nor curves had seen. `silmark validate --write` writes both. The
corrections lie apart because no other question reads them.
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
from silmark.validation.operators.curves import (
    FAR,
    FITTED,
    FOREIGN,
    KIN,
    LIKE,
    SEEN,
    UNSEEN,
    Curve,
    Curves,
    evidences,
    measured_chips,
    shifts,
)
from silmark.validation.operators.draft import Draft

FILE = "operators"
_UNKNOWN = 0.7  # a factor of two, until `silmark validate` has run
GRADES = {SEEN: "measured", KIN: "derived", LIKE: "derived", UNSEEN: "derived", FAR: "assumed", FOREIGN: "assumed"}
_WHY = {
    SEEN: "such rows of this chip are public",
    KIN: "such rows of another chip of its generation are public",
    LIKE: "like rows of this chip are public, under another kernel or library",
    UNSEEN: "such rows of other chips of its vendor are public",
    FAR: "nothing like it was measured in public",
    FOREIGN: "no chip of this vendor was measured in public",
}
_SHORT = 50e-6
"""Seconds below which launches and latencies rule a kernel, beyond which rates and bandwidths do."""
_FORMATS = {"bfloat16": "16 bits", "fp16": "16 bits", "fp8_block": "fp8 by blocks"}
"""Formats of products whose kernels err apart; all others are narrow with one scale or few."""
_DIVIDED = ("vidur", "served-layer", "llmcompass")
"""Tables of whole layers, whose products and element-wise kernels err apart."""


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


def classes(paths: Sequence[str], seconds: Array) -> list[str]:
    """Class that every row shares its error bar with: kind, format of a product, and how long a kernel runs."""
    kinds = {path: _kind(path) for path in dict.fromkeys(paths)}
    return [
        f"{kinds[path]}, {'short' if took < _SHORT else 'long'}" if root(path) in FITTED else kinds[path]
        for path, took in zip(paths, seconds.tolist(), strict=True)
    ]


def _kind(path: str) -> str:
    found, _, rest = path.partition("/")
    if found == "gemm":
        return f"{found} {_FORMATS.get(root(rest), 'narrow')}"
    return f"{found} {root(rest)}" if found in _DIVIDED else found


@cache
def curves() -> Curves:
    """All curves by name."""
    table: dict[str, list[float]] = packaged("corrections").get(FILE, {}).get("curves", {})
    return {name: Curve(tuple(points[0::2]), tuple(points[1::2])) for name, points in table.items()}


@cache
def measured() -> Mapping[str, float]:
    """Rows by conditions and the chip that they were measured on."""
    return dict(packaged("corrections").get(FILE, {}).get("measured", {}))


@cache
def bars() -> Mapping[tuple[str, str], Bar]:
    """Quantiles by class of operators and evidence."""
    fitted: dict[str, Any] = packaged("calibration").get(FILE, {})
    found = {}
    for name, row in fitted.get("residuals", {}).items():
        kind, _, said = name.rpartition(" ")
        found[kind, said] = Bar(min(0.0, row["q10"]), max(0.0, row["q90"]))
    return found


def forget() -> None:
    """Drops what was read from the files of operators, which have changed."""
    for kept in (packaged, curves, measured, bars):
        kept.cache_clear()


def _parameter(name: str, default: float = 0.0) -> float:
    """An assumption of the file; the default where there is no file."""
    leaf = packaged("calibration").get(FILE, {}).get("parameters", {}).get("kin", {}).get(name)
    return default if leaf is None else read_figure(f"{FILE}.toml", f"kin.{name}", leaf).value


def bar(kind: str, evidence: str) -> Bar:
    """The error bar of a class of operators and evidence."""
    known = bars()
    if (kind, evidence) in known:
        return known[kind, evidence]
    if evidence == KIN and (kind, SEEN) in known:
        seen, apart = known[kind, SEEN], _parameter("width")
        return Bar(-quadrature((seen.low, apart)), quadrature((seen.high, apart)))
    if evidence == LIKE:
        return bar(kind, UNSEEN)
    if evidence in (FAR, FOREIGN):
        found, wider = bar(kind, UNSEEN), _parameter("far" if evidence == FAR else "foreign", 1.0)
        return Bar(found.low * wider, found.high * wider)
    # One chip cannot say how another would fare: what others' kinds lose, and no less than this kind's own scatter.
    others = [one for (_, said), one in known.items() if said == UNSEEN] or [Bar(-_UNKNOWN, _UNKNOWN)]
    own = known.get((kind, SEEN), Bar(0.0, 0.0))
    return Bar(
        min(own.low, float(np.median([o.low for o in others]))),
        max(own.high, float(np.median([o.high for o in others]))),
    )


def apply(draft: Draft) -> Predicted:
    """Corrected predictions with error bars."""
    logs = np.log(draft.seconds)
    mid = np.exp(logs + shifts(curves(), draft.part, draft.chip, logs))
    known = measured()
    evidence = evidences(known, measured_chips(known), draft.part, draft.chip)
    pairs = list(zip(classes(draft.part, mid), evidence, strict=True))
    found = {pair: bar(*pair) for pair in dict.fromkeys(pairs)}
    low = mid * np.exp(-np.hypot([found[pair].low for pair in pairs], draft.spread.fast))
    high = mid * np.exp(np.hypot([found[pair].high for pair in pairs], draft.spread.slow))
    answered = np.isfinite(mid)
    return Predicted(
        low, mid, high,
        grade=[GRADES[said] if ok else "" for said, ok in zip(evidence, answered, strict=True)],
        why=_reasons(draft.why, evidence),
    )  # fmt: skip


def _reasons(refused: Sequence[str], evidence: Sequence[str]) -> list[str]:
    whose = "public" if folder() is None else "measured"
    known = {said: why.replace("public", whose) for said, why in _WHY.items()}
    return [why or known[said] for why, said in zip(refused, evidence, strict=True)]
