"""Analog arithmetic for readers: emulated dies beside the measured one, and what gain does to a product."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

import numpy as np

from silmark.figures.numbers import three
from silmark.numerics import analog
from silmark.numerics.analog import presets, silicon
from silmark.report.picture import panels

MEASURED = "lightmatter-2025-silicon"
_DIES = 12
_WORDS = {
    "snr_db": "signal to noise, dB",
    "snr_after_gain_db": "signal to noise after one gain, dB",
    "slope": "slope of observed over expected",
    "offset": "offset",
    "line_slope_sd": "spread of lines' slopes",
    "line_offset_sd": "spread of lines' offsets",
    "error_sd": "deviation of the error",
    "residual_sd": "deviation left by slope and offset",
    "line_residual_mean": "the same of single lines, mean",
    "line_residual_least": "the same, least line",
    "line_residual_largest": "the same, largest line",
    "vector_mean_sd": "deviation of a vector's mean error",
    "kurtosis": "excess kurtosis of the error",
    "correlation": "correlation",
    "p50": "|error|, median",
    "p90": "|error|, 90 %",
    "p99": "|error|, 99 %",
    "p99_9": "|error|, 99.9 %",
    "q00_25": "deviation of the error, smallest quarter of |expected|",
    "q25_50": "second quarter",
    "q50_75": "third quarter",
    "q75_90": "75 to 90 %",
    "q90_100": "largest tenth",
}
_GAINS = (1, 1.86, 4, 8, 16, 32)


@cache
def _emulated() -> dict[str, tuple[float, float, float]]:
    """Least, mean and largest of each statistic over dies."""
    found = silicon.emulated(presets.preset(MEASURED), analog.load(MEASURED), _DIES)
    return {key: (float(v.min()), float(v.mean()), float(v.max())) for key, v in found.items()}


def listing() -> tuple[list[str], list[list[str]]]:
    """Headers and cells: each statistic as measured and of emulated dies."""
    measured, found = silicon.measured(presets.preset(MEASURED)), _emulated()
    rows = [
        [_WORDS[key], three(measured[key]), three(found[key][1]), f"{three(found[key][0])} to {three(found[key][2])}"]
        for key in _WORDS
    ]
    return ["statistic", "measured", "emulated", f"{_DIES} dies"], rows


def draw(path: Path) -> None:
    """Writes the picture: statistics over their measured values, and SQNR over gain."""
    measured, found = silicon.measured(presets.preset(MEASURED)), _emulated()
    with panels(path, (13, 6), (3, 2)) as (left, right):
        for place, key in enumerate(reversed(_WORDS)):
            low, mean, high = (value / measured[key] for value in found[key])
            left.plot([low, high], [place, place], color="#66ccee", linewidth=4, solid_capstyle="butt")
            left.plot(mean, place, "o", color="#4477aa", markersize=4)
        left.axvline(1, color="black", linewidth=1)
        left.set_yticks(range(len(_WORDS)), list(reversed(_WORDS.values())), fontsize=8)
        left.set_xlabel("emulated over measured (bars: least to largest of twelve dies)")
        left.set_title(f"{MEASURED}: one processor was measured")
        for name, style in (("noise of half an LSB", "o-"), ("measured silicon", "s--")):
            right.plot(_GAINS, [_sqnr(name, gain) for gain in _GAINS], style, label=name)
        right.set(xscale="log", xlabel="gain before the converter", ylabel="SQNR of a product of 4,096 terms, dB")
        right.set_xticks(_GAINS, [f"{gain:g}" for gain in _GAINS], minor=False)
        right.minorticks_off()
        right.set_title("gain, until sums saturate")
        right.legend(frameon=False)
        right.grid(visible=True, alpha=0.3)


def _sqnr(name: str, gain: float) -> float:
    """Of 64 vectors times 256 columns of normal values."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((64, 4096), np.float32), rng.standard_normal((4096, 256), np.float32)
    tile = analog.load(MEASURED if name == "measured silicon" else "abfp-ideal")
    return analog.sqnr_db(x @ w, dataclasses.replace(tile, gain=gain).matmul(x, w))
