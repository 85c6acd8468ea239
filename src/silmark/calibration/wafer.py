"""Fits the wafer family on WaferLLM's published speeds of one WSE-2 (OSDI 2025, Tables 3, 4 and 6).

Tables 3 and 4 time one transformer layer on a square region, repeated; the cycles of a layer are the paper's
clock over tokens per second and layers. The layer is the one that the authors' kernels run: one head as wide as the
model, as many KV as query heads, every size padded to whole tiles of the region. Twelve points each, over four models
and three region sides. Least squares of relative errors; multiply-adds fill the core's lanes and are not fitted:

    decode   cycles = fixed + hop * P + row * (sum of k) / P + MAC / (lanes P^2)
    prefill  cycles = shift * P + move * (sum of m k + k n) / P + MAC / (lanes P^2)

Table 6 times two matrix-vector products alone. They share the terms of decoding, and the part of a layer's latency
that one of them takes is the single number that they fix; their region is not stated.

The paper's end-to-end times (Table 2) stay out of the fit; so does everything published about the WSE-3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silmark.calibration import points
from silmark.figures.tables import data_folder
from silmark.graph import Array

Row = Mapping[str, str]
CLOCK = 1.1e9
"""Cycles per second with which the authors convert their cycle counters."""
SOURCE = "waferllm-osdi-2025"


LANES = 4.0
"""Multiply-adds per cycle and core of the wafer that was timed."""
GEMV_SIDES = (660.0, 720.0, 750.0)
"""Cores per side on which Table 6 may have run, the likeliest in the middle: it does not say."""


@dataclass(frozen=True, slots=True)
class Observed:
    """Points of one of the paper's tables.

    Attributes:
        terms: regressors per point, [points, parameters].
        macs: cycles of the multiply-adds, which are known.
        cycles: measured cycles per layer.
        models, points: names.
    """

    terms: Array
    macs: Array
    cycles: Array
    models: tuple[str, ...]
    points: tuple[str, ...]

    def errors(self, values: Array) -> Array:
        """Predicted over measured cycles, less one."""
        return np.asarray((self.terms @ values + self.macs) / self.cycles - 1)

    def some(self, keep: NDArray[np.bool_]) -> Observed:
        """A part of the points; names stay."""
        return Observed(self.terms[keep], self.macs[keep], self.cycles[keep], self.models, self.points)


def terms(row: Row, side: float, tokens: int, context: float) -> tuple[list[float], float]:
    """One layer of the timed kernels: regressors of decoding (one token) or prefill, and cycles of multiply-adds."""
    hidden, inner, past = (np.ceil(size / side) * side for size in (float(row["hidden"]), float(row["inner"]), context))
    # Seven products with weights, and attention's two with the cache: (k, n).
    sizes = [(hidden, hidden)] * 4 + [(hidden, inner)] * 2 + [(inner, hidden), (hidden, past), (past, hidden)]
    depth, weights = sum(k for k, _ in sizes), sum(k * n for k, n in sizes)
    if tokens == 1:
        return [1.0, side, depth / side], weights / side**2 / LANES
    many = np.ceil(tokens / side) * side
    return [side, (many * depth + weights) / side], many * weights / side**2 / LANES


def observations(table: str) -> Observed:
    """Terms of the layer that was run, on its padded sizes, for Table 3 (prefill) or 4 (decode)."""
    rows = [row for row in points.read("waferllm") if row["table"] == table]
    regressors, macs, cycles = [], [], []
    for row in rows:
        context = int(row["prompt"])
        tokens = context if table == "3" else 1
        found, known = terms(row, float(row["side"]), tokens, context)
        regressors.append(found)
        macs.append(known)
        cycles.append(CLOCK * tokens / float(row["value"]) / float(row["layers"]))
    names = tuple(row["model"] for row in rows), tuple(row["point"] for row in rows)
    return Observed(np.asarray(regressors), np.asarray(macs), np.asarray(cycles), *names)


def whole_requests(decode: Array, prefill: Array) -> dict[str, float]:
    """Predicted over published speed of Table 2's requests: output tokens over prefill and decode time."""
    ratios = {}
    for row in (row for row in points.read("waferllm") if row["table"] == "2"):
        prompt, output = int(row["prompt"]), int(row["output"])
        first, macs = terms(row, float(row["side"]), prompt, prompt)
        later, more = terms(row, float(row["side2"]), 1, prompt + output / 2)
        cycles = float(row["layers"]) * (first @ prefill + macs + output * (later @ decode + more))
        ratios[row["point"]] = output * CLOCK / float(cycles) / float(row["value"])
    return ratios


def solve(seen: Observed) -> Array:
    """Least-squares coefficients, every point weighed by its own size."""
    known = 1 - seen.macs / seen.cycles
    return np.asarray(np.linalg.lstsq(seen.terms / seen.cycles[:, None], known, rcond=None)[0])


