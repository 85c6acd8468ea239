"""Drives vLLM's own scheduler (0.33.0) through a scenario, without a model: what a simulated scheduler must decide.

Needs an environment in which `vllm.v1.core.sched` can be imported, a GPU is not needed:

    pip install torch==2.13.0 && pip install --no-deps vllm==0.33.0   # and what its imports ask for
    python tests/serving/oracle.py IN.json OUT.json

IN maps names to scenarios, OUT maps them to steps. A scenario is one dictionary:

- max_num_seqs, max_num_batched_tokens, block_size, num_blocks (null block included);
- prefix_caching (True), policy ("fcfs"), long_prefill_token_threshold (0), reserve_full_isl (True), watermark (0.0);
- enable_chunked_prefill (True), max_num_scheduled_tokens (as batched), prefill_schedule_interval (1),
  max_model_len (1 << 20, without chunks as batched);
- async_scheduling (False), pipeline (1), draft_tokens (0), acceptance (0.0), drafter ("ngram", "eagle",
  "draft_model");
- requests: id, arrive_step, segments ([start, stop) of ascending token ids), out, priority (0);
- kv_role ("consumer", "producer", "both"; none), and of requests fetch_steps (0), fetch_fails (False), hold_steps (0):
  KV that comes from elsewhere or goes there (`oracle_kv.py`);
- tier_blocks (0), tier_policy ("lru"), store_steps (1), restore_steps (1): vLLM's own offloading connector
  (`oracle_tier.py`).

Every request emits token id 7 whenever its computed tokens reach its length. Of the drafts that a step checks as many
are right as `kept` says; those that only fill up a batch never are.

A step is one call of schedule(): `sched` (tokens by request), `total`, `new` (cached tokens of the admitted),
`preempted`, `running`, `waiting` and `free_blocks` right after it; then `tokens` (emitted) and `finished` of the output
that arrives before the next call: of the batch that was scheduled `depth` - 1 calls before. `loading` are those whose
KV is on the way; `waiting` starts with those that hold blocks.
`tier` is what the tier holds then, first what would go first: row of a request, place of its block, copies under way
(-1: it is not there yet).
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import deque
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import oracle_kv
import oracle_tier
import torch
from vllm.config import CacheConfig, SchedulerConfig
from vllm.sampling_params import SamplingParams
from vllm.utils.hashing import sha256
from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
from vllm.v1.outputs import DraftTokenIds, ModelRunnerOutput
from vllm.v1.request import Request, RequestStatus

EMITTED = 7
_MASK = (1 << 64) - 1
_GOLDEN, _MIX = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9


def kept(row: int, done: int, drafts: int, acceptance: float) -> int:
    """How many drafts are kept: a fixed draw for each request, the tokens it has made, and each draft in turn."""
    mixed = _GOLDEN * (row + 1) + _MIX * (done + 1)
    for count in range(drafts):
        mixed = (mixed + _GOLDEN) & _MASK
        bits = ((mixed ^ (mixed >> 30)) * _MIX) & _MASK
        bits ^= bits >> 27
        if (bits >> 11) * 2.0**-53 >= acceptance:
            return count
    return max(drafts, 0)


def prompt(segments: list[list[int]]) -> list[int]:
    """Token ids of a prompt."""
    return [token for start, stop in segments for token in range(start, stop)]


def _speculation(config: dict[str, Any]) -> SimpleNamespace | None:
    """What the scheduler asks of a speculative_config."""
    if not config.get("draft_tokens"):
        return None
    eagle = config.get("drafter") == "eagle"
    return SimpleNamespace(
        num_speculative_tokens=config["draft_tokens"],
        max_num_new_slots_for_drafting=1 if config.get("drafter") == "draft_model" else 0,
        num_speculative_tokens_per_batch_size=None,
        disable_eagle_block_drop=False,
        use_eagle=lambda: eagle,
        use_eagle_block_drop=lambda: eagle,
        needs_eagle_block_drop=lambda: eagle,
    )


def _eagle(config: dict[str, Any]) -> bool:
    return bool(config.get("draft_tokens")) and config.get("drafter") == "eagle"


def depth(config: dict[str, Any]) -> int:
    """Batches in flight (vllm/config/vllm.py max_concurrent_batches)."""
    return int(config.get("pipeline", 1)) + bool(config.get("async_scheduling"))


def _connector(config: dict[str, Any]) -> ModuleType:
    """Whose connector the scenario has."""
    return oracle_tier if config.get("tier_blocks") else oracle_kv


def _vllm_config(config: dict[str, Any]) -> SimpleNamespace:
    whole = config["max_num_batched_tokens"]  # without chunks vLLM lets no prompt be longer than a step
    length = config.get("max_model_len", 1 << 20 if config.get("enable_chunked_prefill", True) else whole)
    drafts = config.get("draft_tokens", 0)
    cache = CacheConfig(block_size=config["block_size"], enable_prefix_caching=config.get("prefix_caching", True))
    cache.num_gpu_blocks = config["num_blocks"]
    return SimpleNamespace(
        scheduler_config=SchedulerConfig(
            max_model_len=length,
            is_encoder_decoder=False,
            max_num_seqs=config["max_num_seqs"],
            max_num_batched_tokens=config["max_num_batched_tokens"],
            max_num_scheduled_tokens=config.get("max_num_scheduled_tokens"),
            long_prefill_token_threshold=config.get("long_prefill_token_threshold", 0),
            enable_chunked_prefill=config.get("enable_chunked_prefill", True),
            policy=config.get("policy", "fcfs"),
            scheduler_reserve_full_isl=config.get("reserve_full_isl", True),
            watermark=config.get("watermark", 0.0),
            prefill_schedule_interval=config.get("prefill_schedule_interval", 1),
            async_scheduling=config.get("async_scheduling", False),
            disable_hybrid_kv_cache_manager=True,
        ),
        cache_config=cache,
        model_config=SimpleNamespace(
            uses_mrope=False,
            is_encoder_decoder=False,
            max_model_len=length,
            runner_type="generate",
            is_diffusion=False,
            supports_multimodal_inputs=False,
            return_sampling_mask=False,
        ),
        parallel_config=SimpleNamespace(
            pipeline_parallel_size=config.get("pipeline", 1),
            decode_context_parallel_size=1,
            prefill_context_parallel_size=1,
            data_parallel_index=0,
            data_parallel_size=1,
            world_size=1,
        ),
        observability_config=SimpleNamespace(per_request_spec_decode_metrics="none", kv_cache_metrics=False),
        aux_output_config=SimpleNamespace(enabled=False),
        ec_manager_config=SimpleNamespace(get_encoder_cache_manager_obj=lambda: None),
        speculative_config=_speculation(config),
        lora_config=None,
        kv_events_config=None,
        kv_transfer_config=_connector(config).transfer_config(config),
        ec_transfer_config=None,
        is_mm_encoder_only=False,
        num_speculative_tokens=drafts,
        num_lookahead_tokens=drafts if config.get("drafter") in {"eagle", "draft_model"} else 0,
        num_prefill_lookahead_tokens=int(_eagle(config)),
        num_hash_lookahead_tokens=int(_eagle(config) and config.get("prefix_caching", True)),
        use_v2_model_runner=True,
        max_concurrent_batches=depth(config),
        max_in_flight_tokens=depth(config) * config["max_num_batched_tokens"],
    )


def _scheduler(config: dict[str, Any]) -> Any:
    init_none_hash(sha256)
    spec = FullAttentionSpec(block_size=config["block_size"], num_kv_heads=1, head_size=1, dtype=torch.float32)
    kind = AsyncScheduler if config.get("async_scheduling") else Scheduler
    return kind(
        vllm_config=_vllm_config(config),
        kv_cache_config=KVCacheConfig(
            num_blocks=config["num_blocks"], kv_cache_tensors=[], kv_cache_groups=[KVCacheGroupSpec(["layer"], spec)]
        ),
        structured_output_manager=SimpleNamespace(
            accept_tokens=lambda request, tokens: True, validate_tokens=lambda request, tokens: tokens
        ),
        block_size=config["block_size"],
    )


def _request(entry: dict[str, Any], row: int, config: dict[str, Any]) -> Any:
    return Request(
        request_id=entry["id"],
        prompt_token_ids=prompt(entry["segments"]),
        sampling_params=SamplingParams(max_tokens=entry["out"], ignore_eos=True),
        pooling_params=None,
        arrival_time=float(entry["arrive_step"]),
        priority=entry.get("priority", 0),
        block_hasher=get_request_block_hasher(config["block_size"], sha256, int(_eagle(config))),
    )


def _emissions(scheduler: Any, output: Any, admitted: dict[str, int]) -> dict[str, int]:
    """Drafts that this batch checks, by request that samples in it: -1 where they only fill up the batch."""
    drafts = {}
    for name in output.num_scheduled_tokens:
        if not scheduler.requests[name].is_prefill_chunk:
            count = len(output.scheduled_spec_decode_tokens.get(name, ()))
            drafts[name] = -1 if count and name in admitted else count
    return drafts


def _deliver(scheduler: Any, output: Any, drafts: dict[str, int], rows: dict[str, int], config: dict[str, Any]) -> Any:
    """Hands the tokens of one batch to the scheduler; (tokens by request, names of the finished)."""

    names = list(output.num_scheduled_tokens)
    sampled: list[list[int]] = []
    for name in names:
        count = 0
        if name in drafts and name in scheduler.requests:
            done = scheduler.requests[name].num_output_tokens
            count = 1 + kept(rows[name], done, drafts[name], config.get("acceptance", 0.0))
        sampled.append([EMITTED] * count)
    alive = {name: request for name, request in scheduler.requests.items() if not request.is_finished()}
    before = {name: alive[name].num_output_tokens for name in names if name in alive}
    runner = ModelRunnerOutput(names, {name: i for i, name in enumerate(names)}, sampled)
    scheduler.update_from_output(output, runner)
    emitted = {name: alive[name].num_output_tokens - before[name] for name in before}
    finished = sorted(name for name in names if name in alive and alive[name].is_finished())
    if config.get("draft_tokens") and not config.get("async_scheduling"):
        samplers = [name for name in drafts if name in scheduler.requests]
        scheduler.update_draft_token_ids(
            DraftTokenIds(samplers, [[EMITTED] * config["draft_tokens"] for _ in samplers])
        )
    return {name: count for name, count in emitted.items() if count}, finished


def _loading(scheduler: Any) -> list[str]:
    """Requests whose KV is on the way, by name."""
    there = scheduler.finished_recving_kv_req_ids
    held = (request for request in scheduler.kv_holding_waiting if request.request_id not in there)
    return sorted(request.request_id for request in held if request.status == RequestStatus.WAITING_FOR_REMOTE_KVS)


def _waiting(scheduler: Any) -> list[str]:
    """Requests that wait for a step, in their order."""
    away = set(_loading(scheduler))
    queues = (*scheduler.kv_holding_waiting, *scheduler.waiting)
    return [request.request_id for request in queues if request.request_id not in away]


def record(config: dict[str, Any], most: int = 1 << 20) -> list[dict[str, Any]]:
    """The steps of one scenario; at most `most` of them."""
    scheduler = _scheduler(config)
    rows = {entry["id"]: row for row, entry in enumerate(config["requests"])}
    coming = deque(sorted(config["requests"], key=lambda entry: entry["arrive_step"]))
    flying: deque[tuple[Any, dict[str, int]]] = deque()
    steps: list[dict[str, Any]] = []
    connector = scheduler.connector
    if connector:
        connector.told(config, [_request(entry, row, config) for row, entry in enumerate(config["requests"])])
    while (coming or scheduler.get_num_unfinished_requests() or (connector and connector.busy())) and len(steps) < most:
        while coming and coming[0]["arrive_step"] <= len(steps):
            entry = coming.popleft()
            scheduler.add_request(_request(entry, rows[entry["id"]], config))
        if connector:
            connector.step = len(steps)
            connector.deliver(scheduler)
        started = {request.request_id for request in scheduler.running}
        counts = {name: request.num_preemptions for name, request in scheduler.requests.items()}
        output = scheduler.schedule()
        running = [request.request_id for request in scheduler.running]
        admitted = {
            data.req_id: data.num_computed_tokens for data in output.scheduled_new_reqs if data.req_id not in started
        }
        steps.append(
            {
                "step": len(steps),
                "sched": dict(output.num_scheduled_tokens),
                "total": output.total_num_scheduled_tokens,
                "new": admitted,
                "preempted": sorted(
                    (n for n, r in scheduler.requests.items() if r.num_preemptions > counts[n]),
                ),
                "running": running,
                "waiting": _waiting(scheduler),
                "free_blocks": scheduler.kv_cache_manager.block_pool.get_num_free_blocks(),
                "tokens": {},
                "finished": [],
            }
        )
        if connector and (loading := _loading(scheduler)):
            steps[-1]["loading"] = loading
        if connector and (holds := connector.holds()) is not None:
            steps[-1]["tier"] = holds
        flying.append((output, _emissions(scheduler, output, admitted)))
        if len(flying) == depth(config):
            steps[-1]["tokens"], steps[-1]["finished"] = _deliver(scheduler, *flying.popleft(), rows, config)
    return steps


def _read(path: str) -> dict[str, Any]:
    data = Path(path).read_bytes()
    return dict(json.loads(gzip.decompress(data) if path.endswith(".gz") else data))


def main() -> None:
    scenarios = {name: entry.get("config", entry) for name, entry in _read(sys.argv[1]).items()}
    Path(sys.argv[2]).write_text(json.dumps({name: record(config) for name, config in scenarios.items()}))


if __name__ == "__main__":
    main()
