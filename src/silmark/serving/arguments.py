"""EngineArgs: what a user tells an engine, in vLLM's words; what is left out the engine chooses."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from silmark.errors import BadValue

MOST = 1 << 30
"""Largest number of tokens, sequences or blocks that may be asked for."""


@dataclass(frozen=True, slots=True)
class EngineArgs:
    """What is asked of one engine; None is the engine's own choice.

    Attributes:
        policy: whose scheduler: vllm, sglang or trtllm.
        version: of the engine, such as 0.19.0; empty for the newest that is known.
        usage: "server" for an API server, "llm" for offline batches: vLLM's defaults differ.
        max_num_seqs, max_num_batched_tokens, max_model_len, block_size: as in `EngineOptions`.
        gpu_memory_utilization: share of the memory that the engine takes; SGLang's mem_fraction_static,
            TensorRT-LLM's free_gpu_memory_fraction.
        num_gpu_blocks: KV blocks, whatever fits (vLLM: num_gpu_blocks_override).
        enable_prefix_caching, enable_chunked_prefill, long_prefill_token_threshold, priority, reserve_full_isl,
            watermark, async_scheduling, conservativeness, capacity: as in `EngineOptions`.
        enforce_eager: no step is recorded as a graph.
        draft_tokens, acceptance: speculative decoding, as in `EngineOptions`.
        typical: tokens of a usual request, prompt and answer: where layers with windows or recurrent states mix with
            others, the share of memory that each takes is exact at this length; None for an assumed one.
    """

    policy: str = "vllm"
    version: str = ""
    usage: Literal["server", "llm"] = "server"
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    max_model_len: int | None = None
    block_size: int | None = None
    gpu_memory_utilization: float | None = None
    num_gpu_blocks: int | None = None
    enable_prefix_caching: bool | None = None
    enable_chunked_prefill: bool | None = None
    long_prefill_token_threshold: int | None = None
    priority: bool = False
    reserve_full_isl: bool | None = None
    watermark: float | None = None
    async_scheduling: bool | None = None
    enforce_eager: bool = False
    draft_tokens: int = 0
    acceptance: float = 0.0
    conservativeness: float | None = None
    capacity: Literal["guaranteed_no_evict", "max_utilization"] = "guaranteed_no_evict"
    typical: float | None = None

    def __post_init__(self) -> None:
        counts = ("max_num_seqs", "max_num_batched_tokens", "max_model_len", "block_size", "num_gpu_blocks")
        for name in counts:
            value = getattr(self, name)
            if value is not None and not (type(value) is int and 1 <= value <= MOST):
                raise BadValue(name, value, f"a whole number from 1 to {MOST:,}")
        self._within("long_prefill_token_threshold", 0, MOST, f"a number of tokens up to {MOST:,}; 0 for no limit")
        self._within("draft_tokens", 0, 64, "a number from 0 to 64")
        for name in ("gpu_memory_utilization", "watermark", "acceptance"):
            self._within(name, 0, 1, "a share from 0 to 1")
        self._within("conservativeness", 0, 10, "a factor from 0 to 10")
        self._within("typical", 1, MOST, "a number of tokens")
        if self.gpu_memory_utilization == 0:
            raise BadValue("gpu_memory_utilization", 0, "a share above 0")
        if self.usage not in ("server", "llm"):
            raise BadValue("usage", self.usage, "server or llm")
        if self.capacity not in ("guaranteed_no_evict", "max_utilization"):
            raise BadValue("capacity", self.capacity, "guaranteed_no_evict or max_utilization")

    def _within(self, name: str, least: float, most: float, expected: str) -> None:
        value = getattr(self, name)
        if value is not None and not least <= value <= most:  # NaN is refused as well
            raise BadValue(name, value, expected)

    def said(self) -> dict[str, object]:
        """What the user set, by name."""
        return {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
