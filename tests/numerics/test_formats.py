"""What every number format keeps."""

import numpy as np
import pytest
from hypothesis import given, settings

from silmark.errors import BadValue, UnknownName
from silmark.formats import FORMATS as PLANNED
from silmark.numerics import arithmetic, formats
from silmark.numerics.formats.affine import Affine
from silmark.numerics.formats.nvfp4 import TwoLevel
from silmark.numerics.formats.sbfp import ScaledBlock
from silmark.numerics.scaled import Plain, Real, Shared

from .conftest import assert_same_bits, rows, wild

ALL = list(formats.FORMATS)
SYMMETRIC = [name for name, f in formats.FORMATS.items() if not isinstance(f, Affine)]
EXACT = [name for name in SYMMETRIC if not (isinstance(formats.get(name), TwoLevel)
         or (isinstance(formats.get(name), Real) and formats.get(name).scale_grid is None))]  # fmt: skip
"""Formats whose scales are powers of two or have few bits, so that scale times element is a float32."""
BLOCKS = [name for name, f in formats.FORMATS.items() if f.block > 1]
many = settings(max_examples=20)


@pytest.mark.parametrize("name", ALL)
@given(x=rows)
@many
def test_codes_decode_to_what_quantize_gives(name, x):
    number = formats.get(name)
    for axis in (-1, 0):
        np.testing.assert_array_equal(number.decode(number.encode(x, axis)), number.quantize(x, axis))


@pytest.mark.parametrize("name", SYMMETRIC)
@given(x=rows)
@many
def test_quantizing_twice_is_quantizing_once(name, x):
    number = formats.get(name)
    once = number.quantize(x)
    if name in EXACT:
        np.testing.assert_array_equal(number.quantize(once), once)
    else:
        np.testing.assert_array_equal(number.encode(once).codes, number.encode(x).codes)
        np.testing.assert_allclose(number.quantize(once), once, rtol=3e-7)


@pytest.mark.parametrize("name", SYMMETRIC)
@given(x=rows)
@many
def test_negating_before_is_negating_after(name, x):
    number = formats.get(name)
    np.testing.assert_array_equal(number.quantize(-x), -number.quantize(x))


@pytest.mark.parametrize("name", ALL)
@given(x=rows)
@many
def test_order_is_kept_beside_a_larger_value(name, x):
    pairs = np.sort(np.stack([x.ravel(), x.ravel()[::-1]], axis=-1))
    largest = np.max(np.abs(pairs), axis=-1, keepdims=True)
    quantized = formats.get(name).quantize(np.concatenate([largest, largest, pairs], axis=-1))
    assert (quantized[:, 2] <= quantized[:, 3]).all()


@pytest.mark.parametrize("name", [name for name in ALL if isinstance(formats.get(name), Plain)])
def test_every_value_of_a_float_stays(name):
    number = formats.get(name)
    codes = np.arange(1 << min(number.grid.bits, 16)).astype(np.uint8 if number.bits <= 8 else np.int32)
    values = number.grid.value(np, codes << max(number.grid.bits - 16, 0))
    values = values[np.isfinite(values)]
    assert len(values) > 200
    assert_same_bits(number.quantize(values), values)


@pytest.mark.parametrize("name", [name for name in SYMMETRIC if isinstance(formats.get(name), Shared)])
def test_every_element_stays_beside_the_largest(name):
    number = formats.get(name)
    codes = np.arange(1 << min(number.grid.bits, 8), dtype=np.uint8)
    values = number.grid.value(np, codes if number.grid.bits <= 8 else codes.astype(np.int32) * 257) * number.grid.unit
    values = values[np.isfinite(values) & (np.abs(values) <= number.grid.top * number.grid.unit)][:, None]
    largest = np.full_like(values, number.grid.top * number.grid.unit)
    kept = values.copy()
    if name in ("mx9", "mx6"):  # pairs lie one binade lower: keep them in the upper one
        kept = np.where(np.abs(values) >= 1, values, 0)
    block = np.concatenate([largest, kept], axis=-1)
    np.testing.assert_allclose(number.quantize(block), block, rtol=0 if name in EXACT else 2e-7)


@pytest.mark.torch
@pytest.mark.parametrize("name", ALL)
def test_torch_gives_the_same_bits(name, torch):
    number = formats.get(name)
    x = wild((3, 5, 70))
    x[0, 0, 0], x[1, 2, 3], x[2, 2, 2], x[0, 1, 1] = np.nan, np.inf, -0.0, 0
    for axis in (-1, 1, 0):
        assert_same_bits(number.quantize(torch.from_numpy(x), axis).numpy(), number.quantize(x, axis))
        ours, theirs = number.encode(x, axis), number.encode(torch.from_numpy(x), axis)
        assert_same_bits(theirs.codes.numpy(), ours.codes)
        for mine, other in zip(ours.scales, theirs.scales, strict=True):
            assert_same_bits(other.numpy(), mine)
        assert_same_bits(number.decode(theirs).numpy(), number.decode(ours))


