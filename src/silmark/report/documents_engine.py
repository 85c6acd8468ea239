"""The documented shape of `silmark engine --json`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from silmark.report.documents import Bounds, FigureDocument, Strict


class MemoryDocument(Strict):
    """Where the memory of one chip goes."""

    reported: float = Field(description="as the driver says")
    share: float = Field(description="of it, what the engine takes (gpu_memory_utilization and its like)")
    weights: float
    runtime: float = Field(description="driver and communication buffers")
    activations: float = Field(description="peak of the trial pass, logits included")
    graphs: float = Field(description="recorded steps, where the engine counts them")
    kv: float = Field(description="left for KV blocks")
    block: float = Field(description="one KV block on one chip")


class ReplicaDocument(Strict):
    """One engine: what it was told and chose."""

    engine: str
    engine_version: str = Field(description="whose defaults hold; empty where nothing is published")
    policy: Literal["vllm", "sglang", "trtllm"]
    plan: str
    replicas: int = Field(description="engines that share the requests")
    max_num_seqs: int
    max_num_batched_tokens: int
    max_model_len: int
    block_size: int = Field(description="tokens of a KV block")
    num_blocks: int = Field(description="KV blocks of one engine; vLLM's null block included")
    num_blocks_interval: Bounds
    kv_tokens: int
    enable_prefix_caching: bool
    enable_chunked_prefill: bool
    async_scheduling: bool
    memory_bytes: MemoryDocument


class KvTierDocument(Strict):
    """KV blocks beyond the chips, of one engine."""

    name: str
    blocks: int
    latency_s: float = Field(description="before the first byte")
    block_s: float = Field(description="per block, all chips of the engine together")
    pays_from: int | None = Field(description="fewest blocks that are restored sooner than prefilled; null: never")


class EngineDocument(Strict):
    """`silmark engine --json`."""

    schema_: Literal["silmark.engine/1"] = Field(alias="schema")
    question: dict[str, str]
    status: Literal["ok", "cannot-run", "infeasible"]
    reason: str
    engine: ReplicaDocument | None
    tiers: list[KvTierDocument]
    figures: list[FigureDocument] | None = Field(description="with --explain: every input figure")
