"""Curves find what was planted, and lend it only to chips that it can hold for."""

from __future__ import annotations

import numpy as np
import pytest

from silmark.validation.operators.curves import (
    FAR,
    FOREIGN,
    KIN,
    LIKE,
    SEEN,
    UNSEEN,
    Curve,
    conditions,
    evidence,
    find,
    key,
    learn,
    relatives,
    shifts,
)

H100, H200, H800, H20 = "nvidia-h100-sxm5-80gb", "nvidia-h200-sxm-141gb", "nvidia-h800-sxm5-80gb", "nvidia-h20-96gb"
B200, A100 = "nvidia-b200-sxm-180gb", "nvidia-a100-sxm4-80gb"
ONE = Curve((0.0,), (0.1,))


def test_a_planted_shift_is_found_and_outliers_do_not_move_it() -> None:
    logs = np.linspace(-12.0, -6.0, 200)
    errors = np.where(logs < -9.0, 0.8, 0.1)
    errors[::10] = 5.0
    curves = learn(["grouped/x"] * 200, [H100] * 200, logs, errors)
    found = shifts(curves, ["grouped/x"] * 2, [H100] * 2, np.array([-12.0, -6.0]))
    assert found == pytest.approx([0.8, 0.1])


def test_kernels_that_a_fit_knows_by_name_get_no_curve() -> None:
    assert learn(["gemm/x"] * 200, [H100] * 200, np.zeros(200), np.ones(200)) == {}


def test_chips_of_a_shared_curve_weigh_alike() -> None:
    paths = ["grouped/x"] * 330
    chips = [H100] * 300 + [B200] * 15 + [A100] * 15
    errors = np.array([1.0] * 300 + [0.0] * 30)
    curves = learn(paths, chips, np.full(330, -9.0), errors)
    assert curves["grouped/x"].shift == (0.0,)
    assert curves[key("grouped/x", H100)].shift == (1.0,)


def test_few_rows_teach_nothing() -> None:
    assert learn(["grouped/x"] * 14, [H100] * 14, np.zeros(14), np.ones(14)) == {}


def test_own_before_sibling_before_relative_before_all_before_a_shorter_path() -> None:
    curves = {key("a/b", H100): ONE, "a/b": ONE, "a": ONE, key("a", H200): ONE}
    assert find(curves, "a/b", H100) == key("a/b", H100)
    assert find(curves, "a/b", H200) == key("a/b", H100)
    assert find(curves, "a/b", B200) == "a/b"
    assert find({**curves, key("a/b", A100): ONE}, "a/b", "nvidia-h100-pcie-80gb") == key("a/b", H100)
    assert find(curves, "a", H200) == key("a", H200)
    assert find(curves, "a/c", H200) == key("a", H200)
    assert not find(curves, "z", H200)


def test_evidence_is_whom_the_same_conditions_were_measured_on() -> None:
    measured = conditions(["a/b"] * 40, [H100] * 20 + [A100] * 20)
    assert measured == {"a @ " + A100: 20, "a @ " + H100: 20, "a/b @ " + A100: 20, "a/b @ " + H100: 20}
    chips = (A100, H100)
    assert evidence(measured, chips, "a/b", H100) == SEEN
    assert evidence(measured, chips, "a/b", H200) == KIN
    assert evidence(measured, chips, "a/c", H100) == LIKE
    assert evidence(measured, chips, "a/b", B200) == UNSEEN
    assert evidence(measured, chips, "a/c", B200) == FAR
    assert evidence(measured, chips, "a/b", "amd-mi210-64gb") == FOREIGN


def test_a_chip_of_another_balance_lends_nothing() -> None:
    # H20 has the bandwidth of an H100 and a seventh of its arithmetic: what binds on one does not on the other.
    kin, others = relatives(H800, (H100, H20, B200))
    assert H100 in kin
    assert H20 not in kin + others
    assert not find({key("a", H20): ONE}, "a", H800)
