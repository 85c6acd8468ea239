"""MLPerf: formats, cuts and limits of submissions."""

from __future__ import annotations

import pytest

from silmark.estimation import mlperf
from silmark.estimation.mlperf import Run
from silmark.mapping import Infeasible

H100, A100, B200 = "nvidia-h100-sxm5-80gb", "nvidia-a100-sxm4-80gb", "nvidia-b200-sxm-180gb"


def rate(chip: str, model: str, text: str, count: int = 8) -> float:
    found = mlperf.submission(chip, model, mlperf.formats(chip, text), count, None)
    assert isinstance(found, Run), found
    return found.rate


@pytest.mark.parametrize(
    ("chip", "text", "weights"),
    [
        (H100, "fp16", "fp8"),
        (H100, "fp4", "fp8"),
        (B200, "fp4", "fp4"),
        (B200, "mxfp4", "fp4"),
        (A100, "fp16", "fp16"),
        (A100, "int8", "int8"),
        (H100, "fp32", "fp16"),
        (H100, "UINT4", "int4"),
    ],
)
def test_the_fastest_format_that_the_log_and_the_chip_allow(chip: str, text: str, weights: str) -> None:
    assert mlperf.formats(chip, text).weights == weights


def test_eight_chips_reach_eight_times_one() -> None:
    assert rate(H100, "llama-3.1-8b", "fp8", 8) == pytest.approx(8 * rate(H100, "llama-3.1-8b", "fp8", 1), rel=0.02)


def test_beams_cost_what_they_decode() -> None:
    task = mlperf.task("gpt-j-6b")
    assert task is not None
    assert task.beams == 4
    assert rate(H100, "gpt-j-6b", "fp8") < rate(H100, "llama-3.1-8b", "fp8")


def test_models_without_tokens_count_samples() -> None:
    assert rate(H100, "resnet-50", "int8") > rate(H100, "bert-large", "fp8")


def test_limits_are_those_of_the_scenario() -> None:
    task = mlperf.task("llama-2-70b")
    assert task is not None
    assert task.limits("Server") == (2.0, 0.2)
    assert task.limits("Interactive") == (0.45, 0.04)
    assert task.limits("Offline") is None


def test_models_without_a_benchmark_and_chips_that_are_too_small_say_so() -> None:
    assert mlperf.task("mamba2-2.7b") is None
    found = mlperf.submission("nvidia-l4-24gb", "llama-3.1-405b", mlperf.formats("nvidia-l4-24gb", "fp8"), 1, None)
    assert isinstance(found, Infeasible)
