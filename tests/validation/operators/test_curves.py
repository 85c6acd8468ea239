"""Curves find what was planted, and lend it only to chips that it can hold for."""

from __future__ import annotations

import numpy as np
import pytest

from silmark.validation.operators.curves import FAR, KIN, SEEN, UNSEEN, Curve, find, key, learn, relatives, shifts

H100, H200, H800, H20 = "nvidia-h100-sxm5-80gb", "nvidia-h200-sxm-141gb", "nvidia-h800-sxm5-80gb", "nvidia-h20-96gb"
B200, A100 = "nvidia-b200-sxm-180gb", "nvidia-a100-sxm4-80gb"
ONE = Curve((0.0,), (0.1,))


def test_a_planted_shift_is_found_and_outliers_do_not_move_it() -> None:
    logs = np.linspace(-12.0, -6.0, 200)
    errors = np.where(logs < -9.0, 0.8, 0.1)
    errors[::10] = 5.0
    curves = learn(["gemm/x"] * 200, [H100] * 200, logs, errors)
    found, evidence = shifts(curves, ["gemm/x"] * 2, [H100] * 2, np.array([-12.0, -6.0]))
    assert found == pytest.approx([0.8, 0.1])
    assert evidence == [SEEN, SEEN]


def test_chips_of_a_shared_curve_weigh_alike() -> None:
    paths = ["gemm/x"] * 330
    chips = [H100] * 300 + [B200] * 15 + [A100] * 15
    errors = np.array([1.0] * 300 + [0.0] * 30)
    curves = learn(paths, chips, np.full(330, -9.0), errors)
    assert curves["gemm/x"].shift == (0.0,)
    assert curves[key("gemm/x", H100)].shift == (1.0,)


def test_few_rows_teach_nothing() -> None:
    assert learn(["gemm/x"] * 14, [H100] * 14, np.zeros(14), np.ones(14)) == {}


def test_own_before_sibling_before_all_before_a_shorter_path() -> None:
    curves = {key("a/b", H100): ONE, "a/b": ONE, "a": ONE, key("a", H200): ONE}
    assert find(curves, "a/b", H100) == (key("a/b", H100), SEEN)
    assert find(curves, "a/b", H200) == (key("a/b", H100), KIN)
    assert find(curves, "a/b", B200) == ("a/b", UNSEEN)
    assert find(curves, "a", H200) == (key("a", H200), SEEN)
    assert find(curves, "a/c", H200) == (key("a", H200), KIN)
    assert find(curves, "z", H200) == ("", "")


def test_rows_of_other_chips_under_other_conditions_say_little() -> None:
    curves = {"a": ONE, key("a", H100): ONE}
    assert find(curves, "a/b", B200) == ("a", UNSEEN)
    assert find(curves, "a/b/c", B200) == ("a", FAR)
    assert find(curves, "a/b/c", H200) == (key("a", H100), KIN)


def test_a_chip_of_another_balance_lends_nothing() -> None:
    # H20 has the bandwidth of an H100 and a seventh of its arithmetic: what binds on one does not on the other.
    kin, others = relatives(H800, (H100, H20, B200))
    assert H100 in kin
    assert H20 not in kin + others
    assert find({key("a", H20): ONE}, "a", H800) == ("", "")
