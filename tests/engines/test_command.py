"""`silmark engine` and `silmark.engine`: what an engine chooses, as words, document and refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import silmark
from silmark.errors import BadValue
from silmark.report.schema import DOCUMENTS
from silmark.serving.arguments import EngineArgs

Run = Callable[..., Any]


@pytest.mark.parametrize("on", ["8x:h100", "4x:cerebras-wse-3", "1x:nvidia-a100-sxm4-40gb", "z1-board"])
def test_the_document_is_what_the_schema_says(run: Run, on: str) -> None:
    found = run("engine", "llama-3.1-70b", "--on", on, "--json", "--explain")
    assert found.code == 0
    document = json.loads(found.out)
    DOCUMENTS["engine"].model_validate(document)
    assert document == silmark.engine("llama-3.1-70b", on).as_dict(explain=True)


def test_words_of_a_server_are_heard(run: Run) -> None:
    words = "--max-num-seqs 64 --max-num-batched-tokens 512 --max-model-len 4096 --gpu-memory-utilization 0.8"
    found = run("engine", "llama-3.1-8b", "--on", "1x:h100", *words.split(), "--json")
    chosen = json.loads(found.out)["engine"]
    assert [chosen[key] for key in ("max_num_seqs", "max_num_batched_tokens", "max_model_len")] == [64, 512, 4096]
    assert chosen["memory_bytes"]["share"] == 0.8


def test_the_page_shows_budget_and_blocks(run: Run) -> None:
    out = run("engine", "llama-3.1-8b", "--on", "1x:h100").out
    for word in ("vLLM 0.33.0", "num_blocks", "weights", "KV blocks", "host"):
        assert word in out
    assert "assumed" in run("engine", "llama-3.1-8b", "--on", "sohu-server-8").out


@pytest.mark.parametrize(
    "words",
    [
        "--policy tgi",
        "--engine-version newest",
        "--usage offline",
        "--max-num-seqs 0",
        "--max-num-batched-tokens -1",
        "--gpu-memory-utilization 1.1",
        "--gpu-memory-utilization 0",
        "--block-size 1e3",
        "--max-model-len many",
        "--tp 99",
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(run: Run, words: str) -> None:
    found = run("engine", "llama-3.1-8b", "--on", "1x:h100", *words.split())
    assert found.code == 2
    assert found.err.strip()
    assert "Traceback" not in found.err


_NUMBERS = st.one_of(st.integers(-(10**12), 10**12), st.floats(), st.none())


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "max_num_seqs",
                "max_num_batched_tokens",
                "max_model_len",
                "block_size",
                "num_gpu_blocks",
                "gpu_memory_utilization",
                "watermark",
                "conservativeness",
                "typical",
            ]
        ),
        _NUMBERS,
    )
)
def test_arguments_are_good_or_refused_by_name(values: dict[str, Any]) -> None:
    refused = ""
    try:
        EngineArgs(**values)
    except BadValue as error:
        refused = str(error)
    assert not refused or any(refused.startswith(name) for name in values)
