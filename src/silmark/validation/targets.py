"""The summary of all checks: how wrong predictions are where nothing was fitted, against what they are to reach.

seen      the chip was measured; shape, model or configuration were not
unseen    the chip was never measured, what it runs was on others
far       neither: kernels or wiring that were measured nowhere else

Errors are medians of |predicted / measured - 1| by chip, each chip counted once. The error bar of a row is made of
other rows; it is to hold 80 % of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from silmark.calibration.engines import quantiles
from silmark.calibration.interval import of_new
from silmark.figures.tables import packaged
from silmark.graph import Array
from silmark.validation import cross
from silmark.validation.grid import Grid
from silmark.validation.operators.accuracy import Said
from silmark.validation.operators.curves import FAR, KIN, UNSEEN

Side = Literal["seen", "unseen", "far"]
WIDTHS: Mapping[Side, float] = {"seen": 1.6, "unseen": 3.0}
"""High over low that a median error bar is to stay below."""
_LOAD = "full load, MLPerf"
AIMS: Mapping[str, tuple[float, float]] = {
    "GEMM": (0.06, 0.10),
    "attention": (0.10, 0.15),
    "routed experts": (0.12, 0.20),
    "collectives": (0.10, 0.20),
    "time per token, batch latency": (0.10, 0.20),
    "first token, idle": (0.15, 0.25),
    _LOAD: (0.15, 0.25),
    "training": (0.08, 0.15),
}
"""Median errors to reach by class: on chips that were measured, and on others."""
_KINDS = {
    "tpot": "time per token, batch latency",
    "latency": "time per token, batch latency",
    "ttft": "first token, idle",
    "throughput": _LOAD,
    "mlperf-offline": _LOAD,
    "mlperf-offline-passes": _LOAD,
    "mlperf-server": _LOAD,
    "mlperf-server-passes": _LOAD,
    "mlperf-interactive": _LOAD,
    "mlperf-alone": _LOAD,
    "power": "power",
}
_OPERATORS = {
    "gemm": "GEMM",
    "vidur product": "GEMM",
    "served-layer product": "GEMM",
    "prefill": "attention",
    "decode": "attention",
    "mixed-attention": "attention",
    "tpu-attention": "attention",
    "experts": "routed experts",
    "grouped": "routed experts",
    "all_reduce": "collectives",
    "collective": "collectives",
    "between": "collectives",
    "exchange": "collectives",
    "send_recv": "collectives",
}
"""Class by how the name of a kind of operators begins."""
_SIDES: Mapping[str, Side] = {KIN: "unseen", UNSEEN: "unseen", FAR: "far"}
"""By evidence; of all other evidence the chip itself was measured."""
LEVELS: Mapping[Side, tuple[str, ...]] = {"seen": ("model", "row"), "unseen": ("chip",)}
"""What is left out, the harder question first; a class without models to leave out is asked for other rows."""
_CHIPS: Mapping[Side, str] = {
    "seen": "measured",
    "unseen": "never measured",
    "far": "never measured, nor its kernels",
}
_TRAINING: Mapping[Side, str] = {"seen": "model_left_out", "unseen": "chip_left_out"}


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one class on one chip.

    Attributes:
        what: class.
        error: median |predicted / measured - 1|.
        inside: share of rows in their error bars.
        width: median of the bars' high over low.
    """

    what: str
    side: Side
    chip: str
    rows: int
    error: float
    inside: float
    width: float


@dataclass(frozen=True, slots=True)
class Line:
    """One class: medians over chips (each of its parts' medians, by rows), and the share of all rows that bars hold.

    Attributes:
        aim: the error to reach, None where none is set.
    """

    what: str
    side: Side
    rows: int
    chips: int
    error: float
    aim: float | None
    inside: float
    width: float


def part(what: str, side: Side, chip: str, left: Array, below: Array, above: Array) -> Part:
    """A part from ln(measured / predicted) and the bars' widths in logarithms."""
    return Part(
        what=what,
        side=side,
        chip=chip,
        rows=int(left.size),
        error=float(np.median(np.abs(np.expm1(-left)))),
        inside=float(np.mean((-below <= left) & (left <= above))),
        width=float(np.exp(np.median(below + above))),
    )


