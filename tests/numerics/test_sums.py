"""Rules of summation against their definitions, written element by element."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from silmark.errors import BadValue
from silmark.numerics import analog, arithmetic, formats, sums

from .conftest import assert_same_bits, wild

few = settings(max_examples=10)


def operands(name, rows=5, length=300, columns=4, seed=0, spread=3):
    """Two matrices of a format's values."""
    number = formats.get(name)
    return (number.quantize(wild((rows, length), seed, spread)),
            number.quantize(wild((length, columns), seed + 1, spread)))  # fmt: skip


def nearest(value):
    """The float32 nearest to a fraction, ties to even: between its neighbours, by exact distance."""
    guess = np.float32(float(value))
    near = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    return min(near, key=lambda one: (abs(Fraction(float(one)) - value), int(one.view(np.int32)) & 1))


def each(left, right, rule):
    """A rule for one row and one column, applied to all."""
    return np.float32([[rule(row, column) for column in right.T] for row in left])


def test_integers_are_exact_at_any_length():
    draw = np.random.default_rng(0)
    for length, most in ((1, 128), (1024, 128), (1025, 128), (5000, 128), (5000, 57)):  # squares of 57 stay below 2^24
        left, right = draw.integers(-most, most, (3, length)), draw.integers(-most, most, (length, 4))
        left[0], right[:, 0] = -most, -most
        summed = sums.Integers(8)(left.astype(np.float32), right.astype(np.float32))
        assert_same_bits(summed, (left @ right).astype(np.float32))


@given(seed=st.integers(0, 1000), spread=st.integers(1, 12))
@few
def test_a_chunk_is_rounded_once(seed, spread):
    left, right = operands("fp16", seed=seed, spread=spread)

    def rule(row, column):
        total = None
        for start in range(0, len(row), 160):
            pairs = zip(row[start : start + 160], column[start : start + 160], strict=True)
            chunk = nearest(sum((Fraction(float(a)) * Fraction(float(b)) for a, b in pairs), Fraction(0)))
            total = chunk if total is None else total + chunk
        return total

    np.testing.assert_array_equal(sums.Chunked(160)(left, right), each(left, right, rule))


def test_a_chunk_that_float64_cannot_decide_is_summed_as_integers():
    tie = np.float32([[1, 2.0**-12, 2.0**-24, 0]])  # 1 + 2^-24 and a little: float64 holds it, half a ulp of float32
    ones = np.float32([[1, 2.0**-12, 2.0**-24, 0]]).T
    assert sums.Chunked(160)(tie, ones)[0, 0] == np.nextafter(np.float32(1), np.float32(2))
    far = np.float32([[60000, -60000, 2.0**-24]])
    assert sums.Chunked(160)(far, np.float32([[60000, 60000, 2.0**-24]]).T)[0, 0] == 2.0**-48
    lost = np.float32([[256, 2.0**-4, 2.0**-24]])  # 2^16 + 2^-8 is a tie, 2^-48 decides it and is lost to float64
    assert sums.Chunked(160)(lost, np.float32([[256, 2.0**-4, 2.0**-24]]).T)[0, 0] == 2.0**16 + 2.0**-7
    infinite = np.float32([[np.inf, 1], [np.nan, 1]])
    summed = sums.Chunked(160)(infinite, np.ones((2, 1), np.float32))
    assert summed[0, 0] == np.inf
    assert np.isnan(summed[1, 0])


@pytest.mark.slow
@given(seed=st.integers(0, 1000), core=st.integers(1, 20), fused=st.booleans())
@example(seed=512, core=14, fused=True)  # a product that decides a tie between two FP16 values, and is lost to float32
@few
def test_halves_round_everything_to_fp16(seed, core, fused):
    left, right = operands("fp16", length=50, seed=seed)

    def rule(row, column):
        cores = []
        for start in range(0, len(row), core):
            total = np.float16(0)
            for a, b in zip(row[start : start + core], column[start : start + core], strict=True):
                if fused:
                    total = np.float16(np.float64(a) * np.float64(b) + np.float64(total))
                else:
                    total = np.float16(a) * np.float16(b) + total
            cores.append(total)
        while len(cores) > 1:
            cores = [sum(cores[i : i + 2], np.float16(0)) for i in range(0, len(cores), 2)]
        return cores[0]

    with np.errstate(over="ignore", invalid="ignore"):
        expected = each(left, right, rule)
        np.testing.assert_array_equal(sums.Halves(core, fused=fused)(left, right), expected)


@pytest.mark.slow
@given(seed=st.integers(0, 1000), bits=st.integers(8, 20), group=st.sampled_from([16, 32]))
@few
def test_limited_sums_cut_what_lies_below_the_kept_bits(seed, bits, group):
    left, right = operands("fp8-e4m3", length=100, seed=seed, spread=6)

    def exponent(value):
        return int(np.frexp(value)[1]) - 1

    def rule(row, column):
        total = Fraction(0)
        for start in range(0, len(row), group):
            pairs = [
                (a, b) for a, b in zip(row[start : start + group], column[start : start + group], strict=True) if a * b
            ]
            sizes = [exponent(a) + exponent(b) for a, b in pairs] + ([exponent(float(total))] if total else [])
            if not sizes:
                continue
            unit = Fraction(2) ** (max(sizes) - (bits - 1))
            terms = [Fraction(float(a)) * Fraction(float(b)) for a, b in pairs] + [total]
            total = sum((int(term / unit) * unit for term in terms), Fraction(0))  # int() drops toward zero
        unit = Fraction(2) ** (exponent(float(total)) - (bits - 1))
        return float(int(total / unit) * unit)

    assert_same_bits(sums.Limited(bits, group)(left, right), each(left, right, rule))


