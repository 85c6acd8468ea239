"""Fits the coefficients of training software on public throughput rows and writes data/calibration/training.toml.

Each stack gets as many coefficients as its rows can tell: LLM Foundry (193 rows in 16 bits, three chips) six, MaxText
four, Levanter two, Megatron one; torchtitan takes LLM Foundry's. What belongs to no stack: products in narrow formats,
and attention kernels on chips that outgrew them, for which a paper's ratio stands in where no row tells (with H100
left out). Error bars of fitted chips come from rows whose model was left out, those of other chips from rows whose chip
was left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from silmark.calibration import interval, points, robust, rows
from silmark.calibration.points import Leaf, leaf
from silmark.figures.tables import data_folder
from silmark.graph import Array
from silmark.training.rows import Measured, measured
from silmark.training.software import effective, outgrown
from silmark.training.timing import timing

TABLE = "training_throughput"
FAMILIES = ("gpu", "systolic")
SOURCE = "training-throughput-rows"
_FOUNDRY = {
    "foundry.matrix": 1.05, "foundry.attention": 1.6, "heads.attention": 0.2, "foundry.stream": 1.8,
    "foundry.hidden": 0.4, "generation.attention": 2.0,
}  # fmt: skip
_BOUNDS = {
    "foundry.matrix": (0.9, 2.0), "foundry.attention": (0.8, 5.0), "heads.attention": (0.01, 1.0),
    "foundry.stream": (0.8, 6.0), "generation.attention": (1.0, 3.0), "foundry.hidden": (0.02, 1.0),
    "maxtext.attention": (0.2, 3.0), "maxtext.experts": (0.5, 5.0), "maxtext.hidden": (0.3, 1.0),
    "levanter.attention": (0.2, 3.0),
}  # fmt: skip
_STEPS: tuple[tuple[str, Mapping[str, float]], ...] = (
    ("foundry", _FOUNDRY),
    ("narrow", {"narrow.matrix": 0.8}),
    ("megatron", {"megatron.matrix": 1.0}),
    ("maxtext", {"maxtext.matrix": 1.0, "maxtext.attention": 0.9, "maxtext.experts": 1.0, "maxtext.hidden": 0.8}),
    ("levanter", {"levanter.matrix": 1.0, "levanter.attention": 0.9}),
)
"""(rows, parameters) fitted one after another, each with what was fitted before."""
_NOTES = {
    "foundry.matrix": "matrix products over the mechanism's time",
    "foundry.attention": "Triton and FlashAttention-2 kernels over the mechanism's serving kernels",
    "heads.attention": "exponent of the head's width over 128",
    "foundry.stream": "unfused element-wise operators over a serving engine's fused ones",
    "generation.attention": "attention on chips that its kernels do not fill (H100); 75/35 from arXiv:2407.08608 where "
    "no row tells it",
    "foundry.hidden": "share of FSDP's exchanges that compute hides, where it could hide them all",
    "narrow.matrix": "products in 8 bits over the mechanism's, which quantises every operand by itself",
    "megatron.matrix": "four rows of full recomputation (arXiv:2205.05198, table 5)",
    "maxtext.matrix": "dense and routed models, full recomputation assumed where a row names none",
    "maxtext.attention": "compiled kernels over the mechanism's paged serving kernel",
    "maxtext.experts": "routed experts, exchanges of tokens between them included, over the mechanism's products",
    "maxtext.hidden": "share of the exchanges between replicas that compute hides",
    "levanter.matrix": "widths, batch and recomputation are assumed from the models' sizes",
    "levanter.attention": "as levanter.matrix",
}
_GIVEN: dict[str, Leaf] = {
    "generation.attention": leaf(
        75 / 35, 1.5, 2.3, "1", source="arxiv-2407-08608", grade="paper",
        note="H100: 35 % of the peak with FlashAttention-2, up to 75 % with 3",
    ),
    "power.exponent": leaf(
        0.4, 0.0, 0.6, "1", source="silmark-assumption", grade="assumed",
        note="clock under load over power above idle: 1/3 where voltage follows the clock, 1/2 and more near its floor",
    ),
    "compiled.stream": leaf(
        1.0, 0.8, 1.6, "1", source="silmark-assumption", grade="assumed",
        note="compiled element-wise operators are fused as in serving engines, which the mechanism describes",
    ),
    "async_tp.exchange": leaf(
        0.6, 0.2, 0.9, "1", source="silmark-assumption", grade="assumed",
        note="share of exchanges inside a layer that asynchronous tensor parallelism hides",
    ),
    "foundry.layer": leaf(
        0.0, 0.0, 2e-5, "s", source=SOURCE, grade="derived",
        note="host seconds per layer and pass that show: fitted freely they vanish, the host runs ahead",
    ),
    "foundry.exchange": leaf(0.0, 0.0, 0.3, "1", source="arxiv-2205-05198", grade="paper", note="none is hidden"),
    "megatron.attention": leaf(1.0, 0.7, 1.5, "1", source="silmark-assumption", grade="assumed", note="unfused"),
    "megatron.stream": leaf(1.0, 0.8, 1.6, "1", source="silmark-assumption", grade="assumed", note="fused by hand"),
    "foundry.experts": leaf(
        1.0, 0.7, 2.0, "1", source="silmark-assumption", grade="assumed", note="no public row trains experts on GPUs"
    ),
    "maxtext.layer": leaf(0.0, 0.0, 0.0, "s", source="silmark-assumption", grade="assumed", note="one program a step"),
    "maxtext.exchange": leaf(0.0, 0.0, 0.5, "1", source="silmark-assumption", grade="assumed", note="none is hidden"),
}  # fmt: skip
_LEAST_ROWS = 3
_GENERATION = "generation.attention"


@dataclass(frozen=True, slots=True)
class _Known:
    """Rows with their parts, and what the table of results calls them."""

    rows: list[Measured]

    def select(self, step: str) -> list[Measured]:
        """Rows that a step of the fit uses."""
        if step == "narrow":
            return [r for r in self.rows if not r.question.job.wide]
        return [r for r in self.rows if r.question.job.stack == step and r.question.job.wide]


def run() -> None:
    """Fits, leaves out chips and models in turn, and writes the file."""
    known = _Known([m for row in rows.table(TABLE) if isinstance(m := measured(row), Measured)])
    base = {key: float(entry["value"]) for key, entry in _GIVEN.items()}
    leaves: dict[str, Leaf] = {}
    for step, start in _STEPS:
        found = _fit(known.select(step), start, base)
        base |= found.values
        leaves |= found.leaves(SOURCE, _NOTES)
    seen = _errors(known.rows, base)
    chip, model = _left_out(known, base, "chip"), _left_out(known, base, "model")
    leaves = {**_GIVEN, **leaves, **_classes(known.rows, model, chip)}
    head = points.head("training", "silmark calibrate training", f"measurements/public/{TABLE}", len(known.rows))
    named = {"residuals": (seen, ""), "chip_left_out": (chip, "chip"), "model_left_out": (model, "model")}
    tables = {
        f'{name}."{label}"': row
        for name, (errors, by) in named.items()
        for label, row in _table(known.rows, errors, by).items()
    }
    points.write(data_folder() / "calibration" / "training.toml", head, dict(sorted(leaves.items())), tables)


def _predict(rows_: Sequence[Measured], table: Mapping[str, float]) -> Array:
    return np.array([timing(r.parts, effective(table, r.question.job, r.chip, r.question.model)).total for r in rows_])


def _fit(rows_: Sequence[Measured], start: Mapping[str, float], base: Mapping[str, float]) -> robust.Fit:
    if not any(outgrown(r.chip) for r in rows_):
        start = {key: value for key, value in start.items() if key != _GENERATION}
    base = {key: value for key, value in base.items() if key not in start}
    groups = []
    for chip in dict.fromkeys(r.chip.id for r in rows_):
        own = [r for r in rows_ if r.chip.id == chip]
        seconds = np.array([r.seconds for r in own])
        groups.append(robust.Group(chip, chip, seconds, lambda p, own=own: _predict(own, p)))  # type: ignore[misc]
    return robust.fit(groups, start, _BOUNDS, fixed=base)


def _errors(rows_: Sequence[Measured], table: Mapping[str, float]) -> Array:
    """ln(predicted / measured) of a step's time."""
    return np.asarray(np.log(_predict(rows_, table) / np.array([r.seconds for r in rows_])))


