"""What an engine chooses where the user says nothing, in the order in which it chooses."""

from __future__ import annotations

from dataclasses import replace

from silmark.figures import assumptions
from silmark.mapping import Infeasible
from silmark.models.mixers import LatentAttention
from silmark.serving import graphs
from silmark.serving.arguments import EngineArgs
from silmark.serving.blocks import Blocks, blocks, why_not
from silmark.serving.engines import Engine
from silmark.serving.options import EngineOptions
from silmark.step import StepModel

_UNLIMITED = 1 << 20
"""Tokens of a request where neither the model nor the memory limits them."""


def resolve(model: StepModel, engine: Engine, args: EngineArgs) -> tuple[EngineOptions, Blocks] | Infeasible:
    """Options and KV blocks of one replica.

    Args:
        model: the replica.
        engine: whose defaults hold.
        args: what the user set.

    Returns:
        Both; Infeasible where the engine would not start: no block fits, or not the longest request asked for.
    """
    options = _told(model, engine, args)
    if engine.policy != "vllm" and options.pipeline > 1:
        return Infeasible(f"{engine.name} with pipeline stages is not modelled: vllm's scheduler is")
    if engine.policy != "vllm" and options.draft_tokens:
        return Infeasible(f"{engine.name} with drafted tokens is not modelled: vllm's scheduler is")
    typical = _or(args.typical, assumptions("engine")["request.typical_tokens"].value)
    found = blocks(model, engine, options, typical, args.gpu_memory_utilization)
    if args.num_gpu_blocks is not None:
        found = replace(found, count=args.num_gpu_blocks, budget=replace(found.budget, error=(0.0, 0.0)))
    reason = why_not(found, options, args.max_model_len)
    if reason is not None:
        return reason
    if args.max_num_seqs is None and engine.policy == "sglang":
        options = replace(options, max_num_seqs=_running(engine, options, found))
    return replace(
        options,
        max_model_len=min(options.max_model_len, found.tokens()),
        block_size=found.size,
        num_blocks=found.count,
        sequence_blocks=found.per_sequence,
    ), found


def _told(model: StepModel, engine: Engine, args: EngineArgs) -> EngineOptions:
    """Everything but the blocks."""
    length = args.max_model_len or model.model.max_context or _UNLIMITED
    chunked = _flag(args.enable_chunked_prefill, engine, "enable_chunked_prefill")
    seqs, tokens = _budgets(model, engine, args, length, chunked)
    caches = _flag(args.enable_prefix_caching, engine, "enable_prefix_caching")
    recurrent = float(model.memory.per_sequence(2.0)) == float(model.memory.per_sequence(1.0))
    return EngineOptions(
        policy=engine.policy,
        max_num_seqs=seqs * model.plan.ranks,
        max_num_batched_tokens=tokens * model.plan.ranks,
        max_model_len=length,
        block_size=args.block_size or _block_size(model, engine),
        enable_prefix_caching=caches and not recurrent,
        enable_chunked_prefill=chunked,
        long_prefill_token_threshold=args.long_prefill_token_threshold or 0,
        priority=args.priority,
        reserve_full_isl=_flag(args.reserve_full_isl, engine, "reserve_full_isl"),
        watermark=_or(args.watermark, engine.value("watermark")),
        async_scheduling=_flag(args.async_scheduling, engine, "async_scheduling"),
        pipeline=model.depth,
        draft_tokens=args.draft_tokens,
        acceptance=args.acceptance,
        conservativeness=_or(args.conservativeness, engine.value("conservativeness", 1.0)),
        capacity=args.capacity,
        captured=_captured(engine, args, seqs, tokens),
    )


def _budgets(model: StepModel, engine: Engine, args: EngineArgs, length: int, chunked: bool) -> tuple[int, int]:
    """Most requests that run, and most tokens of a step."""
    streamed = model.plan.placement.weights == "sram" and model.depth > 1
    group = "streamed." if streamed else "llm." if args.usage == "llm" else ""
    seqs = args.max_num_seqs or engine.whole(f"{group}max_num_seqs", engine.whole("max_num_seqs"))
    tokens = args.max_num_batched_tokens
    if tokens is None:
        tokens = engine.whole(f"{group}max_num_batched_tokens", engine.whole("max_num_batched_tokens"))
        if not chunked and engine.policy == "vllm":  # a step must hold a prompt in one piece
            tokens = max(tokens, length)
        tokens = min(tokens, seqs * length)
    if args.max_num_seqs is None and not streamed:
        seqs = min(seqs, tokens)
    return seqs, tokens


def _running(engine: Engine, options: EngineOptions, found: Blocks) -> int:
    """SGLang's max_running_requests: by how many of the longest requests the pool holds; each needs two tokens."""
    tokens = found.count * found.size
    fitting = engine.value("running.per_context") * tokens / options.max_model_len
    within = min(max(fitting, engine.value("running.least")), engine.value("running.most"))
    return max(1, min(int(within), tokens // 2))


def _block_size(model: StepModel, engine: Engine) -> int:
    """Tokens of a block: kernels for latent attention may want larger ones."""
    usual = engine.whole("block_size", 16)
    parts = (part for _, block in model.model.blocks for part in block.parts)
    return engine.whole("latent.block_size", usual) if any(isinstance(p, LatentAttention) for p in parts) else usual


def _captured(engine: Engine, args: EngineArgs, seqs: int, tokens: int) -> tuple[int, ...]:
    """Sizes of recorded or compiled steps."""
    if args.enforce_eager:
        return ()
    if engine.whole("captured.first"):  # machines that compile shapes: powers of two
        return graphs.doubling(engine.whole("captured.first"), tokens)
    query = 1 + args.draft_tokens
    if engine.policy == "sglang":  # decode batches only
        return graphs.decode_batches(min(seqs, engine.whole("captured.most")))
    most = min(seqs * query * 2, engine.whole("captured.most"), tokens)
    return graphs.captured(most, *(size for size in (seqs * query, tokens) if size <= most)) if most else ()


def _flag(asked: bool | None, engine: Engine, key: str) -> bool:
    return bool(engine.value(key)) if asked is None else asked


def _or(asked: float | None, usual: float) -> float:
    return usual if asked is None else asked
