"""What a kind of table fills in: seconds per row, the chip, and under which conditions it was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from silmark.chips import catalog
from silmark.chips.mechanisms import AbstractMechanism, Placement, build
from silmark.chips.mechanisms.gpu import Gpu
from silmark.chips.mechanisms.gpu_experts import Routing
from silmark.chips.mechanisms.gpu_gemm import wide_format
from silmark.errors import BadValue, SilmarkError, UnknownName
from silmark.figures.tables import packaged
from silmark.formats import Precision
from silmark.graph import Array, Attention, Experts, Op
from silmark.validation.operators.columns import Columns, Index

Filling = tuple[str, str, Array] | tuple[str, str, Array, "Spread"]
"""Arguments of `Draft.fill` after the rows."""
UNREADABLE = "a size is missing or not a number above 0"


@dataclass(frozen=True, slots=True)
class Spread:
    """How far uncertain inputs may move a prediction: ln(predicted / fastest) and ln(slowest / predicted), per row."""

    fast: Array
    slow: Array


class Draft:
    """Predictions of one table before error bars.

    Attributes:
        seconds: per row; NaN where there is none.
        chip: id of the chip per row.
        part: conditions per row, most general first, joined by "/": rows of one part err alike.
        why: reason per row that has no prediction.
        spread: what inputs add to error bars that are more uncertain than those of measured chips; mostly 0.
    """

    def __init__(self, rows: int) -> None:
        self.seconds: Array = np.full(rows, np.nan)
        self.chip: list[str] = [""] * rows
        self.part: list[str] = [""] * rows
        self.why: list[str] = [""] * rows
        self.spread = Spread(np.zeros(rows), np.zeros(rows))

    def fill(self, rows: Index, chip: str, part: str, seconds: Array, spread: Spread | None = None) -> None:
        """Sets the predictions of some rows."""
        values = np.broadcast_to(seconds, rows.shape)
        self.seconds[rows] = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        if spread is not None:
            self.spread.fast[rows], self.spread.slow[rows] = spread.fast, spread.slow
        for row in rows.tolist():
            self.chip[row], self.part[row] = chip, part
            if np.isnan(self.seconds[row]):
                self.why[row] = UNREADABLE

    def refuse(self, rows: Index, why: str) -> None:
        """Says why some rows have none."""
        for row in rows.tolist():
            self.why[row] = why


def by_group(table: Columns, keys: tuple[str, ...], predict: Callable[[tuple[str, ...], Index], Filling]) -> Draft:
    """A draft from a function over the groups of some columns: (values, rows) -> chip, part, seconds [, spread].

    A group whose chip, model or format is unknown is refused with the error's own sentence.
    """
    draft = Draft(table.rows)
    with np.errstate(all="ignore"):
        for key, rows in table.groups(*keys):
            try:
                draft.fill(rows, *predict(key, rows))
            except SilmarkError as error:
                draft.refuse(rows, str(error))
    return draft


def alias(kind: str, name: str, section: str = "operators") -> str:
    """What the catalogue calls a name of the tables; raises UnknownName."""
    known: dict[str, str] = packaged("aliases")[kind][section]
    if name not in known:
        raise UnknownName(f"{kind} name", name, known, hint=f"data/aliases/{kind}.toml lists those of the tables")
    return known[name]


def whole(name: str, text: str) -> int:
    """A whole number from 1 to a million; raises BadValue."""
    if not (text.isdecimal() and len(text) < 7 and int(text)):
        raise BadValue(name, text, "a whole number from 1 to 999,999")
    return int(text)


@cache
def machine(chip: str, formats: str, engine: str = "") -> AbstractMechanism:
    """The mechanism of a chip in given formats; a format that the chip does not multiply in is widened first.

    A kernel of the same name is another one on another vendor's chips, so that the factors of NVIDIA's stay there.
    """
    found, precision = catalog.load(chip), Precision.of(formats)
    engine = engine if found.vendor == "NVIDIA" else ""
    if precision.compute not in found.formats:
        wide = wide_format(found, "bf16")
        precision = Precision(precision.weights, wide, precision.kv if precision.kv != precision.compute else wide)
    return build(found, precision, Placement(engine=engine))


def seconds(
    chip: str, formats: str, op: Op, engine: str = "", cached: bool = False, routing: Routing | None = None
) -> Array:
    """Seconds of one operator over arrays of sizes; NaN where a size is.

    Args:
        chip: id.
        formats: as `Precision.of` reads them.
        op: the operator.
        engine: whose kernels run, as `gpu_kernels.Engine` reads it.
        cached: whether a benchmark repeats attention on the same KV.
        routing: where a benchmark sends the tokens of routed experts; None: anywhere alike.
    """
    sizes = [np.asarray(getattr(op, name)) for name in ("m", "seqs", "new", "past") if hasattr(op, name)]
    found = machine(chip, formats, engine)
    if isinstance(found, Gpu) and isinstance(op, Attention):
        return _only_known(found.attention_time(op, cached), *sizes)
    if isinstance(found, Gpu) and isinstance(op, Experts) and routing is not None:
        return _only_known(found.expert_time(op, routing), *sizes)
    return _only_known(found.cost(op).time_s, *sizes)


def _only_known(took: Array, *sizes: Array | float) -> Array:
    """Times of known sizes: where several resources compete, one that is not a number just loses."""
    known = ~np.isnan(sum(np.asarray(size, dtype=np.float64) for size in sizes))
    return np.where(known, took, np.nan)


def gemm(
    chip: str, formats: str, m: Array, n: Array | float, k: Array | float, copies: float | None = None, engine: str = ""
) -> Array:
    """Seconds of matrix products on a GPU.

    Args:
        chip: id.
        formats: as `Precision.of` reads them.
        m, n, k: rows, outputs, depth.
        copies: of the weights that a benchmark cycles through.
        engine: whose kernels run.
    """
    found = machine(chip, formats, engine)
    if not isinstance(found, Gpu):
        raise UnknownName("chip for this table", chip, (), hint="the table was measured on GPUs")
    return _only_known(found.gemm_time(m, n, k, copies), m, n, k)
