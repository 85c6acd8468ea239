"""Fits the cpu family's ratios to measured rows, with the mechanism itself as the model.

The transformer's rows take no part: predicted from the graph that Silmark lowers, they check that the operators add
up. Half of every operator's sizes, left out in turn, say how far the fit carries to sizes that it did not see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from silmark.calibration import points
from silmark.calibration.measure import rows as table
from silmark.calibration.measure import transformer
from silmark.calibration.robust import Fit, Group, fit, statistics
from silmark.chips import Chip, host
from silmark.chips.mechanisms import Placement, build
from silmark.figures import Figure, Grade
from silmark.formats import FORMATS, Precision
from silmark.graph import Array, Attention, Elementwise, Gemm, Op
from silmark.models.catalogue import build as build_model
from silmark.models.config import Config
from silmark.models.parts import NORM_FLOPS, SILU_FLOPS
from silmark.workloads import Step

FITTED = ("gemm", "attention_prefill", "attention_decode", "elementwise", "copy")
_STEPS: tuple[tuple[tuple[str, ...], Mapping[str, float], Mapping[str, float]], ...] = (
    (
        ("gemm",),
        {"gemm.flop_share": 0.8, "gemm.panel_share": 0.5, "gemm.vector_gain": 1.3, "gemm.block": 4.0},
        {"gemm.restart": 5e-8, "gemm.overlap": 0.8, "gemm.fixed": 1e-5},
    ),
    (
        ("attention_prefill", "attention_decode"),
        {"attention.prefill_share": 0.4, "attention.decode_share": 0.1},
        {"attention.half_block": 20.0, "attention.fixed": 2e-5, "attention.stream_share": 0.6},
    ),
    (("elementwise", "copy"), {"elementwise.flop_share": 0.2}, {"elementwise.fixed": 5e-6, "cache.share": 0.3}),
)
"""(kinds of rows, parameters of each format, parameters of all formats) fitted together, with starting values."""
_BOUNDS = {
    "flop_share": (0.01, 1.0), "panel_share": (0.02, 1.2), "vector_gain": (1.0, 5.0), "block": (1.0, 64.0),
    "restart": (1e-9, 1e-6), "overlap": (0.02, 1.0), "fixed": (1e-8, 1e-3), "prefill_share": (0.005, 1.2),
    "decode_share": (0.0005, 1.2), "half_block": (0.5, 300.0), "stream_share": (0.02, 1.5), "share": (0.01, 1.0),
}  # fmt: skip
_BLIND = 1e-9
_SECONDS = ("gemm.restart", "gemm.fixed", "attention.fixed", "elementwise.fixed")
_HEADS = ("num_heads", "num_key_value_heads", "head_dim")
_WEIGHTS: Mapping[str, tuple[str, ...]] = {
    "gemm": ("n", "k"), "elementwise": ("op", "hidden_size"), "copy": (), "attention_prefill": _HEADS,
    "attention_decode": _HEADS,
}  # fmt: skip
"""Columns that one operator has one value of; the others become its arrays."""
_ELEMENTWISE = {"norm": (2, 2, NORM_FLOPS), "act": (2, 1, SILU_FLOPS + 1), "add": (2, 1, 1)}
"""Elements read, written and operations per element of the width, as the models' lowering counts them."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one kind, format and weights' shape: one operator over an array of sizes."""

    kind: str
    dtype: str
    op: Op
    seconds: Array

    def group(self, chip: Chip) -> Group:
        """As the fit wants it; kinds and formats weigh alike."""
        label = f"{self.kind} {self.dtype}"
        return Group(label, label, self.seconds, partial(_predict, chip, self))


def batched(measured: Sequence[table.Row], kind: str) -> list[Batch]:
    """Rows of a kind as operators over arrays."""
    together: dict[tuple[object, ...], list[table.Row]] = {}
    for row in measured:
        if row["kind"] == kind:
            key = (table.dtype(row) or "fp32", *(row[name] for name in _WEIGHTS[kind]))
            together.setdefault(key, []).append(row)
    return [
        Batch(kind, str(key[0]), _operator(kind, some), np.array([float(r["time_us"]) * 1e-6 for r in some]))
        for key, some in together.items()
    ]


def _operator(kind: str, some: Sequence[table.Row]) -> Op:
    first = table.point(some[0])

    def sizes(column: str) -> Array:
        return np.array([float(row[column]) for row in some])

    if kind == "gemm":
        return Gemm(name=kind, m=sizes("m"), n=first.size("n"), k=first.size("k"))
    if kind == "copy":
        return Elementwise(name=kind, m=sizes("bytes") / FORMATS["fp32"].bytes, read=1, write=1, flops=0)
    if kind == "elementwise":
        width = first.size("hidden_size")
        read, write, flops = (width * count for count in _ELEMENTWISE[str(first.shape["op"])])
        return Elementwise(name=kind, m=sizes("num_tokens"), read=read, write=write, flops=flops)
    decode, width, kv = kind == "attention_decode", first.size("head_dim"), first.size("num_key_value_heads")
    return Attention(
        name=kind,
        seqs=sizes("batch_size"),
        new=np.ones(len(some)) if decode else sizes("isl"),
        past=sizes("kv_len") - 1.0 if decode else np.zeros(len(some)),  # kv_len counts the token of the step
        heads=first.size("num_heads"),
        kv_heads=kv,
        qk_dim=width,
        v_dim=width,
        kv_width=2 * kv * width,
    )


def _predict(chip: Chip, batch: Batch, values: Mapping[str, float]) -> Array:
    machine = build(_fitted(chip, values), Precision.of(batch.dtype), Placement())
    return np.asarray(machine.cost(batch.op).time_s)


def _fitted(chip: Chip, values: Mapping[str, float]) -> Chip:
    keys = {f"calibration.cpu.{key}": value for key, value in values.items()}
    own = {key: Figure(key, value, value, value, "1", host.SOURCE, Grade.DERIVED) for key, value in keys.items()}
    return replace(chip, figures={**chip.figures, **own})


def parameters(chip: Chip, batches: Sequence[Batch]) -> tuple[dict[str, float], dict[str, points.Leaf]]:
    """Fitted ratios of the cpu family, as values and as entries of the file; kinds without rows are left alone."""
    values: dict[str, float] = {}
    entries: dict[str, points.Leaf] = {}
    for kinds, own, common in _STEPS:
        chosen = [batch for batch in batches if batch.kind in kinds]
        if not chosen:
            continue
        start = dict(common)
        for dtype in dict.fromkeys(batch.dtype for batch in chosen):
            start |= {_of(key, dtype): value for key, value in own.items()}
        bounds = {key: _BOUNDS[key.rpartition(".")[2]] for key in start}
        found = _wide_where_blind(fit([batch.group(chip) for batch in chosen], start, bounds))
        values |= found.values
        for key, leaf in found.leaves(host.SOURCE, {}).items():
            entries[key] = {**leaf, "unit": "s"} if key in _SECONDS else leaf
    return values, entries


def _wide_where_blind(found: Fit) -> Fit:
    """A parameter that no row feels has no variance of its own: it gets one that says nothing is known."""
    own = np.diag(found.covariance)
    blind = ~(own > _BLIND)
    return replace(found, covariance=found.covariance + np.diag(np.where(blind, 1.0 - own, 0.0)))


def _of(key: str, dtype: str) -> str:
    group, _, rest = key.partition(".")
    return f"{group}.{dtype}.{rest}"


def residuals(
    chip: Chip, batches: Sequence[Batch], measured: Sequence[table.Row], values: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Statistics of ln(predicted / measured) by kind and format.

    Fitted rows with the fit that saw them; `left out` rows with one that saw the other half of the shapes; and the
    transformer, which no fit sees.
    """
    found = {k: v for k, v in statistics([b.group(chip) for b in batches], values).items() if not k.endswith(" all")}
    halves = [[_part(batch, turn + i) for i, batch in enumerate(batches)] for turn in (0, 1)]
    halves = [[batch for batch in half if batch.seconds.size] for half in halves]
    seen: dict[str, list[Group]] = {}
    for other, own in (halves, halves[::-1]):
        kept = parameters(chip, other)[0]
        for batch in own:
            errors = batch.group(chip).errors(kept)
            label = f"{batch.kind} left out"
            known = Group(label, label, np.exp(-errors), partial(_ones, errors.size))
            seen.setdefault(label, []).append(known)
    found |= {k: v for some in seen.values() for k, v in statistics(some, {}).items() if not k.endswith(" all")}
    whole = [_whole(row, chip, values) for row in measured if row["kind"].startswith("transformer")]
    return found | {k: v for k, v in statistics(whole, values).items() if not k.endswith(" all")}


