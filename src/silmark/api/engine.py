"""One engine as it comes up on a system: what it chooses, where its memory goes, how many KV blocks it has."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, cast

from silmark.api.question import Count
from silmark.api.serving_words import EngineWords, bring_up, engine_args
from silmark.mapping import Infeasible
from silmark.report.engine import EngineAnswer
from silmark.serving.kv_tiers import kv_tiers


def engine(
    model: str,
    on: str,
    *,
    policy: str = "vllm",
    engine_version: str = "",
    usage: str = "server",
    max_num_seqs: Count | None = None,
    max_num_batched_tokens: Count | None = None,
    max_model_len: Count | None = None,
    gpu_memory_utilization: str | float | None = None,
    block_size: Count | None = None,
    enforce_eager: bool = False,
    tp: Count | None = None,
    pp: Count | None = None,
    dp: Count | None = None,
    ep: Count | None = None,
    precision: str = "default",
) -> EngineAnswer:
    """What a serving engine chooses by itself, and the KV blocks that its chips leave it.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`.
        on: `8x:nvidia-h100-sxm5-80gb`, a system's id, or a `.toml` file.
        policy, engine_version: vllm, sglang or trtllm, and whose defaults: such as 0.19.0.
        usage: "server" for an API server, "llm" for offline batches.
        max_num_seqs, max_num_batched_tokens, max_model_len, gpu_memory_utilization, block_size, enforce_eager: as vLLM
            names them; None is the engine's own choice.
        tp, pp, dp, ep, precision: as in `estimate`.

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    words: EngineWords = {
        "policy": policy,
        "engine_version": engine_version,
        "max_num_seqs": max_num_seqs,
        "max_num_batched_tokens": max_num_batched_tokens,
        "max_model_len": max_model_len,
        "gpu_memory_utilization": gpu_memory_utilization,
        "block_size": block_size,
        "tp": tp,
        "pp": pp,
        "dp": dp,
        "ep": ep,
        "precision": precision,
    }
    told = replace(engine_args(words), usage=cast("Literal['server', 'llm']", usage), enforce_eager=enforce_eager)
    loaded, target, plan, found = bring_up(model, on, words, told)
    said = {"model": loaded.name, "on": target.name, "plan": str(plan), "policy": policy, "usage": usage}
    if isinstance(found, Infeasible):
        return EngineAnswer(said, None, (), found.reason, cannot=found.cannot)
    return EngineAnswer(said, found, tuple(kv_tiers(found, list(target.tiers()))))
