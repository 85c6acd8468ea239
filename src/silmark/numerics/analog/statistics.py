"""How observed products differ from expected ones: the statistics that measured silicon is described with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadValue

Values = NDArray[np.float32] | NDArray[np.float64]
QUANTILES = (0.5, 0.9, 0.99, 0.999)
BINS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
"""Edges, as quantiles of |expected|, of the bins in which the error's deviation is told."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of observed against expected products, (vectors, lines) of them, in the unit of the products.

    Attributes:
        signal_sd: of the expected values.
        snr_db: variance of the signal over the mean square of the error.
        slope, offset: of the regression observed = slope * expected + offset.
        error_mean, error_sd: of observed - expected.
        residual_sd: of what the regression leaves.
        snr_after_gain_db: variance of slope * expected over that of the residual.
        correlation: of the two.
        kurtosis: excess of the error's.
        quantiles: of |error|, at QUANTILES.
        error_sd_by_size: of the error, by |expected| in BINS.
        line_slope_sd, line_offset_sd: spread of the regressions of single lines.
        line_residual_sd: mean, least and largest over lines of what their regressions leave.
        vector_mean_sd: of a vector's mean error over lines.
        vector_mean_sd_if_independent: error_sd over the root of the lines.
    """

    signal_sd: float
    snr_db: float
    slope: float
    offset: float
    error_mean: float
    error_sd: float
    residual_sd: float
    snr_after_gain_db: float
    correlation: float
    kurtosis: float
    quantiles: tuple[float, ...]
    error_sd_by_size: tuple[float, ...]
    line_slope_sd: float
    line_offset_sd: float
    line_residual_sd: tuple[float, float, float]
    vector_mean_sd: float
    vector_mean_sd_if_independent: float


def statistics(expected: Values, observed: Values) -> Statistics:
    """Statistics of (vectors, lines) products."""
    if expected.ndim != 2 or expected.shape != observed.shape or min(expected.shape) < 2:
        raise BadValue("observed", observed.shape, "two arrays (vectors, lines) of one shape, at least 2 by 2")
    e, o = (np.asarray(one, np.float64) for one in (expected, observed))
    error = o - e
    slope, offset = _fit(e.ravel(), o.ravel())
    lines = [_fit(e[:, line], o[:, line]) for line in range(e.shape[1])]
    left = [float((o[:, line] - a * e[:, line] - b).std()) for line, (a, b) in enumerate(lines)]
    residual = float((o - slope * e - offset).std())
    centred = error - error.mean()
    edges = np.quantile(np.abs(e), BINS)
    bins = np.clip(np.searchsorted(edges, np.abs(e), side="right") - 1, 0, len(BINS) - 2)
    return Statistics(
        signal_sd=float(e.std()),
        snr_db=_db(float(e.var()), float((error**2).mean())),
        slope=slope,
        offset=offset,
        error_mean=float(error.mean()),
        error_sd=float(error.std()),
        residual_sd=residual,
        snr_after_gain_db=_db(float(slope**2 * e.var()), residual**2),
        correlation=float(np.corrcoef(e.ravel(), o.ravel())[0, 1]),
        kurtosis=float((centred**4).mean() / (centred**2).mean() ** 2 - 3),
        quantiles=tuple(float(q) for q in np.quantile(np.abs(error), QUANTILES)),
        error_sd_by_size=tuple(float(error[bins == number].std()) for number in range(len(BINS) - 1)),
        line_slope_sd=float(np.std([a for a, _ in lines])),
        line_offset_sd=float(np.std([b for _, b in lines])),
        line_residual_sd=(float(np.mean(left)), min(left), max(left)),
        vector_mean_sd=float(error.mean(axis=1).std()),
        vector_mean_sd_if_independent=float(error.std() / e.shape[1] ** 0.5),
    )


def sqnr_db(expected: Values, observed: Values) -> float:
    """Energy of the expected values over that of the error, in dB."""
    e, o = (np.asarray(one, np.float64) for one in (expected, observed))
    return _db(float((e**2).sum()), float(((o - e) ** 2).sum()))


def _fit(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset by least squares."""
    centred = x - x.mean()
    slope = float(centred @ (y - y.mean()) / (centred @ centred))
    return slope, float(y.mean() - slope * x.mean())


def _db(signal: float, noise: float) -> float:
    return 10 * float(np.log10(signal / noise)) if signal > 0 and noise > 0 else math.inf if signal > 0 else -math.inf