def test_promotion_mends_limited_sums():
    """arXiv:2412.19437 reports nearly 2 % of largest error at K = 4096, on data that it does not name."""
    draw = np.random.default_rng(0)
    worst = []
    for one_sign in (False, True):
        left, right = (draw.standard_normal(shape).astype(np.float32) for shape in ((32, 4096), (4096, 32)))
        if one_sign:
            left, right = np.abs(left), np.abs(right)
        left, right = (formats.get("fp8-e4m3").quantize(x) for x in (left, right))
        exact = left.astype(np.float64) @ right
        scale = np.sqrt(np.mean(exact**2))
        promoted = sum(sums.Limited()(left[:, i : i + 128], right[i : i + 128]) for i in range(0, 4096, 128))
        worst.append(np.max(np.abs(sums.Limited()(left, right) - exact)) / scale)
        assert np.max(np.abs(promoted - exact)) / scale < worst[-1] / 3
    assert worst[0] < 0.02 < worst[1] < 0.1


@pytest.mark.torch
@pytest.mark.parametrize("rule", [sums.Integers(8), sums.Chunked(160), sums.Halves(), sums.Limited()])
def test_torch_gives_the_same_sums(rule, torch):
    name = {"int32": "int8", "14 bits in groups of 32": "fp8-e4m3"}.get(rule.name, "fp16")
    left, right = (
        operands(name) if name != "int8" else (np.round(wild((5, 2000))) % 127, np.round(wild((2000, 4))) % 127)
    )
    left, right = np.stack([left, -left]), np.stack([right, right[::-1]])
    theirs = rule(torch.from_numpy(left), torch.from_numpy(right.copy())).numpy()
    if not isinstance(rule, sums.Chunked):  # whose chunks are exact, but come from another library's float64
        assert_same_bits(theirs, rule(left, right))
    np.testing.assert_array_equal(theirs, rule(left, right))
    np.testing.assert_array_equal(theirs[1], rule(left[1], right[1]))


def test_a_core_holds_at_least_one_element():
    with pytest.raises(BadValue, match="at least one element"):
        sums.Halves(0)


@pytest.mark.parametrize("name", [name for name in arithmetic.names() if name not in analog.names()])
def test_products_are_near_and_prepared_weights_change_nothing(name):
    one = arithmetic.get(name)
    left, right = wild((2, 3, 260), spread=1), wild((2, 260, 5), seed=1, spread=1)
    product = one.matmul(left, one.prepare(right))
    assert product.shape == (2, 3, 5)
    assert product.dtype == np.float32
    assert_same_bits(product, one.matmul(left, right))
    np.testing.assert_array_equal(one.out.quantize(product), product)
    exact = left.astype(np.float64) @ right
    error = np.linalg.norm(product - exact) / np.linalg.norm(exact)
    narrow = min(one.left.bits, one.right.bits)
    assert error < (0.5 if narrow < 5 else 0.15 if narrow < 8 else 0.12)


@pytest.mark.parametrize("name", arithmetic.names())
@pytest.mark.parametrize("shape", [(0, 40, 4), (3, 40, 0), (3, 0, 4)])
def test_a_product_of_nothing_is_zero_or_empty(name, shape):
    one, (rows, length, columns) = arithmetic.get(name), shape
    product = one.matmul(np.ones((rows, length), np.float32), one.prepare(np.ones((length, columns), np.float32)))
    assert_same_bits(product, np.zeros((rows, columns), np.float32))


@pytest.mark.parametrize("name", ["int8", "int8-row", "int8-group128", "int4-row", "groq-int8"])
def test_integer_products_are_scaled_sums_of_codes(name):
    one = arithmetic.get(name)
    left, right = wild((4, 260), spread=2), wild((260, 3), seed=1, spread=2)
    a, b = one.left.encode(left), one.right.encode(right, axis=0)
    size = one.left.block if one.left.block > 0 else 260
    total = np.zeros((4, 3), np.float32)
    for group, start in enumerate(range(0, 260, size)):
        part = slice(start, start + size)
        codes = _signed(a.codes, one.left)[:, part] @ _signed(b.codes, one.right)[part]
        total += codes.astype(np.float32) * a.scales[0][:, [group]] * b.scales[0][[group]]
    assert_same_bits(one.matmul(left, right), total)


def _signed(codes, number):
    return number.grid.value(np, codes).astype(np.int64)


def test_wrong_operands_say_what_would_be_right():
    one, other = arithmetic.get("bf16"), arithmetic.get("int8-row")
    with pytest.raises(BadValue, match="last axis of 70"):
        one.matmul(wild((2, 3)), wild((70, 2)))
    with pytest.raises(BadValue, match="prepared by bf16"):
        one.matmul(wild((2, 70)), other.prepare(wild((70, 2))))
    with pytest.raises(BadValue, match="a matrix"):
        one.prepare(wild((70,)))
    with pytest.raises(BadValue, match="softmax"):
        one.vector(wild(), "sofmax")
    with pytest.raises(BadValue, match="groups of the size"):
        arithmetic.Factored(name="x", left=formats.get("int8-group64"), right=formats.get("int8-group128"),
                            out=formats.get("fp32"))  # fmt: skip


def test_vectors_are_rounded_to_their_own_format():
    one = arithmetic.Digital(name="x", left=formats.get("int8"), right=formats.get("int8"), out=formats.get("fp32"),
                             vectors={"softmax": formats.get("bf16")})  # fmt: skip
    x = wild()
    assert_same_bits(one.vector(x, "softmax"), formats.get("bf16").quantize(x))
    assert_same_bits(one.vector(x, "norm"), x)
