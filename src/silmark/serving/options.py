"""EngineOptions: what one engine is told, in vLLM's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Policy = Literal["vllm", "sglang", "trtllm"]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Settings of one engine (one replica).

    Attributes:
        policy: whose scheduler decides.
        max_num_seqs: most requests that run at once.
        max_num_batched_tokens: most tokens of one step.
        max_model_len: most tokens of a request, prompt and answer together.
        block_size: tokens of a KV block.
        num_blocks: KV blocks, the null block of vLLM included.
        enable_prefix_caching, enable_chunked_prefill: as vLLM names them.
        long_prefill_token_threshold: most tokens that one request gets in a step while others wait; 0 for no limit.
        priority: requests go by priority, then arrival; else first come, first served.
        reserve_full_isl: a request starts only if its whole prompt fits (vLLM: scheduler_reserve_full_isl).
        watermark: share of the blocks that admissions leave free.
        async_scheduling: a step is scheduled while the one before it runs.
        pipeline: batches in flight, one per pipeline stage (vLLM: pipeline_parallel_size).
        draft_tokens: tokens that a draft model proposes per step; 0 for none.
        acceptance: chance that a proposed token is kept if all before it were.
        conservativeness: SGLang's schedule_conservativeness.
        capacity: TensorRT-LLM's capacity_scheduler_policy.
    """

    policy: Policy = "vllm"
    max_num_seqs: int = 1024
    max_num_batched_tokens: int = 8192
    max_model_len: int = 131_072
    block_size: int = 16
    num_blocks: int = 1 << 16
    enable_prefix_caching: bool = True
    enable_chunked_prefill: bool = True
    long_prefill_token_threshold: int = 0
    priority: bool = False
    reserve_full_isl: bool = True
    watermark: float = 0.0
    async_scheduling: bool = False
    pipeline: int = 1
    draft_tokens: int = 0
    acceptance: float = 0.0
    conservativeness: float = 1.0
    capacity: Literal["guaranteed_no_evict", "max_utilization"] = "guaranteed_no_evict"
