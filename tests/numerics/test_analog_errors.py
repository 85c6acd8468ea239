"""Converters, cells, drift and noise: laws, and what their figures say."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.errors import BadFile, BadValue, SilmarkError, UnknownName
from silmark.figures import Grade, load_sources
from silmark.figures.tables import data_folder
from silmark.numerics import analog, arithmetic
from silmark.numerics.analog import Cells, Converter, Drift, presets, sqnr_db
from silmark.numerics.analog.noise import generator, keys, quantiles


@settings(max_examples=50)
@given(st.integers(2, 12), st.floats(0, 0.99))
def test_a_converter_is_odd_monotone_and_clips(bits: int, inl: float) -> None:
    converter = Converter(bits, inl * ((1 << (bits - 1)) - 1) / 6)
    x = np.linspace(-2, 2, 4001, dtype=np.float32)
    codes = converter.to_digital(x)
    assert (np.diff(codes) >= 0).all()
    assert np.array_equal(codes, -codes[::-1])
    assert np.abs(codes).max() == converter.limit
    assert np.array_equal(codes, np.rint(codes))


def test_integral_nonlinearity_is_what_was_asked_for() -> None:
    codes = np.arange(-1023, 1024, dtype=np.float32)
    bent = Converter(11, inl=30.0).to_analog(codes) * 1023 - codes
    assert np.abs(bent).max() == pytest.approx(30.0, rel=1e-3)
    assert np.abs(bent[[0, 1023, -1]]).max() < 1e-3


def test_a_nonlinear_converter_costs_accuracy_in_a_product() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((64, 512), np.float32), rng.standard_normal((512, 64), np.float32)
    tile = dataclasses.replace(analog.load("abfp-ideal"), gain=8.0)
    found = [
        sqnr_db(x @ w, dataclasses.replace(tile, output=Converter(11, inl), input=Converter(10, inl / 2)).matmul(x, w))
        for inl in (0.0, 10.0, 40.0)
    ]
    assert found[0] > found[1] + 1 > found[2] + 5


@pytest.mark.parametrize(("shape", "kurtosis"), [("normal", 0.0), ("logistic", 1.2)])
def test_quantiles_have_the_moments_of_their_distribution(shape: str, kurtosis: float) -> None:
    table = quantiles(shape).astype(float)
    assert abs(table.mean()) < 1e-7
    assert table.std() == pytest.approx(1, abs=1e-6)
    assert (table**4).mean() - 3 == pytest.approx(kurtosis, abs=0.03)
    assert (np.diff(table) > 0).all()


def test_hashed_noise_is_white() -> None:
    """Means, deviations and correlations between neighbours of 2^18 draws stay within five standard errors."""
    tile = dataclasses.replace(
        analog.load("abfp-ideal"), gain=1.0, lines=analog.Lines(512, noise=0.2), output=Converter(16)
    )
    x, w = np.zeros((512, 1), np.float32), np.ones((1, 512), np.float32)
    x[:] = 1e-3  # so that a code is worth something; the signal is constant
    noise = tile.matmul(x, w).astype(float)
    noise = (noise - noise.mean()) / noise.std()
    error = 5 / 512
    assert abs((noise**4).mean() - 3) < 5 * error
    assert abs((noise[1:] * noise[:-1]).mean()) < error
    assert abs((noise[:, 1:] * noise[:, :-1]).mean()) < error
    assert abs(noise.mean(axis=0)).max() < 5 / 512**0.5
    assert abs(noise.mean(axis=1)).max() < 5 / 512**0.5


def test_cells_without_errors_hold_what_they_are_told() -> None:
    w = np.linspace(-1, 1, 100, dtype=np.float32).reshape(10, 10)
    assert Cells(read=0.1).programmed(w, 0) is w


def test_stuck_cells_are_as_many_as_said() -> None:
    w = np.full((1000, 1000), 0.5, np.float32)
    held = Cells(stuck_zero=0.1, stuck_full=0.01).programmed(w, 3)
    shares = {value: float((held == value).mean()) for value in (0.0, 1.0, -0.5, -1.0)}
    assert shares[0.0] == pytest.approx(0.1 * 0.99 + 0.01 * 0.01, rel=0.03)
    assert shares[1.0] == pytest.approx(0.01 * 0.99, rel=0.03)  # the cell of the other sign holds nothing
    assert shares[-0.5] == pytest.approx(0.89 * 0.01, rel=0.03)
    assert shares[-1.0] == pytest.approx(0.1 * 0.01, rel=0.1)


def test_programming_errs_by_the_polynomial() -> None:
    w = np.repeat(np.float32([[0.4], [0.8]]), 100_000, axis=1)
    held = Cells(programming=(0.01, 0.08, -0.05)).programmed(w, 3)
    for row, g in enumerate((0.4, 0.8)):
        cell = 0.01 + 0.08 * g - 0.05 * g * g
        pair = np.hypot(cell, 0.01 * np.sqrt(0.5 * (1 - 1 / np.pi)))  # the empty cell cannot hold less than nothing
        assert held[row].std() == pytest.approx(pair, rel=0.02)


def test_drift_follows_its_laws() -> None:
    w = np.full((300, 300), 0.5, np.float32)
    power = Drift("power", exponent=0.05, exponent_sd=0.01, start_s=20.0, compensated=False)
    assert power.cells(w, 20 / 3600, 0) is w
    for hours in (1.0, 100.0):
        held = power.cells(w, hours, 0)
        assert held.mean() == pytest.approx(0.5 * (hours * 180) ** -0.05, rel=0.01)
        assert dataclasses.replace(power, compensated=True).cells(w, hours, 0).mean() == pytest.approx(0.5, rel=1e-3)
    walk = Drift("walk", rate=0.01)
    assert (walk.gains(9, 0.0, 0) == 1).all()
    assert walk.gains(100_000, 4.0, 0).std() == pytest.approx(0.02, rel=0.02)
    assert walk.gains(5, 1.0, 7) - 1 == pytest.approx((walk.gains(5, 4.0, 7) - 1) / 2)


@pytest.mark.parametrize("name", ["lightmatter-2025-silicon", "imc-pcm"])
def test_results_get_worse_with_age(name: str) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((64, 512), np.float32), rng.standard_normal((512, 128), np.float32)
    tile = analog.load(name)
    found = [sqnr_db(x @ w, dataclasses.replace(tile, hours=hours).matmul(x, w)) for hours in (0.0, 100.0, 10_000.0)]
    assert found[0] > found[1] + 0.3 > found[2]


def test_read_noise_is_that_of_independent_weights() -> None:
    """One deviate per output stands for one per weight: variances of products add up."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((400, 64), np.float32), rng.standard_normal((64, 400), np.float32)
    tile = dataclasses.replace(
        analog.load("abfp-ideal"), gain=1.0, lines=analog.Lines(128), output=Converter(16), cells=Cells(read=0.05)
    )
    quiet = dataclasses.replace(tile, cells=Cells())
    error = tile.matmul(x, w) - quiet.matmul(x, w)
    per_weight = 0.05 * np.abs(w).max(axis=0)
    assert error.std() == pytest.approx(np.sqrt((x**2).sum(axis=1).mean() * (per_weight**2).mean()), rel=0.02)


