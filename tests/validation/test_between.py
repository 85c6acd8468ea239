"""Pairs of plans: what two runs share cancels, what is left makes a class, and the file is read back."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tables
from hypothesis import given
from hypothesis import strategies as st

from silmark import chips
from silmark.figures import Grade
from silmark.figures.tables import read_figure, walk
from silmark.formats import Precision
from silmark.mapping import Plan
from silmark.step import between_plans, error
from silmark.validation import between, write
from silmark.validation.between import Run, classes, compared, pairs
from silmark.validation.score import predicted

RANDOM = np.random.default_rng(5)
PLANS = [Plan(Precision.of("bf16"), tp=tp) for tp in (1, 2, 4, 8)]


def run(plan: Plan, predicted_: float, measured: float, *, chip: str = "a", model: str = "m", load: float = 8.0) -> Run:
    return Run((chip, model), "gpu-measured", "tpot", plan, load, measured, predicted_)


def runs(chip: str, wrong: float, places: int = 60, common: float = 0.5) -> list[Run]:
    """Two plans at many places; all are off by what they share, and each by an error of its own."""
    found = []
    for place in range(places):
        shared = RANDOM.normal(0.0, common)
        for plan in PLANS[:2]:
            said = RANDOM.normal()
            found.append(run(plan, said, said + shared + RANDOM.normal(0.0, wrong), chip=chip, model=f"{place}"))
    return found


def test_a_known_error_of_ratios_comes_back_whatever_plans_share() -> None:
    (made,) = classes(list(compared([*runs("a", 0.1, 400), *runs("b", 0.1, 400)])))
    # 80 % of a normal variable of deviation 0.1 * sqrt(2) lie within 1.2816 deviations.
    assert np.log(made.high) == pytest.approx(1.2816 * 0.1 * np.sqrt(2), rel=0.15)
    assert made.low * made.high == pytest.approx(made.value) == 1.0
    assert (made.grade, dict(made.rows)) == ("measured", {"a": 400, "b": 400})


def test_one_chip_leaves_its_models_out_and_few_pairs_make_no_class() -> None:
    many = [one for model in "xyz" for one in runs("a", 0.1, 12)]
    models = [replace(one, place=("a", "xyz"[i // 24], i // 2)) for i, one in enumerate(many)]
    (made,) = classes(list(compared(models)))
    assert (made.grade, dict(made.rows)) == ("derived", {"a": 36})
    assert not classes(list(compared(models[:24])))
    assert not classes(list(compared([*runs("a", 0.1, 6), *runs("b", 0.1, 6)])))


def test_other_families_lend_latency_to_time_per_token() -> None:
    family = [replace(one, family="systolic-measured", metric="latency") for c in "ab" for one in runs(c, 0.1)]
    made = {one.metric: one for one in classes(list(compared(family)))}
    assert made["tpot"].high == made["latency"].high
    assert made["tpot"].lent_by == "latency"


def test_pairs_differ_in_the_plan_alone() -> None:
    base = run(PLANS[0], 1.0, 1.0)
    others = [
        run(PLANS[0], 1.5, 1.5, load=9.0),
        run(PLANS[1], 1.5, 1.5, load=16.0),
        run(PLANS[1], 1.5, 1.5, model="n"),
    ]
    assert not [pair for other in others for pair in compared([base, other])]
    assert len(list(compared([base, run(PLANS[1], 1.5, 1.5, load=10.0)]))) == 1


def test_repeats_count_once_by_their_medians() -> None:
    repeats = [run(PLANS[1], 1.2, 1.2 + off) for off in (-0.1, 0.05, 3.0)]
    (pair,) = compared([run(PLANS[0], 1.0, 1.0), *repeats])
    assert pair.off == pytest.approx(0.05)


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(-2, 2), st.floats(-2, 2))
def test_the_one_that_is_predicted_to_be_better_is_first(p: float, q: float, m: float, n: float) -> None:
    forward, back = ([run(PLANS[i], (p, q)[i], (m, n)[i]) for i in order] for order in ((0, 1), (1, 0)))
    (one,), (other,) = compared(forward), compared(back)
    assert one.gap == other.gap >= 0.0
    if one.gap:
        assert one.off == other.off
        assert one.right == ((p < q) == (m < n) and m != n)


def test_rates_are_turned_into_chip_time(tmp_path: Path) -> None:
    one = {"hardware": "H100-SXM-80GB", "tp": "1", "n_devices": "1", "batch": "8", "value": "1000"}
    two = {**one, "tp": "2", "n_devices": "2", "batch": "16", "value": "1600"}
    tables.put(tmp_path, "trtllm_docs_throughput", one, two)
    found = predicted(["trtllm_docs_throughput"], tmp_path)
    samples = found.samples()
    left = {("throughput", "model"): [(samples[0], 0.0), (samples[1], 0.3)]}
    (pair,) = pairs(found.rows, samples, left)
    measured = np.log(2 * 1000 / 1600)  # of the second plan's chip time over the first's
    # The second took exp(0.3) times as long as was said, and was said to be the quicker one.
    assert (pair.gap, pair.off) == pytest.approx((0.3 - measured, -0.3))
    assert not pair.right
    assert not pairs(found.rows, samples, {})


def test_the_written_classes_are_read_back_as_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    made = classes(list(compared([*runs("a", 0.1), *runs("b", 0.1)])))
    table = tomllib.loads(write.residuals([], made))
    (figure,) = (read_figure("residuals.toml", key, leaf) for key, leaf in walk(table["between_plans"]))
    assert figure.high == pytest.approx(made[0].high, rel=1e-3)
    assert "pairs: a 60, b 60" in figure.note
    with monkeypatch.context() as patch:
        patch.setattr(error, "packaged", lambda _: {"residuals": table})
        error._classes.cache_clear()
        assert between_plans(chips.load("h100"), "tpot").high == figure.high
        assert between_plans(chips.load("h100"), "throughput").grade is Grade.ASSUMED
    error._classes.cache_clear()


def test_families_without_pairs_are_assumed_and_wider() -> None:
    for metric in ("tpot", "throughput"):
        figure = between_plans(chips.load("extropic-z1"), metric)
        assert figure.grade is Grade.ASSUMED
        assert figure.high >= between_plans(chips.load("h100"), metric).high


def test_the_table_counts_the_order_by_predicted_difference() -> None:
    found = [
        between.Pair(chip, "gpu-measured", "m", "tpot", gap, gap + off)
        for chip in "ab"
        for gap, off in [*[(0.05, -0.1)] * 10, *[(0.05, 0.1)] * 10, *[(0.5, 0.1)] * 10]
    ]
    (cells,) = between.grid(found, classes(found)).rows
    assert cells[3] == "60"
    assert cells[6:] == ("67 %", "50 % of 40", "-", "100 % of 20", "100 % of 20")
