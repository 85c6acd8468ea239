"""From measured statistics of a processor's products to the errors of its lines, and back again.

The statistics are those of products of random vectors, expected and observed: `statistics.Statistics`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadFile
from silmark.numerics.analog.errors import Lines
from silmark.numerics.analog.statistics import BINS, Statistics, statistics
from silmark.numerics.analog.tile import AnalogTile

if TYPE_CHECKING:
    from silmark.numerics.analog.presets import Preset

SIZES = ("q00_25", "q25_50", "q50_75", "q75_90", "q90_100")
"""Names of the bins of |expected|."""
QUANTILES = ("p50", "p90", "p99", "p99_9")
"""Names of the quantiles of |error|."""
NEEDED = (
    *("lines", "terms", "vectors", "signal_sd", "slope", "offset", "error_sd", "residual_sd"),
    *("line_slope_sd", "line_offset_sd", "line_residual_sd", "vector_mean_sd"),
    *(f"error_sd_by_size.{one}" for one in SIZES),
)
"""Statistics that the errors of lines follow from, and the setup in which they were taken."""
_LINE_RESIDUAL = ("line_residual_mean", "line_residual_least", "line_residual_largest")


_PLAIN = tuple(field.name for field in dataclasses.fields(Statistics) if field.type == "float")


def named(found: Statistics) -> dict[str, float]:
    """Statistics by name."""
    plain = {key: getattr(found, key) for key in _PLAIN}
    lists = (QUANTILES, found.quantiles), (SIZES, found.error_sd_by_size), (_LINE_RESIDUAL, found.line_residual_sd)
    return plain | {key: value for keys, values in lists for key, value in zip(keys, values, strict=True)}


def measured(found: Preset) -> dict[str, float]:
    """The statistics that a file holds, by the names of `named`."""
    figures = {key.removeprefix("measured."): one for key, one in found.figures.items() if key.startswith("measured.")}
    residual = figures["line_residual_sd"]
    values = {key.partition(".")[2] or key: one.value for key, one in figures.items()}
    values |= dict(zip(_LINE_RESIDUAL, (residual.value, residual.low, residual.high), strict=True))
    values |= {f"{key}_db": values[key] for key in ("snr", "snr_after_gain") if key in values}
    return {key: values[key] for key in (*_PLAIN, *QUANTILES, *SIZES, *_LINE_RESIDUAL) if key in values}


def emulated(found: Preset, tile: AnalogTile, dies: int) -> dict[str, NDArray[np.float64]]:
    """The same of emulated dies, each measured in the same setup: for each name an array of (dies,)."""
    vectors, count, terms = (round(found.value(f"measured.{key}")) for key in ("vectors", "lines", "terms"))
    rows = []
    for die in range(dies):
        x, w = (
            np.random.default_rng([die, one]).standard_normal((n, terms), np.float32)
            for one, n in enumerate((vectors, count))
        )
        observed = dataclasses.replace(tile, seed=die).matmul(x, w.T, seed=die)
        rows.append(named(statistics(x @ w.T, observed)))
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def lines(found: Preset) -> Lines:
    """Errors of lines from measured statistics of products of random vectors.

    The residual's variance is that of lines' offsets, of lines' gains times the signal's, of noise that a vector's
    outputs share, and of each line's own noise. What lines' own noise differs by follows from the spread of lines'
    residuals, less what differing scales of columns make of it; its growth with the signal from the errors of the
    largest tenth and the smallest quarter. Statistics are in units of the product; one converter range is
    tile / gain x s_w x s_x of them, where s is the largest of `terms` standard normal values.
    """

    def of(key: str) -> float:
        return found.value(f"measured.{key}")

    path = f"{found.name}.toml"
    for key, least, most in (("lines", 2, 65536), ("terms", 1, 65536), ("slope", 0.01, 100), ("signal_sd", 1e-6, 1e6)):
        if not least <= of(key) <= most:
            raise BadFile(path, f"expected {least:g} to {most:g}", f"measured.{key}")
    count, signal = of("lines"), of("signal_sd")
    scale, scale_cv = _largest_of(round(of("terms")))
    full = found.value("array.tile") / found.value("array.gain") * scale**2
    common2 = (of("vector_mean_sd") ** 2 - of("error_sd") ** 2 / count) * count / (count - 1)
    line2 = of("residual_sd") ** 2 - of("line_offset_sd") ** 2 - (of("line_slope_sd") * signal) ** 2
    own2 = line2 - common2
    if min(common2, own2) <= 0:
        raise BadFile(path, "the statistics contradict each other: a variance would be negative", "measured")
    spread2 = max((line2 - of("line_residual_sd") ** 2) * line2 / own2**2, 0.0)
    cv = math.sqrt(max(spread2 - scale_cv**2, 0.0))
    deviant = (1 - of("slope")) ** 2 + of("line_slope_sd") ** 2
    sizes = signal**2 * _mean_squares()
    left = np.array([of(f"error_sd_by_size.{one}") for one in SIZES]) ** 2 - deviant * sizes
    growth2 = max(float((left[-1] - left[0]) / (sizes[-1] - sizes[0])), 0.0) / of("slope") ** 2
    wide = full * math.sqrt(1 + scale_cv**2)  # scales vary, and deviations go with the root of their mean square
    return Lines(
        count=round(found.value("array.lines")),
        gain=of("slope"),
        gain_sd=of("line_slope_sd"),
        offset=of("offset") / full,
        offset_sd=of("line_offset_sd") / wide,
        noise=math.sqrt(own2 / (1 + spread2)) / wide,
        noise_cv=cv,
        noise_slope=math.sqrt(growth2),
        common=math.sqrt(common2) / wide,
        shape=found.shape,
        arrays=found.arrays,
    )


def _largest_of(count: int) -> tuple[float, float]:
    """Mean and coefficient of variation of the largest of so many |standard normal| values."""
    x = np.linspace(0.0, 8.0, 16_001)
    below = np.array([math.erf(one / math.sqrt(2)) for one in x]) ** count
    mean = float(np.trapezoid(1 - below, x))
    square = float(np.trapezoid(2 * x * (1 - below), x))
    return mean, math.sqrt(square - mean**2) / mean


def _mean_squares() -> NDArray[np.float64]:
    """Mean of z^2 of a standard normal z by |z| in BINS."""
    x = np.linspace(0.0, 8.0, 16_001)
    below = np.array([math.erf(one / math.sqrt(2)) for one in x])
    # The integral of z^2 over |z| < x is erf(x / root 2) - 2 x phi(x).
    inside = below - 2 * x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return np.diff(np.interp(BINS, below, inside)) / np.diff(BINS)
