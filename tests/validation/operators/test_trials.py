"""What a fit sees and what judges it never meet."""

from __future__ import annotations

import numpy as np

from silmark.validation.operators.columns import Columns
from silmark.validation.operators.curves import KIN, SEEN, UNSEEN
from silmark.validation.operators.trials import HALVES, Trial, halves, trials

A100, A40, H100 = "nvidia-a100-sxm4-80gb", "nvidia-a40-48gb", "nvidia-h100-sxm5-80gb"
H200, H20 = "nvidia-h200-sxm-141gb", "nvidia-h20-96gb"
ROWS = [
    {"system": system, "engine": engine, "m": str(m), "n": "4096", "k": "4096"}
    for m in range(1, 200)
    for system in ("a100_sxm", "h100_sxm")
    for engine in ("vllm", "sglang")
]
COLUMNS = Columns({name: [row[name] for row in ROWS] for name in ROWS[0]})
CHIPS = np.array([A100 if row["system"] == "a100_sxm" else H100 for row in ROWS])


def test_halves_divide_shapes_whatever_the_chip_or_engine() -> None:
    half = halves(COLUMNS).reshape(-1, 4)
    assert np.all(half == half[:, :1])
    assert 0.35 < half.mean() < 0.65


def test_fit_and_judges_share_no_row() -> None:
    half = halves(COLUMNS)
    for trial in trials([A100, H100, A40]):
        saw, judges = trial.divide(half, CHIPS)
        assert not np.any(saw & judges)
        assert saw.tolist() == [trial.keeps(row) for row in ROWS]


def test_siblings_leave_alone_and_generations_together() -> None:
    found = list(trials([A100, H100, H200, A40, "google-tpu-v6e"]))
    assert [one.half for one in found if one.evidence == SEEN] == list(range(HALVES))
    assert {tuple(one.chips) for one in found if one.evidence == KIN} == {(H100,), (H200,)}
    assert {one.chips for one in found if one.evidence == UNSEEN} == {frozenset({A100, A40}), frozenset({H100, H200})}


def test_a_chip_of_another_balance_is_no_sibling() -> None:
    # H20 has a seventh of H100's arithmetic, A40 a third of A100's bandwidth for every cycle of a unit.
    assert all(one.evidence != KIN for one in trials([H100, H20, A100, A40]))


def test_a_trial_counts_only_what_it_is_about() -> None:
    assert Trial(KIN, -1, frozenset(), frozenset()).admits(KIN)
    assert not Trial(KIN, -1, frozenset(), frozenset()).admits(UNSEEN)
