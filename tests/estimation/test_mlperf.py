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


def run(chip: str, model: str, text: str, scenario: str, count: int = 8) -> Run:
    found = mlperf.submission(chip, model, mlperf.formats(chip, text), count, None, scenario)
    assert isinstance(found, Run), found
    return found


@pytest.mark.parametrize("model", ["llama-2-70b", "llama-3.1-8b", "mixtral-8x7b", "deepseek-r1"])
def test_tighter_limits_are_kept_at_smaller_batches(model: str) -> None:
    task = mlperf.task(model)
    assert task is not None
    server = run(B200, model, "fp4", "server")
    limit = task.limits("server")
    assert limit is not None
    assert server.distance == 1.0
    assert server.step_s <= limit[1]
    if task.limits("interactive") is not None:
        interactive = run(B200, model, "fp4", "interactive")
        each = server.batch / server.step_model.plan.chips, interactive.batch / interactive.step_model.plan.chips
        assert each[1] < each[0]
        assert interactive.rate < server.rate


def test_an_offline_run_ends_with_its_last_answers() -> None:
    """Nearly 4,000 tokens of an answer take minutes of a run of ten, so that larger batches stop paying."""
    long, short = (run(B200, model, "fp4", "offline") for model in ("deepseek-r1", "llama-3.1-8b"))
    for one, output in ((long, 4043), (short, 128)):
        steady = one.batch / one.step_s * (8 / one.step_model.plan.chips)
        assert one.rate == pytest.approx(steady * 600 / (600 + output * one.step_s / 2), rel=0.02)


def test_routed_experts_are_served_with_attention_on_own_sequences() -> None:
    assert run(B200, "deepseek-r1", "fp4", "offline").step_model.plan.ranks > 1


def test_vendors_that_tune_count_as_mature() -> None:
    assert run("amd-mi300x-192gb", "llama-3.1-8b", "fp8", "offline", 1).step_model.maturity is None
    other = run("intel-arc-pro-b60-24gb", "llama-3.1-8b", "int4", "offline", 1).step_model.maturity
    assert other is not None
    assert other.value < 1.0


def test_passes_keep_their_limit() -> None:
    limited, free = (run("nvidia-l4-24gb", "bert-large", "int8", name, 1) for name in ("server", "offline"))
    assert limited.step_s <= 0.13
    assert limited.rate <= free.rate


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
