"""Products in analog arrays: against a plain rendering of the equations, the published SQNR, and laws."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.errors import BadValue
from silmark.numerics import analog, formats
from silmark.numerics.analog import AnalogTile, Converter, Lines, blocks, sqnr_db

QUIET = AnalogTile(
    name="quiet", tile=128, gain=8.0, weight=Converter(7), input=Converter(10), output=Converter(11), lines=Lines(128)
)
SILICON = analog.load("lightmatter-2025-silicon")


def bf16(x: np.ndarray) -> np.ndarray:
    """Ties to even, by the bits."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def plain(x: np.ndarray, w: np.ndarray, tile: AnalogTile) -> np.ndarray:
    """The equations of `tile.py`, one after the other, without noise."""
    limits = [one.limit for one in (tile.weight, tile.input, tile.output)]
    per_unit = limits[2] * tile.gain / tile.tile
    total = np.zeros((x.shape[0], w.shape[1]), np.float32)
    for start in range(0, x.shape[1], tile.tile):
        xs, ws = x[:, start : start + tile.tile], w[start : start + tile.tile]
        sx, sw = bf16(np.abs(xs).max(axis=1, keepdims=True)), bf16(np.abs(ws).max(axis=0, keepdims=True))
        cx, cw = (np.rint(v / (s / np.float32(b))) for v, s, b in ((xs, sx, limits[1]), (ws, sw, limits[0])))
        dots = np.clip(cx, -limits[1], limits[1]).astype(int) @ np.clip(cw, -limits[0], limits[0]).astype(int)
        level = dots.astype(np.float32) * np.float32(per_unit / limits[0] / limits[1])
        codes = np.rint(np.clip(level, -limits[2], limits[2]))
        total += bf16(codes * (sw / np.float32(per_unit)) * sx)
    return total


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@pytest.mark.parametrize("shape", [(3, 128, 5), (70, 300, 130), (1, 1, 1), (1500, 257, 900)])
@pytest.mark.parametrize("gain", [1.0, 8.0, 64.0])
def test_every_bit_is_that_of_the_equations(shape: tuple[int, int, int], gain: float) -> None:
    m, k, n = shape
    x, w = normal(1, m, k), normal(2, k, n)
    tile = dataclasses.replace(QUIET, gain=gain)
    assert np.array_equal(tile.matmul(x, w), plain(x, w, tile))


SQNR = {  # dB by gain: 256 outputs of K inputs, 64 vectors, half an LSB of noise; an emulation of our own
    (768, "normal"): (25.4, 30.8, 34.7, 36.6, 37.4, 27.4),
    (4096, "normal"): (25.3, 30.6, 34.6, 36.6, 37.3, 27.5),
    (4096, "1 % of the channels times 10"): (17.5, 23.4, 28.9, 33.3, 35.9, 32.6),
}


