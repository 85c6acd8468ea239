"""Fits the systolic family on public operator timings of one TPU v6e and writes its parameters.

Rows: Llama-3.1-8B's layers per token count and its attention per (queries, context, batch), taken by
casys-kaist/LLMServingSim at commit 5daddb2 (MIT). The mechanism itself is the model that is fitted: a
subclass hands it trial coefficients, so there is one set of formulas only.

Three findings that shaped the mechanism: q_proj and up_proj read their weights from HBM at 0.82 of its
peak; o_proj finds them in VMEM, because the program fetched them during attention (placement "sram"); and
attention costs the same for 1 to 20 query tokens, at a rate that no memory explains - the padded softmax on
the vector unit does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray

from silmark.calibration import points, rows
from silmark.chips import catalog
from silmark.chips.mechanisms.base import Placement, Resource
from silmark.chips.mechanisms.systolic import Systolic
from silmark.figures.tables import data_folder
from silmark.formats import Precision
from silmark.graph import Array, Attention, Elementwise, Gemm, Op

CHIP = "google-tpu-v6e"
SOURCE = "llmservingsim-tpu-v6e"
_HIDDEN, _INNER, _HEADS, _KV_HEADS, _HEAD = 4096, 14336, 32, 8, 128
_PROJECTIONS = {"q_proj": (_HIDDEN, False), "up_proj": (_INNER, False), "o_proj": (_HIDDEN, True)}
_STEPS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("operator.fixed", "vector.share"), ("input_layernorm",)),
    (("gemm.share", "gemm.install", "gemm.exposed_input", "memory.share"), tuple(_PROJECTIONS)),
    (
        ("attention.google.query_block", "attention.score_operations", "attention.google.sequence"),
        ("attention decode", "attention prefill"),
    ),
)
"""(parameters, groups of rows) fitted together, in this order."""
_START = {
    "gemm.share": 0.9,
    "gemm.install": 0.5,
    "gemm.exposed_input": 1.0,
    "memory.share": 0.8,
    "operator.fixed": 5e-7,
    "vector.share": 0.9,
    "attention.google.query_block": 24.0,
    "attention.score_operations": 60.0,
    "attention.google.sequence": 2e-6,
}
_ASSUMED = {
    "attention.static.query_block": (1.0, 1.0, 22.5, "static batches pad no queries; chosen, not fitted, on "
    "Gaudi 2 end to end: eight rows, median predicted over measured time 0.87 (padded: 2.5)"),
    "attention.static.sequence": (0.0, 0.0, 2.7, "no fixed time per sequence where the batch is static"),
    "vector.peak_share": (1 / 40, 1 / 128, 1 / 16, "for chips without a vector peak: TPU v5e 1/32, v6e 1/128, Gaudi 2 "
    "1/79, Trainium 1 1/18"),
    "staging.gain": (22.0, 4.3, 30.0, "on-die over main bandwidth: the scaling book gives 22 for v5e; low: what "
    "the fastest measured norm needs at least"),
    "staging.capacity_share": (0.5, 0.25, 0.9, "the other half of the on-die memory holds prefetched weights"),
}  # fmt: skip
_NOTES = {
    "gemm.share": "share of the peak that streaming rows reach once the input has arrived",
    "gemm.install": "cycles to install one row of weights into an array",
    "gemm.exposed_input": "times that the input crosses main memory before the arrays run; a bare share of the peak "
    "(0.75 at n = 4096, 0.87 at n = 14336) does not carry over between widths, this does",
    "memory.share": "weights streamed from HBM while few tokens are in the step",
    "operator.fixed": "smallest time of a fused operator inside one program",
    "vector.share": "RMSNorm of 4096 elements counted as 4 operations each",
    "attention.google.query_block": "query tokens that the paged attention kernel computes at least per sequence",
    "attention.score_operations": "vector operations per score (exponential, mask, maximum, rescaling)",
    "attention.google.sequence": "fixed time per sequence (its first pages arrive)",
}
_UNITS = {"operator.fixed": "s", "attention.google.sequence": "s"}


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one operator: what was run, seconds, and whether its weights were on the die already."""

    op: Op
    seconds: Array
    on_die: bool = False

    def some(self, rows: NDArray[np.bool_]) -> Group:
        """A part of the rows."""
        sizes = {name: getattr(self.op, name)[rows] for name in ("m", "seqs", "new", "past") if hasattr(self.op, name)}
        return Group(replace(self.op, **sizes), self.seconds[rows], self.on_die)