def leave_one_out(seen: Observed) -> tuple[Array, Array]:
    """Coefficients and relative errors with each model left out in turn: [models, terms] and [points]."""
    errors = np.zeros_like(seen.cycles)
    kept = []
    for model in dict.fromkeys(seen.models):
        out = np.asarray([m == model for m in seen.models])
        kept.append(solve(seen.some(~out)))
        errors[out] = seen.some(out).errors(kept[-1])
    return np.asarray(kept), errors


def vector_products(decode: Array, side: float = GEMV_SIDES[1]) -> tuple[Array, Array, Array]:
    """Table 6 by the terms of decoding: (measured cycles, those of rows and multiply-adds, a layer's latency)."""
    rows = [row for row in points.read("waferllm") if row["table"] == "6"]
    tiles = np.asarray([np.ceil(float(row["hidden"]) / side) for row in rows])
    measured = np.asarray([CLOCK * float(row["value"]) * 1e-3 for row in rows])
    work = decode[2] * tiles + tiles**2 / LANES
    return measured, np.asarray(work), np.asarray(decode[0] + decode[1] * side)


def reduction_share(decode: Array) -> tuple[float, float, float, dict[str, float]]:
    """What share of a layer's latency one product takes: value, low, high over sides and rows; left-out speeds.

    Left out, one row is predicted with the share that the other one gives.
    """
    shares = []
    for side in GEMV_SIDES:
        measured, work, latency = vector_products(decode, side)
        shares.append((measured - work) / latency)
    measured, work, latency = vector_products(decode)
    value = float(np.mean(shares[1]))
    names = [row["point"] for row in points.read("waferllm") if row["table"] == "6"]
    other = (work + latency * shares[1][::-1]) / measured
    left = dict(zip(names, (1 / other).tolist(), strict=True))
    return value, float(np.min(shares)), float(np.max(shares)), left


def covariance(seen: Observed, values: Array) -> Array:
    """Covariance of the coefficients from the scatter of the residuals."""
    rest = seen.errors(values)
    design = seen.terms / seen.cycles[:, None]
    return np.asarray(np.linalg.inv(design.T @ design) * (rest @ rest) / (len(rest) - len(values)))


def run() -> None:
    """Fits and writes `data/calibration/wafer.toml`."""
    parameters: dict[str, points.Leaf] = {}
    residuals: dict[str, object] = {}
    spread: dict[str, object] = {}
    left: dict[str, float] = {}
    fitted: dict[str, Array] = {}
    for regime, table, names in (("decode", "4", ("fixed", "hop", "row")), ("prefill", "3", ("shift", "move"))):
        seen = observations(table)
        values = fitted[regime] = solve(seen)
        kept, errors = leave_one_out(seen)
        matrix = covariance(seen, values)
        for name, value, others, one in zip(names, values, kept.T, np.sqrt(np.diag(matrix)), strict=True):
            low, high = min(others.min(), value - 1.28 * one), max(others.max(), value + 1.28 * one)
            parameters[f"{regime}.{name}"] = points.leaf(
                value, low, high, "1", source=SOURCE, grade="derived", note=_NOTES[f"{regime}.{name}"]
            )
        residuals[f"{regime}.in_sample"] = seen.errors(values)
        spread[regime] = matrix.ravel()
        left |= dict(zip(seen.points, (1 / (1 + errors)).tolist(), strict=True))
    share, low, high, alone = reduction_share(fitted["decode"])
    parameters["decode.reduction_share"] = points.leaf(
        share, low, high, "1", source=SOURCE, grade="derived", note=_NOTES["decode.reduction_share"]
    )
    points.write(
        data_folder() / "calibration" / "wafer.toml",
        points.head(
            "wafer",
            "silmark calibrate wafer",
            "published/waferllm.csv, tables 3, 4 and 6 (WaferLLM, OSDI 2025); cycles at 1.1 GHz",
            26,
        ),
        parameters | _ASSUMED,
        {
            "residuals": residuals,  # type: ignore[dict-item]
            "left_out": left | alone | whole_requests(fitted["decode"], fitted["prefill"]),
            "covariance": spread,  # type: ignore[dict-item]
        },
    )


_NOTES = {
    "decode.fixed": "cycles per layer that neither distance nor work explains: set-up of its kernels",
    "decode.hop": "cycles per layer and core of the region's side: about fifteen reductions from both sides and back",
    "decode.row": "cycles per row of a core's tile of weights: start of one vector instruction",
    "decode.reduction_share": "share of a layer's fixed and hop terms that one matrix-vector product alone takes; two "
    "products on a region whose side is not stated: 720, interval 660 to 750",
    "prefill.shift": "cycles per layer and step of MeshGEMM, per pass; fitted at 4096 rows and 480 to 720 cores a side",
    "prefill.move": "cycles per element of a tile that passes a core, 16-bit, two hops, not hidden behind arithmetic",
}
_ASSUMED = {
    "decode.batch_share": points.leaf(
        0.5, 0.1, 1.0, "1", source="silmark-assumption", grade="assumed",
        note="part of the reduction time that each further sequence of a batch repeats; 0 would be perfect pipelining, "
        "1 one after another; the public stacks do not batch (xPU-Athalon, 2026), so nothing measures it",
    ),
}  # fmt: skip