def _key(row: Measured, by: str) -> str:
    return row.chip.id if by == "chip" else row.question.model.name


def _left_out(known: _Known, base: Mapping[str, float], by: str) -> Array:
    """Errors of every row under a fit that saw no row of its chip, or of its model.

    A stack that would keep no rows takes the coefficients of its kin, as an unknown stack would.
    """
    found = np.full(len(known.rows), np.nan)
    for value in dict.fromkeys(_key(r, by) for r in known.rows):
        table = {key: float(entry["value"]) for key, entry in _GIVEN.items()}
        for step, start in _STEPS:
            kept = [r for r in known.select(step) if _key(r, by) != value]
            if len(kept) >= _LEAST_ROWS:
                table |= _fit(kept, start, table).values
            elif step == "maxtext":
                table |= start
            elif step == "narrow":
                table |= {"narrow.matrix": 1.0}
        index = [i for i, r in enumerate(known.rows) if _key(r, by) == value]
        found[index] = _errors([known.rows[i] for i in index], table)
    return found


def _classes(rows_: Sequence[Measured], seen: Array, unseen: Array) -> dict[str, Leaf]:
    """Measured over predicted by family of chips, for chips of the fit and others: median, and bars for new members."""
    found = {}
    for name, by, errors in (("seen", "model", seen), ("unseen", "chip", unseen)):
        for family in FAMILIES:
            members = _members(rows_, errors, family, by)
            logs = np.concatenate(list(members.values()))
            below, above = interval.of_new(list(members.values()))
            mid = float(np.exp(np.median(logs)))
            found[f"residual.{family}_{name}"] = leaf(
                mid, min(mid, float(np.exp(-below))), max(mid, float(np.exp(above))), "1", source=SOURCE,
                grade="measured", note=f"measured over predicted, {logs.size} rows, {by} left out",
            )  # fmt: skip
    return found


