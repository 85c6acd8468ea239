"""EngineOptions: what one engine is told, in vLLM's words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Policy = Literal["vllm", "sglang", "trtllm"]
Order = Literal["fcfs", "lpm", "lof"]
KvRole = Literal["none", "consumer", "producer", "both"]
Capacity = Literal["guaranteed_no_evict", "max_utilization", "static_batch"]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Settings of one engine (one replica).

    Attributes:
        policy: whose scheduler decides.
        max_num_seqs: most requests that run at once.
        max_num_batched_tokens: most tokens of one step.
        max_num_scheduled_tokens: most tokens that the scheduler gives out in a step; 0 for as many as are batched.
        max_model_len: most tokens of a request, prompt and answer together.
        block_size: tokens of a KV block.
        num_blocks: KV blocks, the null block of vLLM included.
        enable_prefix_caching, enable_chunked_prefill: as vLLM names them.
        long_prefill_token_threshold: most tokens that one request gets in a step while others wait; 0 for no limit.
        prefill_schedule_interval: least steps from one with prompts to the next, unless requests queue up; 1 for none.
        priority: requests go by priority, then arrival; else first come, first served.
        reserve_full_isl: a request starts only if its whole prompt fits (vLLM: scheduler_reserve_full_isl).
        watermark: share of the blocks that admissions leave free.
        async_scheduling: a step is scheduled while the one before it runs.
        pipeline: batches in flight, one per pipeline stage (vLLM: pipeline_parallel_size).
        draft_tokens: tokens that a draft model proposes per step; 0 for none.
        acceptance: chance that a proposed token is kept if all before it were.
        drafter: who proposes: heads on the model (EAGLE, multi-token prediction), the text itself, a smaller model.
        conservativeness: SGLang's schedule_conservativeness.
        schedule_policy: SGLang's: first come first served, longest cached prefix first, longest output first.
        max_prefill_tokens: SGLang's: most tokens of a prefill besides the size of a chunk (max_num_batched_tokens).
        mixed_chunk: SGLang's enable_mixed_chunk: prefills and decodes share steps.
        num_reserved_decode_tokens: SGLang's: tokens kept free for each request that holds KV, where it only decodes.
        ignore_eos: every answer is as long as its request says, which SGLang then counts on; benchmarks ask for it.
        max_new_tokens: what every request says that its answer may come to at least; 0 for what it comes to.
        capacity: TensorRT-LLM's capacity_scheduler_policy.
        equal_chunks: TensorRT-LLM's context_chunking_policy is EQUAL_PROGRESS, else FIRST_COME_FIRST_SERVED.
        sequence_blocks: blocks that a running request takes beside those of its tokens: windows and recurrent states
            of a fixed size.
        kv_role: vLLM's, of a KV connector: KV comes from elsewhere (consumer), is kept for others (producer), or both.
            An SGLang engine that is a consumer only decodes (disaggregation_mode decode).
        captured: numbers of tokens for which a step was recorded as a graph, ascending: a step is padded up to the
            next of them, a larger one runs as it is. Empty: none is padded.
    """

    policy: Policy = "vllm"
    max_num_seqs: int = 1024
    max_num_batched_tokens: int = 8192
    max_num_scheduled_tokens: int = 0
    max_model_len: int = 131_072
    block_size: int = 16
    num_blocks: int = 1 << 16
    enable_prefix_caching: bool = True
    enable_chunked_prefill: bool = True
    long_prefill_token_threshold: int = 0
    prefill_schedule_interval: int = 1
    priority: bool = False
    reserve_full_isl: bool = True
    watermark: float = 0.0
    async_scheduling: bool = False
    pipeline: int = 1
    draft_tokens: int = 0
    acceptance: float = 0.0
    drafter: Literal["eagle", "ngram", "draft_model"] = "eagle"
    conservativeness: float = 1.0
    schedule_policy: Order = "fcfs"
    max_prefill_tokens: int = 16_384
    mixed_chunk: bool = False
    num_reserved_decode_tokens: int = 512
    ignore_eos: bool = True
    max_new_tokens: int = 0
    capacity: Capacity = "guaranteed_no_evict"
    equal_chunks: bool = False
    sequence_blocks: int = 0
    kv_role: KvRole = "none"
    captured: tuple[int, ...] = ()
