"""Fits the wafer family on WaferLLM's published speeds of one WSE-2 (OSDI 2025, Tables 3 and 4).

Both tables time one transformer layer on a square region, repeated; the cycles of a layer are the paper's
clock over tokens per second and layers. The layer is the one that the authors' kernels run: as many KV as query
heads, so 4 * hidden^2 + 3 * hidden * inner weights, and 2 * context * hidden multiply-adds of attention per
token. Twelve points each, over four models and three region sides.

    decode   cycles = fixed + hop * P + mac * MAC / P^2        (least squares)
    prefill  cycles = shift * P + mac * MAC / P^2              (least squares of relative errors)

The paper's end-to-end times (Table 2) stay out of the fit; tests use them.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from silmark.calibration import points
from silmark.figures.tables import data_folder
from silmark.graph import Array

CLOCK = 1.1e9
"""Cycles per second with which the authors convert their cycle counters."""
SOURCE = "waferllm-osdi-2025"


def layer_macs(row: dict[str, str], context: int) -> float:
    """Multiply-adds of one token in one layer of the timed kernels."""
    hidden, inner = float(row["hidden"]), float(row["inner"])
    return 4 * hidden**2 + 3 * hidden * inner + 2 * context * hidden


def observations(table: str) -> tuple[Array, Array, list[str]]:
    """Regressors [1, P, MAC per core], cycles per layer, and model names of one of the paper's tables."""
    rows = [row for row in points.read("waferllm") if row["table"] == table]
    design, cycles = [], []
    for row in rows:
        side, context = float(row["side"]), int(row["prompt"])
        tokens = context if table == "3" else 1
        design.append([1.0, side, tokens * layer_macs(row, context) / side**2])
        cycles.append(CLOCK * tokens / float(row["value"]) / float(row["layers"]))
    return np.asarray(design), np.asarray(cycles), [row["model"] for row in rows]


def solve(design: Array, cycles: Array, relative: bool) -> Array:
    """Least-squares coefficients; `relative` weighs every point by its own size."""
    weight = 1 / cycles if relative else np.ones_like(cycles)
    return np.asarray(np.linalg.lstsq(design * weight[:, None], cycles * weight, rcond=None)[0])


def leave_one_out(design: Array, cycles: Array, models: list[str], relative: bool) -> tuple[Array, Array]:
    """Coefficients and relative errors with each model left out in turn: [models, terms] and [points]."""
    errors = np.zeros_like(cycles)
    kept = []
    for model in dict.fromkeys(models):
        out = np.asarray([m == model for m in models])
        kept.append(solve(design[~out], cycles[~out], relative))
        errors[out] = design[out] @ kept[-1] / cycles[out] - 1
    return np.asarray(kept), errors


def covariance(design: Array, cycles: Array, values: Array, relative: bool) -> Array:
    """Covariance of the coefficients from the scatter of the residuals."""
    weight = 1 / cycles if relative else np.ones_like(cycles)
    rest = (design @ values - cycles) * weight
    normal = np.linalg.inv((design * weight[:, None]).T @ (design * weight[:, None]))
    return np.asarray(normal * (rest @ rest) / (len(cycles) - len(values)))


def run() -> None:
    """Fits and writes `data/calibration/wafer.toml`."""
    parameters: dict[str, points.Leaf] = {}
    residuals: dict[str, object] = {}
    spread: dict[str, object] = {}
    for regime, table, names in (("decode", "4", ("fixed", "hop", "mac")), ("prefill", "3", ("shift", "mac"))):
        design, cycles, models = observations(table)
        design = design[:, 3 - len(names) :]
        relative = regime == "prefill"
        values = solve(design, cycles, relative)
        kept, errors = leave_one_out(design, cycles, models, relative)
        inside = design @ values / cycles - 1
        deviation = np.sqrt(np.diag(covariance(design, cycles, values, relative)))
        for name, value, others, one in zip(names, values, kept.T, deviation, strict=True):
            low, high = min(others.min(), value - 1.28 * one), max(others.max(), value + 1.28 * one)
            parameters[f"{regime}.{name}"] = points.leaf(
                value, low, high, "1", source=SOURCE, grade="derived", note=_NOTES[f"{regime}.{name}"]
            )
        residuals |= {f"{regime}.in_sample": inside, f"{regime}.leave_one_model_out": errors}
        spread |= {f"{regime}": covariance(design, cycles, values, relative).ravel()}
    parameters |= _ASSUMED
    points.write(
        data_folder() / "calibration" / "wafer.toml",
        {
            "family": "wafer",
            "date": datetime.now(UTC).date().isoformat(),
            "command": "silmark calibrate wafer",
            "data": "published/waferllm.csv, tables 3 and 4 (WaferLLM, OSDI 2025); cycles at 1.1 GHz",
            "rows": 24,
        },
        parameters,
        {"residuals": residuals, "covariance": spread},  # type: ignore[dict-item]
    )


_NOTES = {
    "decode.fixed": "cycles per layer that neither distance nor work explains: set-up of its kernels",
    "decode.hop": "cycles per layer and core of the region's side: about eight reductions of two traversals",
    "decode.mac": "cycles per multiply-add and core, 4-wide fp16 cores that reach 1.1 per cycle",
    "prefill.shift": "cycles per layer and step of MeshGEMM, per pass; fitted at 4096 rows and 480 to 720 cores a side",
    "prefill.mac": "cycles per multiply-add and core, masked score pairs counted",
}
_ASSUMED = {
    "decode.batch_share": points.leaf(
        0.5, 0.1, 1.0, "1", source="silmark-assumption", grade="assumed",
        note="part of the reduction time that each further sequence of a batch repeats; 0 would be perfect pipelining, "
        "1 one after another; the public stacks do not batch (xPU-Athalon, 2026), so nothing measures it",
    ),
    "mac.reference_lanes": points.leaf(
        4, 4, 4, "1", source=SOURCE, grade="paper", note="multiply-adds per cycle of the cores that were timed (WSE-2)"
    ),
    "mac.width_gain": points.leaf(
        0.5, 0.0, 1.0, "1", source="silmark-assumption", grade="assumed",
        note="exponent with which wider cores shorten the multiply-add term: the timed kernels fill a quarter of 4 "
        "lanes, so 8 lanes help between not at all (0) and twofold (1)",
    ),
}  # fmt: skip