@pytest.mark.parametrize(("k", "data"), SQNR)
def test_the_published_table_of_sqnr_is_met(k: int, data: str) -> None:
    """Within 0.3 dB, in the mean of four draws."""
    noise = 0.5 / QUIET.output.limit
    for gain, expected in zip((1, 2, 4, 8, 16, 32), SQNR[k, data], strict=True):
        tile = dataclasses.replace(QUIET, gain=float(gain), lines=Lines(128, noise=noise))
        found = []
        for seed in range(4):
            x, w = normal(seed, 64, k), normal(seed + 100, k, 256)
            if data != "normal":
                x[:, np.random.default_rng(seed).choice(k, k // 100, replace=False)] *= 10
            found.append(sqnr_db(x.astype(float) @ w, tile.matmul(x, w, seed=seed)))
        assert np.mean(found) == pytest.approx(expected, abs=0.3), gain


def test_the_devices_own_gain_costs_seven_decibels_against_the_papers() -> None:
    """7, 10 and 11 bits at G = 1.86 were 30.3 dB."""
    x, w = normal(0, 64, 4096), normal(1, 4096, 256)
    found = [sqnr_db(x @ w, dataclasses.replace(analog.load("abfp-ideal"), gain=g).matmul(x, w)) for g in (1.86, 8.0)]
    assert found[0] == pytest.approx(30.3, abs=0.3)
    assert found[1] - found[0] > 6


@pytest.mark.parametrize("tile", [QUIET, SILICON], ids=["quiet", "silicon"])
def test_a_part_of_a_product_has_the_bytes_of_the_whole(tile: AnalogTile) -> None:
    """Neither blocks nor the number of vectors show: noise belongs to a place."""
    x, w = normal(3, 1300, 200), normal(4, 200, 1100)
    whole = tile.matmul(x, w, seed=5)
    assert np.array_equal(tile.matmul(x[:30], w[:, :77], seed=5), whole[:30, :77])


def test_threads_share_a_product_of_few_rows_and_change_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = normal(0, 20, 200), normal(1, 200, 8192)
    shares, found = [], []
    for count in (1, 3):
        monkeypatch.setattr(blocks, "_threads", lambda count=count: count)
        shares.append(len(blocks._parts(20, 8192)))
        found.append(SILICON.matmul(x, w, seed=5))
    assert shares == [1, 2]
    assert np.array_equal(*found)


def test_a_seed_gives_the_same_bytes_and_another_does_not() -> None:
    x, w = normal(3, 40, 200), normal(4, 200, 60)
    first = SILICON.matmul(x, w, seed=1)
    assert np.array_equal(first, SILICON.matmul(x, SILICON.prepare(w), seed=1))
    assert not np.array_equal(first, SILICON.matmul(x, w, seed=2))
    assert not np.array_equal(first, dataclasses.replace(SILICON, seed=1).matmul(x, w, seed=1))


@pytest.mark.torch
@pytest.mark.parametrize("name", analog.names())
def test_torch_gives_the_bytes_of_numpy(name: str) -> None:
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    tile = dataclasses.replace(analog.load(name), hours=5.0)
    x, w = normal(3, 2, 30, 200), normal(4, 200, 60)
    weights = torch.nn.Parameter(torch.from_numpy(w))  # as a model has them
    found = tile.matmul(torch.from_numpy(x), tile.prepare(weights), seed=9)
    assert isinstance(found, torch.Tensor)
    assert np.array_equal(found.numpy(), tile.matmul(x, w, seed=9))


def test_stacks_multiply_matrix_by_matrix() -> None:
    x, w = normal(3, 2, 3, 10, 50), normal(4, 2, 3, 50, 20)
    found = QUIET.matmul(x, w)
    assert found.shape == (2, 3, 10, 20)
    for where in np.ndindex(2, 3):
        assert np.array_equal(found[where], QUIET.matmul(x[where], w[where]))
    assert np.array_equal(QUIET.matmul(x, w[0, 0]), QUIET.matmul(x, np.broadcast_to(w[0, 0], w.shape)))


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(-30, 30), st.integers(1, 40), st.integers(1, 300), st.integers(1, 40))
def test_powers_of_two_and_signs_pass_through(seed: int, power: int, m: int, k: int, n: int) -> None:
    x, w = normal(seed, m, k), normal(seed + 1, k, n)
    once = QUIET.matmul(x, w)
    assert np.array_equal(QUIET.matmul(-x * np.float32(2.0**power), w), -once * np.float32(2.0**power))


@settings(max_examples=30)
@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 300))
def test_formats_of_the_operands_are_what_the_array_multiplies(seed: int, m: int, k: int) -> None:
    """With a converter that loses nothing the product is that of the quantised operands."""
    x, w = normal(seed, m, k), normal(seed + 1, k, 7)
    assert QUIET.left.name == "abfp10-128"
    assert QUIET.right is formats.get("abfp7-128")
    encoded = QUIET.left.encode(x)
    codes, scales = QUIET._codes(x, QUIET.input)
    assert np.array_equal(scales.T, encoded.scales[0])
    step = np.repeat(scales.T / np.float32(511), 128, axis=1)[:, :k]
    assert np.array_equal(codes[:, :k] * step, QUIET.left.quantize(x))
    assert QUIET.right.quantize(w, axis=0).shape == w.shape


def test_what_is_not_finite_spoils_its_own_results_only() -> None:
    x, w = normal(3, 6, 200), normal(4, 200, 8)
    x[2, 7], x[4, 150], w[3, 5] = np.nan, np.inf, np.nan
    found = SILICON.matmul(x, w)
    bad = np.zeros(found.shape, bool)
    bad[[2, 4]], bad[:, 5] = True, True
    assert np.array_equal(np.isnan(found), bad)


def test_nothing_in_gives_nothing_out() -> None:
    assert not QUIET.matmul(np.zeros((3, 200), np.float32), normal(1, 200, 4)).any()
    assert not QUIET.matmul(normal(1, 3, 200), np.zeros((200, 4), np.float32)).any()
    assert QUIET.matmul(np.zeros((0, 200), np.float32), normal(1, 200, 4)).shape == (0, 4)
    assert QUIET.matmul(np.zeros((3, 200), np.float32), normal(1, 200, 0)).shape == (3, 0)
    assert not QUIET.matmul(np.zeros((3, 0), np.float32), np.zeros((0, 4), np.float32)).any()


def test_operands_are_not_changed() -> None:
    x, w = normal(3, 6, 200), normal(4, 200, 8)
    before = x.copy(), w.copy()
    SILICON.matmul(x, w)
    assert np.array_equal(x, before[0])
    assert np.array_equal(w, before[1])


def test_wrong_arguments_get_their_sentence() -> None:
    x, w = normal(3, 6, 200), normal(4, 200, 8)
    other = dataclasses.replace(QUIET, gain=2.0).prepare(w)
    for call in (
        lambda: QUIET.matmul(x, other),
        lambda: QUIET.matmul(x[:, :100], w),
        lambda: QUIET.matmul(x[0], w),
        lambda: QUIET.prepare(w[0]),
        lambda: SILICON.matmul(x, w, seed=-1),
        lambda: QUIET.matmul("x", w),  # type: ignore[arg-type]
        lambda: QUIET.vector(x, "nothing"),
        lambda: dataclasses.replace(QUIET, gain=0.0),
        lambda: dataclasses.replace(QUIET, tile=0),
        lambda: dataclasses.replace(QUIET, hours=-1.0),
        lambda: Converter(1),
        lambda: Converter(8, inl=40.0),
    ):
        with pytest.raises(BadValue):
            call()
