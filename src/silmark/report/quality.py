"""The answer of `silmark quality`: one row per chip, as a table, as JSON, as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from silmark.figures import Interval
from silmark.quality import HEADLINE, MEASURES, Chosen, Layer, Quality
from silmark.report.rows import printed
from silmark.report.table import grid

SCHEMA = "silmark.quality/1"
_SHOWN = {
    "language": ("perplexity", "kl", "top1_agreement", "first_difference", "equal_tokens", "snr_db"),
    "encoder": ("cosine", "cosine_least", "pair_rmse", "neighbour_agreement", "snr_db"),
    "classifier": ("accuracy", "agreement", "kl", "snr_db"),
    "outputs": ("cosine", "cosine_least", "snr_db"),
}


@dataclass(frozen=True, slots=True)
class QualityRow:
    """One chip's answer; `quality` is None where the chip cannot run the model."""

    chosen: Chosen
    quality: Quality | None

    @property
    def status(self) -> str:
        """ok, no-numbers (outputs that are infinite or NaN) or cannot-run."""
        if self.quality is None:
            return "cannot-run"
        return "ok" if self.quality.finite else "no-numbers"

    @property
    def remark(self) -> str:
        """Why there are no numbers, else empty."""
        if self.quality is None:
            return self.chosen.reason
        return "" if self.quality.finite else "outputs are infinite or NaN: values leave the format's range"

    def as_dict(self) -> dict[str, Any]:
        """The row as in the JSON schema."""
        way, found = self.chosen.way, self.quality
        return {
            "chip": self.chosen.chip.id,
            "status": self.status,
            "reason": self.remark,
            "precision": self.chosen.precision,
            "arithmetic": way.arithmetic if way else None,
            "stored_weights": (way.weights or None) if way else None,
            "stored_kv": (way.kv or None) if way else None,
            "weight_bits": way.weight_bits if way else None,
            "grade": str(self.chosen.grade) if way else None,
            "source": self.chosen.source or None,
            "note": self.chosen.reason if way else "",
            "measures": found.as_dict() if found else None,
            "layers": [_layer(one) for one in found.layers] if found and found.layers else None,
        }


@dataclass(frozen=True, slots=True)
class QualityAnswer:
    """One model and every chip's row, best first.

    Attributes:
        question: what was asked, after defaults.
        model: facts of the model that ran: name, task, parameters, items, origin.
        notes: what a reader must know besides.
    """

    question: Mapping[str, Any]
    model: Mapping[str, Any]
    rows: tuple[QualityRow, ...]
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.quality/1."""
        return {
            "schema": SCHEMA,
            "question": dict(self.question),
            "model": dict(self.model),
            "notes": list(self.notes),
            "rows": [row.as_dict() for row in self.rows],
        }

    def heading(self) -> str:
        """The question in one line."""
        facts = self.model
        reference = next((row.quality.measures for row in self.rows if row.quality and row.quality.finite), {})
        known = [
            f"{MEASURES[n].words} {format(reference[n].mid, MEASURES[n].form)}"
            for n in reference
            if n.endswith("_fp32")
        ]
        said = "; ".join([f"{facts['items']}", *known])
        return f"{facts['name']}, {facts['parameters']:,} weights, {facts['task']}: {said}; against fp32"

    def table(self) -> Table:
        """One row per chip."""
        names = [name for name in _SHOWN[self.model["task"]] if any(_has(row, name) for row in self.rows)]
        cells = [[*_who(row), *(_cell(row, name) for name in names), row.remark] for row in self.rows]
        headers = ["chip", "format", "arithmetic", "grade", *(MEASURES[name].words for name in names), ""]
        return grid(headers, cells, numeric=range(4, 4 + len(names)))

    def layers(self, most: int | None = None) -> list[Table]:
        """Per arithmetic, the products from the one that adds most noise to the one that adds least.

        Args:
            most: rows of one table; None for all.
        """
        tables, seen = [], set()
        for row in self.rows:
            if row.quality and row.quality.layers and row.chosen.way not in seen:
                seen.add(row.chosen.way)
                worst = sorted(row.quality.layers, key=lambda one: (one.own_db, one.total_db))[:most]
                cells = [[one.name, _db(one.own_db), _db(one.total_db)] for one in worst]
                headers = ["product", "SNR it adds (dB)", "SNR up to here (dB)"]
                tables.append(grid(headers, cells, title=f"{row.chosen.way}", numeric=(1, 2)))
        return tables

    def draw(self, path: Path) -> None:
        """Writes a picture: what each arithmetic costs in bits per weight and leaves in signal-to-noise ratio."""
        from silmark.report.picture import panels  # noqa: PLC0415 - loads matplotlib

        headline = HEADLINE[self.model["task"]]
        with panels(path, (13, 5), (1, 1)) as axes:
            for name, axis in zip(("snr_db", headline), axes, strict=True):
                for label, (bits, value) in _points(self.rows, name).items():
                    axis.errorbar(
                        bits, value.mid, [[value.mid - value.low], [value.high - value.mid]], fmt="o", markersize=4
                    )
                    axis.annotate(label, (bits, value.mid), (4, 3), textcoords="offset points", fontsize=7)
                axis.set(xscale="log", xlabel="stored bits per weight", ylabel=MEASURES[name].words)
                axis.set_xticks([4, 6, 8, 16, 32], ["4", "6", "8", "16", "32"], minor=False)
                axis.minorticks_off()
                axis.grid(visible=True, which="major", alpha=0.3)
            axes[0].set_title(f"{self.model['name']}: {self.model['items']}", fontsize=9)


def _points(rows: Sequence[QualityRow], name: str) -> dict[str, tuple[float, Interval]]:
    """By way: bits and measure, of ways whose measure is a finite number."""
    found = {}
    for row in rows:
        value = row.quality.measures.get(name) if row.quality else None
        if row.chosen.way is not None and value is not None and math.isfinite(value.mid):
            found[str(row.chosen.way)] = (row.chosen.way.weight_bits, value)
    return found


def order(row: QualityRow) -> tuple[bool, float, str]:
    """Best first; chips that cannot last."""
    value = row.quality.measures.get("snr_db") if row.quality else None
    return row.quality is None, -value.mid if value else math.inf, row.chosen.chip.id


def _who(row: QualityRow) -> list[str]:
    way = row.chosen.way
    if way is None:
        return [row.chosen.chip.id, row.chosen.precision, "-", "-"]
    return [row.chosen.chip.id, row.chosen.precision, str(way), str(row.chosen.grade)]


def _has(row: QualityRow, name: str) -> bool:
    return row.quality is not None and name in row.quality.measures


def _cell(row: QualityRow, name: str) -> str:
    if row.quality is None or name not in row.quality.measures:
        return "-"
    return printed(name, row.quality.measures[name])


def _db(value: float) -> str:
    return "-" if math.isnan(value) else "exact" if math.isinf(value) else f"{value:.1f}"


def _layer(layer: Layer) -> dict[str, Any]:
    numbers = {"own_db": layer.own_db, "total_db": layer.total_db}
    return {"name": layer.name, **{key: one if math.isfinite(one) else None for key, one in numbers.items()}}