def _ones(size: int, _: Mapping[str, float]) -> Array:
    return np.ones(size)


def _part(batch: Batch, turn: int) -> Batch:
    """Every other size of a batch; neighbouring batches take turns, so that either half has the smallest of some."""
    keep = np.arange(batch.seconds.size) % 2 == turn % 2
    arrays = {name: getattr(batch.op, name)[keep] for name in ("m", "seqs", "new", "past") if hasattr(batch.op, name)}
    return replace(batch, op=replace(batch.op, **arrays), seconds=batch.seconds[keep])


def _whole(row: table.Row, chip: Chip, values: Mapping[str, float]) -> Group:
    seconds = transformer_seconds(row, _fitted(chip, values))
    label = f"{row['kind']} {table.dtype(row)}"
    return Group(label, label, np.array([float(row["time_us"]) * 1e-6]), lambda _: np.array([seconds]))


def transformer_seconds(row: table.Row, chip: Chip) -> float:
    """Predicted time of a transformer's row: Silmark's own lowering of the same shapes, operator by operator."""
    point = table.point(row)
    model = build_model(Config(transformer.config(point), "measured transformer", "measured"))
    decode = row["kind"] == "transformer_decode"
    batch = point.size("batch_size")
    step = Step.decode(batch, point.size("kv_len")) if decode else Step.prefill(batch, point.size("isl"))
    machine = build(chip, Precision.of(table.dtype(row)), Placement())
    return float(sum(np.sum(machine.cost(op).time_s) for op in model.lower(step)))
