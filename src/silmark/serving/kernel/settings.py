"""What an engine is told, as the numbers that the core reads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from silmark.serving.kernel.words import ORDERS, POLICIES
from silmark.serving.options import EngineOptions

SETTINGS = np.dtype(
    [
        ("policy", np.int64),
        ("seqs", np.int64),
        ("tokens", np.int64),
        ("scheduled", np.int64),
        ("interval", np.int64),
        ("length", np.int64),
        ("block", np.int64),
        ("usable", np.int64),
        ("aside", np.int64),
        ("threshold", np.int64),
        ("watermark", np.int64),
        ("depth", np.int64),
        ("stages", np.int64),
        ("drafts", np.int64),
        ("slots", np.int64),
        ("ahead", np.int64),
        ("behind", np.int64),
        ("spare", np.int64),
        ("acceptance", np.float64),
        ("caching", np.bool_),
        ("digests", np.bool_),
        ("apart", np.bool_),
        ("chunked", np.bool_),
        ("priority", np.bool_),
        ("whole", np.bool_),
        ("lookahead", np.bool_),
        ("evicts", np.bool_),
        ("conservativeness", np.float64),
        ("entries", np.int64),
        ("prefill_tokens", np.int64),
        ("stated", np.int64),
        ("order", np.int64),
        ("mixed", np.bool_),
        ("ignore_eos", np.bool_),
        ("fetches", np.bool_),
        ("reserved", np.int64),
        ("rows", np.int64),
        ("equal_chunks", np.bool_),
        ("waits", np.bool_),
        ("defers", np.bool_),
        ("delivers", np.bool_),
    ],
    align=True,
)
"""EngineOptions as numbers.

seqs: most sequences. tokens, scheduled: most tokens of a step, and of those that the scheduler gives out. interval:
steps from one with prompts to the next. length: most tokens of a request. block: tokens of a block. usable: blocks to
use. aside: blocks that a running request takes beside those of its tokens. threshold: tokens of one request in a step
while others wait (0: no limit). watermark: blocks that admissions leave free. depth, stages: batches in flight at most,
and pipeline stages. drafts, acceptance: drafted tokens, and the chance that one is kept. slots: of a step's tokens,
those that the drafter takes for each request. ahead: tokens behind the last one for which it needs blocks. behind:
tokens behind a block by which that is known too. spare: tokens beyond a request's last one that its block table may
come to cover. caching: a prefix cache is kept; digests: by digests of blocks (SGLang has a tree); apart: and by now
somebody may find something there, so that blocks are told apart (`apart.py`). whole: a request starts only if all of
its prompt fits. lookahead: a step is scheduled before the one in flight has returned (async scheduling). evicts:
TensorRT-LLM's max_utilization. entries: size of the table of digests, a power of two. prefill_tokens: SGLang's
max_prefill_tokens. stated: tokens that every request says it may make. order: of SGLang's queue. mixed: chunks of
prompts run with decodes. ignore_eos: answers are as long as their requests say. fetches: SGLang only decodes what
others prefill. reserved: tokens that it then keeps free for each request that holds KV. rows: most requests that may
hold some. equal_chunks: TensorRT-LLM's prompts progress evenly. waits: static batches. defers: KV may arrive in blocks
as soon as they are free, so that none are freed that a step in flight may write. delivers: KV is kept for others, so
that a token whose KV was given up meanwhile does not count.
"""

_FEW_SEATS = 32
"""SGLang (pd_disaggregation_hook.py): so few seats or fewer have room for the KV of twice as many requests besides."""


def row(options: EngineOptions) -> NDArray[np.void]:
    """One row of SETTINGS."""
    one = np.zeros(1, dtype=SETTINGS)
    one["policy"] = POLICIES.index(options.policy)
    one["seqs"] = options.max_num_seqs
    one["tokens"] = options.max_num_batched_tokens
    one["scheduled"] = options.max_num_scheduled_tokens or options.max_num_batched_tokens
    one["interval"] = options.prefill_schedule_interval
    one["length"] = options.max_model_len
    one["block"] = options.block_size
    # Block 0 is vLLM's null block, SGLang's slot for padding lies besides, TensorRT-LLM has none.
    one["usable"] = options.num_blocks - (1 if options.policy == "vllm" else 0)
    one["aside"] = options.sequence_blocks
    one["threshold"] = options.long_prefill_token_threshold
    one["watermark"] = int(options.watermark * options.num_blocks)
    one["stages"] = options.pipeline
    one["depth"] = options.pipeline + options.async_scheduling
    one["drafts"] = options.draft_tokens
    one["slots"] = 1 if options.draft_tokens and options.drafter == "draft_model" else 0
    one["ahead"] = 0 if options.drafter == "ngram" else options.draft_tokens
    one["behind"] = 1 if options.draft_tokens and options.drafter == "eagle" else 0
    one["spare"] = (one["depth"] + 1) * (1 + one["drafts"])
    one["acceptance"] = options.acceptance
    one["caching"] = options.enable_prefix_caching
    one["digests"] = options.enable_prefix_caching and options.policy != "sglang"
    one["chunked"] = options.enable_chunked_prefill
    one["priority"] = options.priority
    one["whole"] = options.reserve_full_isl
    one["lookahead"] = options.async_scheduling
    one["evicts"] = options.capacity == "max_utilization"
    one["conservativeness"] = options.conservativeness
    one["entries"] = 1 << (2 * options.num_blocks - 1).bit_length()
    one["prefill_tokens"] = options.max_prefill_tokens
    one["stated"] = options.max_new_tokens
    one["order"] = ORDERS.index(options.schedule_policy)
    one["mixed"] = options.mixed_chunk
    one["ignore_eos"] = options.ignore_eos
    one["equal_chunks"] = options.equal_chunks
    one["waits"] = options.capacity == "static_batch"
    one["fetches"] = options.policy == "sglang" and options.kv_role == "consumer"
    one["reserved"] = options.num_reserved_decode_tokens
    one["rows"] = options.max_num_seqs * (3 if options.max_num_seqs <= _FEW_SEATS else 1)
    one["defers"] = options.kv_role in ("consumer", "both") and one["depth"] > 1 and not one["fetches"]
    one["delivers"] = options.kv_role in ("producer", "both")
    return one
