"""The accuracy of operators as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from silmark.graph import Array
from silmark.validation.grid import Grid
from silmark.validation.operators.accuracy import Said

_TITLE = "Operators: ln(measured / predicted), no row in its own correction"
_HEADERS = ("operators", "chip", "evidence", "rows", "error", "bias", "in bar", "high/low")


@dataclass(frozen=True, slots=True)
class Line:
    """One kind of operator on one chip.

    Attributes:
        error: median |ln(measured / predicted)|; bias: median of ln(measured / predicted).
        coverage: share of rows in the error bar; width: high over low of the bar.
    """

    operators: str
    chip: str
    evidence: str
    rows: int
    error: float
    bias: float
    coverage: float
    width: float


def lines(said: Sequence[Said]) -> Iterator[Line]:
    """By kind, evidence and chip; kinds that one chip alone measured have no line for other chips."""
    for one in said:
        for chip, left in one.by_chip.items():
            yield _line(one, chip, left)


def _line(one: Said, chip: str, left: Array) -> Line:
    low, high = min(0.0, one.low), max(0.0, one.high)
    return Line(
        operators=one.kind,
        chip=chip,
        evidence=one.evidence,
        rows=int(left.size),
        error=float(np.median(np.abs(left))),
        bias=float(np.median(left)),
        coverage=float(np.mean((left >= low) & (left <= high))),
        width=float(np.exp(high - low)),
    )


def grid(said: Sequence[Said]) -> Grid:
    """The table that `silmark validate` prints."""
    rows = []
    for one in lines(said):
        numbers = (f"{number:.2f}" for number in (one.error, one.bias, one.coverage, one.width))
        rows.append((one.operators, one.chip, one.evidence, f"{one.rows:,}", *numbers))
    return Grid(_TITLE, _HEADERS, tuple(rows), 3, detail=True)


def as_dicts(said: Sequence[Said]) -> list[dict[str, str | int | float]]:
    """The same for JSON."""
    return [asdict(one) for one in lines(said)]