class _Trial(Systolic):
    """The mechanism with coefficients of the fit instead of the packaged ones."""

    trial: Mapping[str, float] = _START

    def _kernel(self) -> str:
        return "attention.google"

    def coefficient(self, key: str, *bounds: Resource) -> float:
        """The trial's value of a coefficient."""
        return self.trial[key]


def predict(values: Mapping[str, float], group: Group) -> Array:
    """Seconds of a group's rows on the fitted chip with given coefficients."""
    trial = {key: value for key, (value, *_) in _ASSUMED.items()} | dict(values)
    mechanism = type("_Now", (_Trial,), {"trial": trial})
    placement = Placement(weights="sram" if group.on_die else "main")
    return np.asarray(mechanism(catalog.load(CHIP), Precision.of("bf16"), placement).cost(group.op).time_s)


def observations() -> dict[str, Group]:
    """All rows by group."""
    table = rows.table("ops_tpu_v6e_layers_llmservingsim")
    groups: dict[str, Group] = {}
    for name, (n, on_die) in _PROJECTIONS.items():
        m, seconds = _layer(table, name)
        groups[name] = Group(Gemm(name=name, m=m, n=n, k=_HIDDEN), seconds, on_die)
    m, seconds = _layer(table, "input_layernorm")
    norm = Elementwise(name="norm", m=m, read=_HIDDEN, write=_HIDDEN, flops=4 * _HIDDEN)
    return groups | {"input_layernorm": Group(norm, seconds)} | _attention()


def _layer(table: Sequence[rows.Row], name: str) -> tuple[Array, Array]:
    pairs = np.asarray([(float(r["tokens"]), float(r["time_us"]) * 1e-6) for r in table if r["op"] == name])
    return pairs[:, 0], pairs[:, 1]


def _attention() -> dict[str, Group]:
    table = rows.table("ops_tpu_v6e_attention_llmservingsim")
    groups: dict[str, Group] = {}
    for name, flag in (("attention decode", "False"), ("attention prefill", "True")):
        mine = [r for r in table if r["is_prefill"] == flag]
        seqs = np.asarray([float(r["batch_size"]) for r in mine])
        new = np.asarray([float(r["prefill_chunk_size"]) or 1.0 for r in mine])
        # In decode the cache size counts the token of the step.
        past = np.asarray([float(r["kv_cache_size"]) for r in mine]) - (flag == "False")
        op = Attention(
            name=name, seqs=seqs, new=new, past=past, heads=_HEADS, kv_heads=_KV_HEADS, qk_dim=_HEAD, v_dim=_HEAD,
            kv_width=2 * _KV_HEADS * _HEAD,
        )  # fmt: skip
        groups[name] = Group(op, np.asarray([float(r["time_us"]) * 1e-6 for r in mine]))
    return groups


def fit(groups: Mapping[str, Group]) -> tuple[dict[str, float], list[tuple[tuple[str, ...], Array]]]:
    """Robust least squares of log ratios, each group of rows counting alike.

    Returns:
        Values, and per step the covariance of its parameters' logarithms.
    """
    from scipy.optimize import least_squares  # noqa: PLC0415  an extra, needed here only

    values = dict(_START)
    covariances = []
    for keys, names in _STEPS:
        chosen = [groups[name] for name in names if name in groups]
        residuals = partial(_residuals, keys, chosen, dict(values))
        answer = least_squares(
            residuals, np.log([values[key] for key in keys]), loss="soft_l1", f_scale=3e-3, diff_step=1e-3
        )
        values |= dict(zip(keys, np.exp(answer.x).tolist(), strict=True))
        freedom = max(1, sum(len(group.seconds) for group in chosen) - len(keys))
        covariance = np.linalg.pinv(answer.jac.T @ answer.jac) * (2.0 * answer.cost / freedom)
        covariances.append((keys, np.asarray(covariance)))
    return values, covariances


