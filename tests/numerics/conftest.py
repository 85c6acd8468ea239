"""Values that number formats are tried on."""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

LEAST, MOST = 2.0**-90, 2.0**90
"""Sizes at which no format's scale is clipped; what happens beyond has tests of its own."""

sizes = st.floats(LEAST, MOST, width=32)
values = st.one_of(st.just(0.0), sizes, sizes.map(lambda size: -size), st.floats(-8, 8, width=32))
rows = arrays.arrays(np.float32, st.tuples(st.integers(1, 3), st.integers(1, 70)), elements=values)


def wild(shape=(6, 70), seed=0, spread=20):
    """Normal values over many binades."""
    draw = np.random.default_rng(seed)
    return (draw.standard_normal(shape) * 2.0 ** draw.integers(-spread, spread, shape)).astype(np.float32)


def assert_same_bits(one, other):
    """Equal to the last bit, NaN to NaN; signs of zeros count."""
    one, other = np.asarray(one), np.asarray(other)
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    if one.dtype == np.float32:
        nan = np.isnan(one)
        np.testing.assert_array_equal(nan, np.isnan(other))
        one, other = one[~nan].view(np.int32), other[~nan].view(np.int32)
    np.testing.assert_array_equal(one, other)


@pytest.fixture
def torch():
    """PyTorch, or the reason why not."""
    return pytest.importorskip("torch", reason="needs PyTorch: pip install 'silmark[torch]'")
