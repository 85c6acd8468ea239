"""What an engine chooses, and what changes when the user says something."""

from __future__ import annotations

from dataclasses import replace

import pytest
from replicas import running

from silmark import models, systems
from silmark.api.single import asked_plan
from silmark.mapping import Infeasible
from silmark.serving.replica import replica


def test_offline_batches_take_larger_steps() -> None:
    assert running("llama-3.1-8b", "1x:h100", usage="llm").options.max_num_batched_tokens == 16_384
    assert running("llama-3.1-8b", "1x:nvidia-rtx-4090-24gb", usage="llm").options.max_num_batched_tokens == 8192


def test_without_chunks_a_step_holds_the_longest_prompt() -> None:
    found = running("llama-3.1-8b", "1x:h100", enable_chunked_prefill=False, max_model_len=50_000)
    assert found.options.max_num_batched_tokens == 50_000
    assert not running("llama-3.1-8b", "1x:h100", policy="trtllm").options.enable_chunked_prefill


def test_no_more_requests_run_than_a_step_has_tokens() -> None:
    assert running("llama-3.1-8b", "1x:h100", max_num_batched_tokens=100).options.max_num_seqs == 100


def test_what_the_user_says_is_taken() -> None:
    said = {
        "max_num_seqs": 7,
        "max_num_batched_tokens": 300,
        "max_model_len": 900,
        "block_size": 32,
        "enable_prefix_caching": False,
        "long_prefill_token_threshold": 64,
        "priority": True,
        "reserve_full_isl": False,
        "watermark": 0.02,
        "async_scheduling": False,
        "draft_tokens": 3,
        "acceptance": 0.7,
        "conservativeness": 0.3,
        "capacity": "max_utilization",
    }
    options = running("llama-3.1-8b", "1x:h100", **said).options
    assert {name: getattr(options, name) for name in said} == said


def test_ranks_of_attention_are_one_engine() -> None:
    loaded, target = models.load("deepseek-v3"), systems.target("8x:nvidia-h200-sxm-141gb")
    plan = asked_plan(loaded, target, (8, None, None, 8, None), "fp8")
    whole, ranked = replica(loaded, target, plan), replica(loaded, target, replace(plan, ranks=8))
    assert not isinstance(whole, Infeasible)
    assert not isinstance(ranked, Infeasible)
    assert ranked.options.max_num_seqs == 8 * whole.options.max_num_seqs
    # A latent cache is kept once instead of eight times; copies of the dense layers take some of what that frees.
    assert ranked.kv_tokens > 4 * whole.kv_tokens


def test_as_many_batches_are_in_flight_as_stages() -> None:
    assert running("llama-3.1-70b", "4x:cerebras-wse-3").options.pipeline > 4
    assert running("llama-3.1-70b", "4x:cerebras-wse-3").options.max_num_batched_tokens == 4
    assert running("llama-3.1-8b", "8x:h100", tp=8).options.pipeline == 1


@pytest.mark.parametrize(("model", "seqs"), [("llama-3.1-8b", 2048), ("llama-3.2-1b", 4096), ("mistral-7b", 4096)])
def test_sglang_runs_as_many_as_its_pool_suggests(model: str, seqs: int) -> None:
    found = running(model, "1x:h100", policy="sglang")
    assert found.options.max_num_seqs == pytest.approx(seqs, rel=0.5)
    assert 2048 <= found.options.max_num_seqs <= 4096


def test_a_chip_of_ones_own_runs_what_its_vendor_does() -> None:
    target = systems.target("1x:h100")
    own = replace(target, chip=replace(target.chip, id="my-gpu"))
    loaded = models.load("llama-3.1-8b")
    found = replica(loaded, own, asked_plan(loaded, target, (None,) * 5, "default"))
    assert not isinstance(found, Infeasible)
    assert found.engine.name == "vLLM"


def test_models_without_tokens_are_refused_with_a_reason() -> None:
    loaded, target = models.load("bert-large"), systems.target("1x:h100")
    found = replica(loaded, target, asked_plan(loaded, target, (None,) * 5, "default"))
    assert isinstance(found, Infeasible)
    assert "encoder" in found.reason
