"""The photonic preset against the statistics that were computed from the authors' data of one processor."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from silmark.numerics import analog
from silmark.numerics.analog import presets, silicon

DIES = 12
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
    "line_residual_least": 0.25,
    "line_residual_largest": 1.5,  # one line of 64 decides it; dies differ by as much
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


PRESET = presets.preset("lightmatter-2025-silicon")
MEASURED = silicon.measured(PRESET)


@pytest.fixture(scope="module")
def dies() -> dict[str, np.ndarray]:
    return silicon.emulated(PRESET, analog.load(PRESET.name), DIES)


def test_every_measured_statistic_is_compared() -> None:
    assert set(MEASURED) == set(TOLERANCE) | {"signal_sd"}


@pytest.mark.parametrize("name", TOLERANCE)
def test_the_mean_die_has_the_measured_statistics(name: str, dies: dict[str, np.ndarray]) -> None:
    assert dies[name].mean() == pytest.approx(MEASURED[name], abs=TOLERANCE[name])


@pytest.mark.parametrize("name", TOLERANCE)
def test_the_measured_die_is_one_that_could_have_been_drawn(name: str, dies: dict[str, np.ndarray]) -> None:
    """Within three standard deviations of dies (and a hundredth of the value, where dies hardly differ)."""
    away = abs(dies[name].mean() - MEASURED[name])
    assert away < 3 * dies[name].std() + 0.02 * abs(MEASURED[name])


def test_the_error_is_logistic_rather_than_normal_or_laplace() -> None:
    """Mean log-likelihoods were -2.239 (logistic), -2.249 (normal), -2.263 (Laplace)."""
    found = []
    for die in range(6):
        rng = np.random.default_rng(die)
        x, w = rng.standard_normal((4096, 64), np.float32), rng.standard_normal((64, 64), np.float32)
        expected = x @ w
        observed = dataclasses.replace(analog.load("lightmatter-2025-silicon"), seed=die).matmul(x, w, seed=die)
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
