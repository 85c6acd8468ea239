"""The photonic preset against the statistics that were computed from the authors' data of one processor."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from silmark.numerics import analog
from silmark.numerics.analog import Statistics, presets

DIES = 12
LOOSE = ("kurtosis", "line_residual_max")
"""A few extreme lines decide these; one die was measured, and dies differ by a third and more."""
TOLERANCE = {  # of the mean over dies, stated before it was compared
    "snr_db": 0.3,
    "snr_after_gain_db": 0.4,
    "slope": 0.01,
    "offset": 0.08,
    "correlation": 0.005,
    "error_sd": 0.08,
    "residual_sd": 0.08,
    "line_slope_sd": 0.005,
    "line_offset_sd": 0.06,
    "vector_mean_sd": 0.04,
    "line_residual_mean": 0.12,
    "line_residual_min": 0.25,
    "line_residual_max": 1.5,
    "kurtosis": 0.7,
    "p50": 0.06,
    "p90": 0.12,
    "p99": 0.4,
    "p99_9": 1.0,
    "q00_25": 0.1,
    "q25_50": 0.1,
    "q50_75": 0.1,
    "q75_90": 0.12,
    "q90_100": 0.2,
}


def flat(found: Statistics) -> dict[str, float]:
    """Statistics by the names of the file."""
    named = {key: value for key, value in dataclasses.asdict(found).items() if isinstance(value, float)}
    named |= dict(zip(("p50", "p90", "p99", "p99_9"), found.quantiles, strict=True))
    named |= dict(zip(("q00_25", "q25_50", "q50_75", "q75_90", "q90_100"), found.error_sd_by_size, strict=True))
    ends = ("line_residual_mean", "line_residual_min", "line_residual_max")
    return named | dict(zip(ends, found.line_residual_sd, strict=True))


def products(die: int) -> tuple[np.ndarray, np.ndarray]:
    """Expected and observed values as they were measured: 4,096 vectors, 64 lines, 64 standard normal terms."""
    rng = np.random.default_rng(die)
    x, w = rng.standard_normal((4096, 64), np.float32), rng.standard_normal((64, 64), np.float32)
    tile = dataclasses.replace(analog.load("lightmatter-2025-silicon"), seed=die)
    return x @ w, tile.matmul(x, w, seed=die)


@pytest.fixture(scope="module")
def dies() -> dict[str, np.ndarray]:
    found = [flat(analog.statistics(*products(die))) for die in range(DIES)]
    return {key: np.array([one[key] for one in found]) for key in found[0]}


def measured() -> dict[str, float]:
    found = presets.preset("lightmatter-2025-silicon").figures
    values = {key.removeprefix("measured.").split(".")[-1]: one.value for key, one in found.items()}
    residual = found["measured.line_residual_sd"]
    values |= {"snr_db": values["snr"], "snr_after_gain_db": values["snr_after_gain"]}
    return values | {
        "line_residual_mean": residual.value,
        "line_residual_min": residual.low,
        "line_residual_max": residual.high,
    }


@pytest.mark.parametrize("name", TOLERANCE)
def test_the_mean_die_has_the_measured_statistics(name: str, dies: dict[str, np.ndarray]) -> None:
    assert dies[name].mean() == pytest.approx(measured()[name], abs=TOLERANCE[name])


@pytest.mark.parametrize("name", TOLERANCE)
def test_the_measured_die_is_one_that_could_have_been_drawn(name: str, dies: dict[str, np.ndarray]) -> None:
    """Within three standard deviations of dies (and a hundredth of the value, where dies hardly differ)."""
    away = abs(dies[name].mean() - measured()[name])
    assert away < 3 * dies[name].std() + 0.02 * abs(measured()[name])


def test_the_error_is_logistic_rather_than_normal_or_laplace() -> None:
    """Mean log-likelihoods were -2.239 (logistic), -2.249 (normal), -2.263 (Laplace)."""
    found = []
    for die in range(6):
        expected, observed = products(die)
        error = (observed - expected).astype(float).ravel()
        centred = error - error.mean()
        wide = float(np.abs(error - np.median(error)).mean())
        scales = np.linspace(0.45, 0.6, 31) * error.std()
        logistic = max(-(np.log(s) + centred / s + 2 * np.log1p(np.exp(-centred / s))).mean() for s in scales)
        found.append((logistic, -0.5 * np.log(2 * np.pi * np.e * error.var()), -np.log(2 * wide) - 1))
    assert np.mean(found, axis=0) == pytest.approx([-2.239, -2.249, -2.263], abs=0.03)
    assert all(logistic > max(others) for logistic, *others in found)


def test_errors_of_one_vector_belong_together(dies: dict[str, np.ndarray]) -> None:
    assert (dies["vector_mean_sd"] > 2.2 * dies["vector_mean_sd_if_independent"]).all()


def test_only_quantisation_would_be_nineteen_decibels_too_good() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((512, 64), np.float32), rng.standard_normal((64, 64), np.float32)
    ideal = dataclasses.replace(analog.load("abfp-ideal"), gain=1.86)
    found = [analog.sqnr_db(x @ w, tile.matmul(x, w)) for tile in (ideal, analog.load("lightmatter-2025-silicon"))]
    assert 13 < found[0] - found[1] < 22


def test_statistics_of_known_errors_are_these_errors() -> None:
    rng = np.random.default_rng(0)
    expected = rng.standard_normal((20_000, 8)) * 3
    observed = 0.9 * expected + 0.5 + rng.standard_normal((20_000, 1)) + 2 * rng.standard_normal((20_000, 8))
    found = analog.statistics(expected, observed)
    assert found.slope == pytest.approx(0.9, abs=0.01)
    assert found.offset == pytest.approx(0.5, abs=0.03)
    assert found.residual_sd == pytest.approx(5**0.5, rel=0.01)
    assert found.vector_mean_sd == pytest.approx((1 + 4 / 8 + 0.09 / 8) ** 0.5, rel=0.02)
    assert abs(found.kurtosis) < 0.05