def served(judged: Mapping[tuple[str, str], Sequence[cross.Judged]]) -> Iterator[Part]:
    """Parts of whole models being served."""
    for side, levels in LEVELS.items():
        for kind, what in _KINDS.items():
            found = next((judged[kind, level] for level in levels if (kind, level) in judged), ())
            for chip in dict.fromkeys(one.sample.chip for one in found):
                own = [one for one in found if one.sample.chip == chip]
                numbers = np.array([(one.left, one.below, one.above) for one in own]).T
                yield part(what, side, chip, *numbers)


def operators(said: Iterable[Said]) -> Iterator[Part]:
    """Parts of operators; a chip that was never measured is judged by the bars that the others make."""
    for one in said:
        side = _SIDES.get(one.evidence, "seen")
        for chip, left in one.by_chip.items():
            others = [rows for other, rows in one.by_chip.items() if other != chip]
            if not others or side == "seen":
                below, above = -one.low, one.high
            elif side == "unseen":
                below, above = of_new(others)
            else:
                low, _, above = quantiles(others)
                below = -low
            sides = (np.full(left.size, max(0.0, width)) for width in (below, above))
            yield part(_operator(one.kind), side, chip, left, *sides)


def _operator(kind: str) -> str:
    """The class of a kind of operators, which is named after its first words."""
    return next((what for start, what in _OPERATORS.items() if kind.startswith(start)), "other layers")


def trained() -> Iterator[Part]:
    """Parts of training, as its fit left them."""
    fitted = packaged("calibration").get("training", {})
    for side, table in _TRAINING.items():
        for label, row in fitted.get(table, {}).items():
            _, chip, _ = label.split(" ")
            yield Part("training", side, chip, int(row["rows"]), row["median_error"], row["inside"], row["width"])


def lines(parts: Iterable[Part]) -> list[Line]:
    """The summary, in the order of AIMS; classes without an aim come last."""
    groups: dict[tuple[str, Side], list[Part]] = {}
    for one in parts:
        groups.setdefault((one.what, one.side), []).append(one)
    names = [*AIMS, *dict.fromkeys(what for what, _ in groups if what not in AIMS)]
    return [_line(groups[what, side]) for what in names for side in _CHIPS if (what, side) in groups]


def _line(parts: Sequence[Part]) -> Line:
    what, side = parts[0].what, parts[0].side
    aims = AIMS.get(what)
    chips: dict[str, list[Part]] = {}
    for one in parts:
        chips.setdefault(one.chip, []).append(one)
    errors, widths = (
        [float(np.median(np.repeat([getattr(p, name) for p in own], [p.rows for p in own]))) for own in chips.values()]
        for name in ("error", "width")
    )
    return Line(
        what=what,
        side=side,
        rows=sum(one.rows for one in parts),
        chips=len(chips),
        error=float(np.median(errors)),
        aim=None if aims is None or side == "far" else aims[side == "unseen"],
        inside=float(np.average([one.inside for one in parts], weights=[one.rows for one in parts])),
        width=float(np.median(widths)),
    )


def grid(found: Sequence[Line]) -> Grid:
    """As a table."""
    rows = []
    for one in found:
        aim = "-" if one.aim is None else f"{100 * one.aim:.0f} %"
        limit = f"{WIDTHS[one.side]:.1f}" if one.side in WIDTHS else "-"
        counts = (_CHIPS[one.side], f"{one.chips}", f"{one.rows:,}")
        bar = (f"{100 * one.inside:.0f} %", f"{one.width:.2f}", limit)
        rows.append((one.what, *counts, f"{100 * one.error:.1f} %", aim, *bar))
    headers = ("class", "chip", "chips", "rows", "median error", "aim", "in bar (80 %)", "high/low", "aim")
    return Grid("Error where nothing was fitted", headers, tuple(rows), 2)
