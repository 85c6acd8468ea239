"""Cross-validation: bars made without a row hold it, and the summary counts every chip once."""

from __future__ import annotations

import numpy as np
import pytest

from silmark.calibration import interval
from silmark.calibration.engines import Sample
from silmark.validation import cross, targets

RANDOM = np.random.default_rng(11)


def family(members: int, rows: int = 40, own: float = 0.2, inner: float = 0.1) -> list[np.ndarray]:
    """Members that are off by an amount of their own, and whose rows scatter around it."""
    return [RANDOM.normal(RANDOM.normal(0, own), inner, rows) for _ in range(members)]


@pytest.mark.parametrize("members", [3, 5, 8, 12, 40])
def test_a_bar_made_of_some_members_holds_new_ones(members: int) -> None:
    held = []
    for _ in range(400):
        below, above = interval.of_new(family(members))
        (new,) = family(1)
        held.append(np.mean((-below <= new) & (new <= above)))
    assert 0.75 <= np.mean(held) <= 0.92


def test_members_with_few_rows_do_not_set_the_bar() -> None:
    odd = np.array([2.0, 2.1])
    usual = [np.linspace(-0.1, 0.1, 20) for _ in range(4)]
    assert interval.of_new([*usual, odd]) == interval.of_new(usual)
    assert max(interval.of_new([odd])) > 2.0


def test_further_rows_of_known_members_need_their_scatter_only() -> None:
    shifted = [np.linspace(-0.1, 0.1, 50) for _ in range(3)]
    below, above = interval.of_known(shifted)
    assert below == pytest.approx(0.08, abs=0.01)
    assert above == pytest.approx(0.08, abs=0.01)
    assert interval.of_known([np.zeros(50)]) == (interval.LEAST, interval.LEAST)


def sample(chip: str, model: str, batch: float, slower: float, vendor: str = "V") -> Sample:
    levels = {"network": "dense", "format": "fp8", "vendor": vendor, "generation": f"{vendor}-fp8"}
    seconds = (0.004 + 0.0002 * batch) * slower
    work = (0.004 + 0.0002 * batch, 1.0, batch, 100.0, 0.0, 0.0, 0.0)
    return Sample("fast", "tpot", {**levels, "chip": chip, "model": model}, seconds, work)


SAMPLES = [
    sample(chip, model, batch, slower)
    for chip, slower in (("a", 1.0), ("b", 1.1), ("c", 1.2), ("d", 3.0))
    for model in "xyz"
    for batch in (1.0, 4.0, 16.0, 64.0)
]


def test_a_chip_is_judged_by_the_others() -> None:
    judged = cross.judge(cross.leave_out(SAMPLES))
    odd = [one for one in judged["tpot", "chip"] if one.sample.chip == "d"]
    assert odd
    assert not any(one.inside for one in odd)  # three like chips say nothing of a fourth that is three times slower
    usual = [one for one in judged["tpot", "chip"] if one.sample.chip == "b"]
    assert all(one.inside for one in usual)


def test_known_chips_have_narrower_bars_than_new_ones() -> None:
    wide = cross.widths(cross.leave_out(SAMPLES))
    assert sum(wide["", "tpot", "row"]) < sum(wide["", "tpot", "chip"])
    assert ("", "", "model") in wide


def test_the_summary_counts_every_chip_once() -> None:
    same = np.zeros(1000), np.full(1000, 0.1), np.full(1000, 0.1)
    parts = [
        targets.part("GEMM", "seen", "many", *same),
        targets.part("GEMM", "seen", "few", np.full(10, 0.3), np.full(10, 0.1), np.full(10, 0.1)),
        targets.part("GEMM", "seen", "fewer", np.full(10, 0.3), np.full(10, 0.1), np.full(10, 0.1)),
    ]
    (line,) = targets.lines(parts)
    assert line.error == pytest.approx(1 - np.exp(-0.3))
    assert line.inside == pytest.approx(1000 / 1020)
    assert line.width == pytest.approx(np.exp(0.2))
    assert line.aim == targets.AIMS["GEMM"][0]


def test_training_is_in_the_summary() -> None:
    found = targets.lines(targets.trained())
    assert {(one.what, one.side) for one in found} == {("training", "seen"), ("training", "unseen")}
    assert all(0.0 < one.error < 0.3 and one.width > 1.0 for one in found)
