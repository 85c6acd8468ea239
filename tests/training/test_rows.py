"""Measured rows: what they state is read, what they reveal is not, and how far predictions are off."""

import math
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from silmark.figures.tables import packaged
from silmark.training import predict_row
from silmark.training.rows import question

FOUNDRY = {
    "hardware": "H100-SXM-80GB",
    "n_devices": "8",
    "model": "MPT-7b",
    "precision": "amp_bf16",
    "tp": "1.0",
    "pp": "1.0",
    "dp": "8.0",
    "batch": "48.0",
    "isl": "2048.0",
    "metric": "train_tokens_per_s_per_device",
    "unit": "tokens/s/GPU",
    "engine": "llm-foundry/Composer FSDP",
    "notes": "microbatch=6; grad_accum=1; fsdp=FULL_SHARD; mp_mode=DEFAULT; act_ckpt=False; MFU=1.0%",
}
_ROWS = Path(os.environ.get("SILMARK_DATA", "/nowhere")) / "measurements" / "public" / "training_throughput.csv.gz"


def test_notes_set_the_job() -> None:
    asked = question(FOUNDRY)
    assert not isinstance(asked, str)
    assert (asked.job.micro, asked.job.zero, asked.job.recompute, asked.job.passes) == (6, 3, "none", 1)
    again = question({**FOUNDRY, "notes": "microbatch=3; fsdp=SHARD_GRAD_OP; mp_mode=PURE; act_ckpt=True"})
    assert not isinstance(again, str)
    assert (again.job.zero, again.job.recompute, again.job.passes, again.job.reduce_bytes) == (2, "full", 2, 2.0)


def test_results_in_the_notes_are_not_read() -> None:
    assert predict_row(FOUNDRY) == predict_row({**FOUNDRY, "notes": FOUNDRY["notes"].replace("MFU=1.0%", "MFU=99%")})


def test_units_agree() -> None:
    rate = predict_row(FOUNDRY)[1]
    seconds = predict_row({**FOUNDRY, "metric": "train_step_time", "unit": "s"})
    assert seconds[1] == pytest.approx(6 * 2048 / rate)
    assert seconds[0] < seconds[1] < seconds[2]
    mfu = predict_row({**FOUNDRY, "metric": "train_mfu", "unit": "%"})[1]
    flops = predict_row({**FOUNDRY, "metric": "train_tflops_per_device", "unit": "TFLOP/s/chip"})[1]
    assert mfu == pytest.approx(100 * flops / 989.4, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"hardware": "Abacus"}, "Abacus"),
        ({"model": "GPT-9"}, "GPT-9"),
        ({"engine": "make"}, "make"),
        ({"metric": "loss"}, "metric"),
        ({"precision": "int3"}, "precision"),
        ({"n_devices": "many"}, "n_devices"),
    ],
)
def test_rows_that_cannot_be_answered_say_why(change: dict[str, str], word: str) -> None:
    low, mid, high, grade, why = predict_row({**FOUNDRY, **change})
    assert all(math.isnan(number) for number in (low, mid, high))
    assert grade == ""
    assert word in why


@pytest.mark.data
@pytest.mark.skipif(not _ROWS.is_file(), reason="SILMARK_DATA names no folder with measurements/public")
def test_accuracy_on_public_rows() -> None:
    """Median error at most 8 % on every chip and stack that was fitted; the four Megatron rows within 5 %."""
    from silmark.calibration import rows  # noqa: PLC0415

    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    inside = []
    for row in rows.table("training_throughput"):
        low, mid, high, _, why = predict_row(row)
        value = float(row["value"])
        assert mid > 0, why
        errors[row["hardware"], row["engine"]].append(abs(mid / value - 1))
        inside.append(low <= value <= high)
    medians = {key: float(np.median(found)) for key, found in errors.items()}
    assert max(medians.values()) <= 0.08, medians
    assert max(errors["A100-SXM-80GB", "Megatron-LM"]) <= 0.05
    assert 0.75 <= np.mean(inside) <= 0.97


@pytest.mark.data
@pytest.mark.skipif(not _ROWS.is_file(), reason="SILMARK_DATA names no folder with measurements/public")
def test_published_megatron_steps_lie_within_their_bars() -> None:
    """Four models of 22 billion to a trillion parameters on up to 512 A100 (arXiv:2205.05198, table 5)."""
    from silmark.calibration import rows  # noqa: PLC0415

    published = [row for row in rows.table("training_throughput") if row["engine"] == "Megatron-LM"]
    assert len(published) == 4
    for row in published:
        low, _, high, _, why = predict_row(row)
        assert low <= float(row["value"]) <= high, why


def test_left_out_errors_are_kept_and_within_reach() -> None:
    """The file says how wrong a fit is on chips and models that it did not see; the typical chip is within 15 %."""
    fitted = packaged("calibration")["training"]
    assert fitted["residuals"].keys() == fitted["chip_left_out"].keys() == fitted["model_left_out"].keys()
    for name in ("chip_left_out", "model_left_out"):
        medians = [one["median_error"] for one in fitted[name].values()]
        assert float(np.median(medians)) <= 0.15
    assert fitted["residuals"]["megatron nvidia-a100-sxm4-80gb fp16"]["median_error"] <= 0.0365