@pytest.mark.torch
def test_parameters_are_rounded_without_a_gradient(torch):
    weights = torch.nn.Parameter(torch.from_numpy(wild((64, 3))))
    for name in ("bf16", "int8-row", "hopper-fp8", "groq-fp16", "cerebras-fp16"):
        product = arithmetic.get(name).matmul(torch.ones(2, 64), weights)
        assert not product.requires_grad


@pytest.mark.parametrize("name", ALL)
def test_an_axis_is_as_good_as_any_other(name):
    x, number = wild((4, 33, 3)), formats.get(name)
    moved = np.moveaxis(number.quantize(np.moveaxis(x, 1, 2), -1), 2, 1)
    assert_same_bits(number.quantize(x, 1), moved)
    assert_same_bits(number.quantize(x, -2), moved)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_that_is_not_full_counts_alone(name):
    x, number = wild((2, 300)), formats.get(name)
    if isinstance(number, TwoLevel | ScaledBlock):
        x[:, 0] = x.max() * 2  # the tensor's scale is the same in both halves
        x[:, number.block * 2] = x[0, 0]
    cut = number.block * 2
    parts = np.concatenate([number.quantize(x[:, :cut]), number.quantize(x[:, cut:])], axis=-1)
    assert_same_bits(number.quantize(x), parts)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(0,), (0, 32), (3, 0), (2, 0, 5)])
def test_empty_arrays_stay_empty(name, shape):
    number = formats.get(name)
    x = np.zeros(shape, np.float32)
    assert number.quantize(x).shape == shape
    assert number.decode(number.encode(x)).shape == shape


@pytest.mark.parametrize("name", ALL)
def test_zeros_stay_and_a_number_alone_is_an_array(name):
    number = formats.get(name)
    assert not number.quantize(np.zeros((2, 40), np.float32)).any()
    assert number.quantize(np.float32(1)).shape == ()
    np.testing.assert_allclose(number.quantize(np.array(1.0)), 1, rtol=0.02)


@pytest.mark.parametrize("name", [name for name in BLOCKS if not isinstance(formats.get(name), TwoLevel)
                                  and name != "sbfp12-16"])  # fmt: skip
@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_poisons_its_block_alone(name, poison):
    number = formats.get(name)
    x = wild((1, 2 * number.block), spread=3)
    x[0, 1] = poison
    quantized = number.quantize(x)
    assert np.isnan(quantized[:, : number.block]).all()
    assert_same_bits(quantized[:, number.block :], number.quantize(x[:, number.block :]))


def test_scales_of_two_levels_are_poisoned_together():
    x = wild((2, 64))
    x[0, 0] = np.inf
    assert np.isnan(formats.get("nvfp4").quantize(x)).all()
    assert np.isnan(formats.get("sbfp12-16").quantize(x)).all()


def test_overflow_is_a_switch():
    x = np.float32([1e9, -1e9, np.inf, np.nan])
    fp8 = formats.get("fp8-e4m3")
    assert_same_bits(fp8.quantize(x), np.float32([448, -448, 448, np.nan]))
    assert np.isnan(fp8.switched(overflow="nan").quantize(x)).all()
    wide = formats.get("fp8-e5m2")
    assert_same_bits(wide.quantize(x), np.float32([57344, -57344, 57344, np.nan]))
    assert_same_bits(wide.switched(overflow="inf").quantize(x), np.float32([np.inf, -np.inf, np.inf, np.nan]))
    assert formats.get("bf16").quantize(np.float32(3.4e38)) == np.inf
    assert formats.get("bf16").switched(overflow="saturate").quantize(np.float32(3.4e38)) < np.inf


def test_ties_are_a_switch():
    halves = np.float32([[1.5, 0.5, -0.5, 2.5, -2.5, 0.75, -0.25, 100]])
    grid = formats.get("mxint8")  # steps of 1 where the largest value lies in [64, 128)
    assert grid.quantize(halves).tolist() == [[2, 0, 0, 2, -2, 1, 0, 100]]
    assert grid.switched(ties="away").quantize(halves).tolist() == [[2, 1, -1, 3, -3, 1, 0, 100]]
    assert grid.switched(ties="zero").quantize(halves).tolist() == [[1, 0, 0, 2, -2, 1, 0, 100]]
    assert grid.switched(ties="truncate").quantize(halves).tolist() == [[1, 0, 0, 2, -2, 0, 0, 100]]
    just = np.float32([[0.49999997, 64]])
    assert grid.switched(ties="away").quantize(just).tolist() == [[0, 64]]


