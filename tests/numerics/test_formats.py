"""What the number formats must keep, whichever they are."""

import numpy as np
import pytest

from silmark.errors import BadValue, UnknownName
from silmark.numerics import arithmetic, formats


def wild(shape=(6, 70), seed=0):
    """Normal values over many binades."""
    draw = np.random.default_rng(seed)
    return (draw.standard_normal(shape) * 2.0 ** draw.integers(-20, 20, shape)).astype(np.float32)


@pytest.mark.parametrize("name", formats.FORMATS)
def test_codes_decode_to_what_quantize_gives(name):
    x = wild()
    for axis in (-1, 0):
        encoded = formats.get(name).encode(x, axis)
        np.testing.assert_array_equal(formats.get(name).decode(encoded), formats.get(name).quantize(x, axis))


def test_unknown_names_say_what_is_near():
    with pytest.raises(UnknownName, match="bf16"):
        formats.get("bff16")


def test_a_product_needs_matching_shapes():
    with pytest.raises(BadValue, match="last axis of 70"):
        arithmetic.get("bf16").matmul(wild((2, 3)), wild((70, 2)))
