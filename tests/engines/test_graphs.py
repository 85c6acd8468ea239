"""Recorded steps: the sizes that engines have, and what padding to them does."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from replicas import running

from silmark.serving import graphs
from silmark.serving.options import EngineOptions


@given(st.integers(1, 1100), st.lists(st.integers(0, 20_000), min_size=1, max_size=20))
def test_padding_is_the_least_recorded_size(most: int, tokens: list[int]) -> None:
    options = EngineOptions(captured=graphs.captured(most, most))
    padded = graphs.padded(tokens, options)
    for asked, ran in zip(tokens, padded, strict=True):
        fitting = [size for size in options.captured if size >= asked]
        assert ran == (min(fitting) if fitting else asked)
    assert np.array_equal(graphs.padded(padded, options), padded)


@given(st.integers(1, 64), st.integers(1, 70_000))
def test_compiled_shapes_double(first: int, most: int) -> None:
    sizes = graphs.doubling(first, most)
    assert sizes[-1] == max(first, most)
    assert all(a < b <= 2 * a for a, b in pairwise(sizes))


def test_without_recorded_steps_nothing_is_padded() -> None:
    assert graphs.padded([3, 700], EngineOptions()).tolist() == [3, 700]


def test_eager_engines_record_nothing() -> None:
    assert running("llama-3.1-8b", "1x:h100", enforce_eager=True).options.captured == ()


@pytest.mark.data
def test_the_sizes_are_those_of_a_real_server() -> None:
    place = Path(os.environ["SILMARK_DATA"]) / "traces" / "llmservingsim" / "RTX4090_Llama-3.1-8B" / "meta.json"
    said = json.loads(place.read_text(encoding="utf-8"))
    config = said["resolved_config"]
    found = running("llama-3.1-8b", "1x:nvidia-rtx-4090-24gb", version=said["vllm_version"], max_model_len=32_768)
    assert list(found.options.captured) == config["compilation_config"]["cudagraph_capture_sizes"]
    scheduler = config["scheduler_config"]
    for name in ("max_num_seqs", "max_num_batched_tokens", "enable_chunked_prefill", "async_scheduling"):
        assert getattr(found.options, name) == scheduler[name], name
    assert found.options.reserve_full_isl == scheduler["scheduler_reserve_full_isl"]
    assert found.blocks.budget.share == config["cache_config"]["gpu_memory_utilization"]
    assert found.blocks.budget.total == pytest.approx(said["hardware"]["device_total_memory_bytes"], rel=1e-3)