def test_streams_and_seeds_are_apart() -> None:
    assert generator(1, 2).random() == generator(1, 2).random()
    assert len({generator(seed, stream).random() for seed in range(3) for stream in range(3)}) == 9
    assert len(set(keys(0, 1000, 1))) == 1000
    with pytest.raises(BadValue, match="seed"):
        generator(-1)


@pytest.mark.parametrize("name", analog.names())
def test_figures_of_presets_resolve(name: str) -> None:
    known, found = load_sources(), presets.preset(name)
    for key, figure in found.figures.items():
        assert figure.source in known, key
        assert figure.grade is not Grade.ASSUMED or figure.low < figure.high, key
    assert arithmetic.get(name) is analog.load(name)
    assert found.words["title"]


def test_a_path_is_a_preset_and_what_is_wrong_in_it_is_named(tmp_path: Path) -> None:
    good = (data_folder() / "analog" / "imc-rram.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(good)
    assert analog.load(str(path)).tile == 128
    for number, (old, new, named) in enumerate(
        (
            ('shape = "normal"', 'shape = "square"', "shape"),
            ("[array]", "[arrays]", "arrays.tile"),
            ("lines = { value = 128", "ways = { value = 128", "array.ways"),
            ("stuck_zero = { value = 0.01", 'stuck_zero = { value = "0.01"', "cell.stuck_zero"),
            ('digital = "fp16"', 'digital = "fp17"', "digital"),
        )
    ):
        wrong = tmp_path / f"wrong{number}.toml"
        wrong.write_text(good.replace(old, new))
        with pytest.raises(BadFile, match=named):
            analog.load(str(wrong))
    with pytest.raises(UnknownName, match="imc-pcm"):
        analog.load("imc-pmc")


@settings(max_examples=60)
@given(st.data())
def test_no_damaged_file_gives_a_traceback(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    damaged = bytearray((data_folder() / "analog" / "lightmatter-2025-silicon.toml").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(damaged) - 1))
        damaged[start : start + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=8))
    path = tmp_path_factory.getbasetemp() / "damaged.toml"
    path.write_bytes(damaged)
    with contextlib.suppress(SilmarkError):
        analog.load(str(path))


@pytest.mark.parametrize("key", ["lines", "terms", "slope", "signal_sd", "residual_sd", "error_sd", "vector_mean_sd"])
@pytest.mark.parametrize("value", ["0", "1", "1e30"])
def test_statistics_that_cannot_be_are_refused(tmp_path: Path, key: str, value: str) -> None:
    text = (data_folder() / "analog" / "lightmatter-2025-silicon.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(re.sub(rf"^{key} = {{ value = [\d.]+", f"{key} = {{ value = {value}", text, flags=re.MULTILINE))
    with contextlib.suppress(SilmarkError):
        assert analog.load(str(path)).lines.noise > 0