def _members(rows_: Sequence[Measured], errors: Array, family: str, by: str) -> dict[str, Array]:
    """ln(measured / predicted) of a family's rows by chip or model."""
    own = [i for i, row in enumerate(rows_) if row.chip.family == family]
    return {name: -errors[[i for i in own if _key(rows_[i], by) == name]] for name in {_key(rows_[i], by) for i in own}}


def _group(row: Measured) -> str:
    return f"{row.question.job.stack} {row.chip.id}"


def _table(rows_: Sequence[Measured], errors: Array, by: str) -> dict[str, dict[str, float]]:
    """What `robust.statistics` says of times, by stack, chip and format; left out, with the bars of the others."""
    found = {}
    labels = [f"{_group(r)} {r.question.job.precision}" for r in rows_]
    bars = {family: interval.left_out(_members(rows_, errors, family, by)) for family in FAMILIES} if by else {}
    for label in dict.fromkeys(labels):
        own = [i for i, one in enumerate(labels) if one == label]
        e = errors[own]
        found[label] = {
            "rows": float(e.size),
            "median_error": float(np.median(np.abs(e))),
            "bias": float(np.median(e)),
            "p90_error": float(np.quantile(np.abs(e), 0.9)),
        }
        if bars:
            sides = np.array([bars[rows_[i].chip.family][_key(rows_[i], by)] for i in own])
            found[label]["inside"] = float(np.mean((-sides[:, 0] <= -e) & (-e <= sides[:, 1])))
            found[label]["width"] = float(np.exp(np.median(sides.sum(axis=1))))
    return found