def test_the_most_negative_code_is_a_switch():
    x = np.float32([[-127.9, 127.9]])
    assert formats.get("mxint8").quantize(x).tolist() == [[-127, 127]]
    assert formats.get("mxint8").switched(most_negative="keep").quantize(x).tolist() == [[-128, 127]]


def test_scales_are_clipped_where_their_code_ends():
    tiny = np.full((1, 32), 2.0**-140, np.float32)
    encoded = formats.get("mxfp8-e4m3").encode(tiny)
    assert encoded.scales[0].tolist() == [[0]]
    assert (formats.get("mxfp8-e4m3").quantize(tiny * 2**8) == 2.0**-132).all()
    huge = np.full((1, 32), 3.4e38, np.float32)
    assert formats.get("mxint8").encode(huge).scales[0].tolist() == [[254]]
    assert np.isfinite(formats.get("mxint8").quantize(huge)).all()


@pytest.mark.parametrize("name", [name for name in ALL if isinstance(formats.get(name), Affine)])
@given(x=rows)
@many
def test_a_zero_point_keeps_zero_and_errs_by_a_step(name, x):
    number = formats.get(name)
    quantized = number.quantize(x)
    assert (quantized[x == 0] == 0).all()
    step = (np.maximum(x.max(), 0) - np.minimum(x.min(), 0)) / (2**number.width - 1)
    least = np.abs(x).max() * 2e-7 + np.finfo(np.float32).tiny  # of a subnormal no step can be told
    assert (np.abs(quantized - x) <= step * 1.01 * (2 if number.block > 0 else 1) + least).all()


def test_arrays_larger_than_a_part_are_whole():
    x = wild((700, 900))
    for name in ("bf16", "int8", "int8-row", "mxfp4", "mx9", "int4-group128-asym"):
        number = formats.get(name)
        if number.block >= 0:
            assert_same_bits(number.quantize(x)[650:], number.quantize(x[650:]))
            assert_same_bits(number.quantize(x, 0)[:, 880:], number.quantize(x[:, 880:], 0))
        np.testing.assert_array_equal(number.quantize(x), number.decode(number.encode(x)))


@pytest.mark.parametrize("name", ALL)
def test_overwriting_gives_what_quantizing_gives(name):
    x, number = wild((3, 700, 300)), formats.get(name)
    for part in (slice(None), slice(0, None, 3)):
        expected = number.quantize(x[..., part])
        assert_same_bits(number.overwrite(x.copy()[..., part]), expected)


def test_the_argument_stays_and_may_be_of_any_real_kind():
    x = wild((4, 64))
    kept = x.copy()
    for name in ALL:
        formats.get(name).quantize(x, 0)
        formats.get(name).encode(x)
    assert_same_bits(x, kept)
    bf16 = formats.get("bf16")
    assert_same_bits(bf16.quantize(x[::2, ::3].astype(np.float64)), bf16.quantize(x)[::2, ::3])
    assert bf16.quantize(np.arange(3)).tolist() == [0, 1, 2]


def test_wrong_arguments_say_what_would_be_right():
    with pytest.raises(UnknownName, match="bf16"):
        formats.get("bff16")
    with pytest.raises(BadValue, match="numpy array or a torch tensor"):
        formats.get("bf16").quantize([1.0])
    with pytest.raises(BadValue, match="real numbers"):
        formats.get("bf16").encode(np.ones(2, complex))
    with pytest.raises(BadValue, match="one of even, away, zero, truncate"):
        formats.get("bf16").switched(ties="up")
    with pytest.raises(BadValue, match="one of clamp, keep"):
        formats.get("int8").switched(most_negative=True)
    with pytest.raises(BadValue, match="an axis of an array of 2 dimensions"):
        formats.get("mxint8").quantize(wild(), axis=2)


def test_names_of_plans_mean_formats_of_the_same_size():
    elsewhere = {"fp64": "the reference", "binary": "spins"}
    for name, plan in PLANNED.items():
        if name not in elsewhere:
            assert formats.planned(name).bits == plan.bits, name
    with pytest.raises(UnknownName, match="binary"):
        formats.planned("binary")


def test_no_two_formats_share_a_name():
    assert all(name == number.name for name, number in formats.FORMATS.items())
    assert len(ALL) > 60
