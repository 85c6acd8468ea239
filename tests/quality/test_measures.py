"""Measures against values that follow by hand, and laws that hold for any outputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark.quality import measures

SEEDS = st.integers(0, 2**32 - 1)


def _logits(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 3, shape).astype(np.float32)


@given(SEEDS)
def test_equal_outputs_measure_nothing(seed: int) -> None:
    logits, tokens = _logits(seed, (3, 5, 7)), np.random.default_rng(seed).integers(0, 7, (3, 5))
    found = measures.language(logits, logits, tokens)
    assert found["kl"].mid == 0
    assert found["top1_agreement"].mid == 1
    assert found["perplexity"].mid == pytest.approx(found["perplexity_fp32"].mid)
    assert found["snr_db"].mid == math.inf
    same = measures.encoder(logits[0], logits[0])
    assert same["neighbour_agreement"].mid == 1
    assert same["pair_rmse"].mid == 0
    assert same["cosine_least"].mid == pytest.approx(1)


@given(SEEDS, st.floats(-5, 5))
def test_a_constant_changes_no_probability(seed: int, constant: float) -> None:
    logits = _logits(seed, (2, 4, 6)).astype(np.float64)
    assert measures.divergence(logits, logits + constant) == pytest.approx(np.zeros((2, 4)), abs=1e-9)


@given(SEEDS)
def test_intervals_hold_their_middle(seed: int) -> None:
    truth, found = _logits(seed, (6, 4, 5)), _logits(seed ^ 1, (6, 4, 5))
    tokens = np.random.default_rng(seed).integers(0, 5, (6, 4))
    for one in (
        *measures.language(truth, found, tokens).values(),
        *measures.encoder(truth[:, 0], found[:, 0]).values(),
        *measures.classifier(truth[:, 0], found[:, 0], tokens[:, 0]).values(),
        *measures.outputs(truth, found).values(),
    ):
        assert one.low <= one.mid <= one.high


def test_values_by_hand() -> None:
    even, sure = np.zeros((1, 1, 2)), np.array([[[math.log(3), 0.0]]])  # 1/2, 1/2 and 3/4, 1/4
    assert measures.divergence(even, sure).item() == pytest.approx(0.5 * math.log(2 / 3) + 0.5 * math.log(2))
    uniform = measures.language(np.zeros((1, 9, 8)), np.zeros((1, 9, 8)), np.zeros((1, 9), dtype=int))
    assert uniform["perplexity"].mid == pytest.approx(8)
    assert measures.snr_db(np.array([3.0, 4.0]), np.array([3.0, 4.5])) == pytest.approx(20)
    parted = measures.generated(np.array([[1, 2, 3, 4], [1, 2, 3, 4]]), np.array([[1, 2, 9, 4], [1, 2, 3, 4]]))
    assert parted["first_difference"].mid == 4  # at the third token, and after the fourth
    assert parted["equal_tokens"].mid == pytest.approx(7 / 8)


def test_a_share_of_all_or_none_is_not_certain() -> None:
    assert measures.share(np.ones(10, dtype=bool)).low < 0.9
    assert measures.share(np.zeros(10, dtype=bool)).high > 0.1
    assert measures.share(np.ones(10_000, dtype=bool)).low > 0.999