def _residuals(keys: tuple[str, ...], groups: list[Group], fixed: dict[str, float], logs: Array) -> Array:
    now = fixed | dict(zip(keys, np.exp(logs).tolist(), strict=True))
    return np.concatenate([np.log(predict(now, g) / g.seconds) / np.sqrt(len(g.seconds)) for g in groups])


def left_out(groups: Mapping[str, Group]) -> dict[str, float]:
    """Median measured over predicted time of rows under a fit to the others.

    A projection has siblings and is left out as a whole. Norms and attention have none: their longer half is.
    """
    ratios = {}
    for name, group in groups.items():
        if name in _PROJECTIONS:
            out, values = group, fit({key: other for key, other in groups.items() if key != name})[0]
        else:
            sizes = group.op.m if isinstance(group.op, Elementwise) else _pairs(group.op)
            longer = sizes > np.median(sizes)
            out, values = group.some(longer), fit({**groups, name: group.some(~longer)})[0]
        ratios[name if out is group else f"{name}, longer half"] = float(np.median(out.seconds / predict(values, out)))
    return ratios


def _pairs(op: Op) -> Array:
    """Scores of one head, what attention takes longest for."""
    return np.asarray(op.seqs * op.new * (op.past + op.new)) if isinstance(op, Attention) else np.zeros(())


def intervals(values: Mapping[str, float], groups: Mapping[str, Group]) -> dict[str, tuple[float, float]]:
    """80 % of what single rows imply for each parameter, over the rows whose time it mainly sets.

    This is the spread between kernels and shapes, the quantity that carries over to another chip; the
    error of the mean (the covariance) is far smaller.
    """
    found: dict[str, tuple[float, float]] = {}
    for keys, names in _STEPS:
        for key in keys:
            implied = []
            for name in names:
                base = predict(values, groups[name])
                slope = np.log(predict({**values, key: values[key] * 1.01}, groups[name]) / base) / np.log(1.01)
                felt = np.abs(slope) > (0.5 if key != "gemm.exposed_input" else 0.1)
                logs = -np.log(base / groups[name].seconds)[felt] / slope[felt]
                implied.append(np.clip(logs, -1.2, 1.2))
            logs = np.concatenate(implied)
            low, high = np.quantile(logs, (0.1, 0.9)) if len(logs) >= 10 else (-0.7, 0.7)
            found[key] = (values[key] * float(np.exp(min(low, 0))), values[key] * float(np.exp(max(high, 0))))
    return found


def run() -> None:
    """Fits the family and writes `data/calibration/systolic.toml`."""
    groups = observations()
    values, covariances = fit(groups)
    bounds = intervals(values, groups)
    parameters = {}
    for key, value in values.items():
        low, high = bounds[key]
        high = min(high, 1.0) if key.endswith("share") else high
        unit = _UNITS.get(key, "1")
        parameters[key] = points.leaf(value, low, high, unit, source=SOURCE, grade="derived", note=_NOTES[key])
    for key, (value, low, high, note) in _ASSUMED.items():
        unit = "us" if key.endswith("sequence") else "1"
        parameters[key] = points.leaf(value, low, high, unit, source="silmark-assumption", grade="assumed", note=note)
    tables: dict[str, dict[str, float | list[float]]] = {
        f"covariance.{keys[0].partition('.')[0]}": dict(zip(keys, matrix.tolist(), strict=True))
        for keys, matrix in covariances
    }
    for name, group in groups.items():
        ratio = np.log(predict(values, group) / group.seconds)
        q10, bias, q90 = np.quantile(ratio, (0.1, 0.5, 0.9)).tolist()
        error = float(np.expm1(np.median(np.abs(ratio))))
        key = f"residuals.{name.replace(' ', '_')}"
        tables[key] = {"rows": len(ratio), "median_error": error, "bias": bias, "q10": q10, "q90": q90}
    tables["left_out"] = {**left_out(groups)}
    head: dict[str, str | int] = {
        "family": "systolic",
        "date": datetime.now(UTC).date().isoformat(),
        "command": "silmark calibrate systolic",
        "data": "measurements/public/ops_tpu_v6e_layers_llmservingsim and ops_tpu_v6e_attention_llmservingsim",
        "chip": CHIP,
        "rows": sum(len(group.seconds) for group in groups.values()),
    }
    points.write(data_folder() / "calibration" / "systolic.toml", head, parameters, tables)
