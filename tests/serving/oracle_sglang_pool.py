"""Drives SGLang's own side that decodes for another pool (0.5.23) through a scenario, without a model or a network.

Needs what `oracle_sglang.py` needs, from which it takes the scheduler:

    python tests/serving/oracle_sglang_pool.py IN.json OUT.json

Real are `Scheduler.process_decode_queue` and `get_next_disagg_decode_batch_to_run`, DecodePreallocQueue,
DecodeTransferQueue, ScheduleBatch and the allocators. Handshakes succeed at once, a transfer ends so many steps after
its pages were taken (`fetch_steps`), copies to the host and back do nothing. IN maps names to scenarios
(`test_sglang_pool.scenario` makes them), OUT maps them to the scenario and its steps.
"""

from __future__ import annotations

import json
import sys
from collections import deque
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import oracle_sglang as base
from sglang.srt.disaggregation import decode
from sglang.srt.disaggregation.base import KVPoll
from sglang.srt.disaggregation.utils import DisaggregationMode, ReqToMetadataIdxAllocator
from sglang.srt.managers import schedule_batch
from sglang.srt.managers.scheduler import Scheduler
from sglang.srt.mem_cache.cache_init_params import CacheInitParams
from sglang.srt.mem_cache.common import release_kv_cache
from sglang.srt.mem_cache.unified_cache.components import ComponentType
from sglang.srt.mem_cache.unified_radix_cache import UnifiedRadixCache

decode.restore_kv_cache = lambda *_, **__: None
schedule_batch.backup_kv_cache = lambda *_, **__: True
decode.all_reduce_flags = lambda flags, **_: flags
_SPINS = 4
"""Turns of the event loop without a batch after which nothing changes any more."""
_FEW_SEATS = 32


class _Transfers(decode.DecodeTransferQueue):
    """The queue of those whose KV is on its way; steps say when it is there."""

    def __init__(self, scheduler: Any, places: Any) -> None:
        self.queue, self.scheduler, self.tree_cache = [], scheduler, scheduler.tree_cache
        self.enable_staging = self.enable_host_receive = self.enable_deferred_kv_release = False
        self.req_to_metadata_buffer_idx_allocator, self.metadata_buffers = places, MagicMock()
        self.spec_algorithm, self.gloo_group, self._deferred_releases = scheduler.spec_algorithm, None, []

    def there(self) -> list[bool]:
        return [self.scheduler.due[one.req.rid] <= self.scheduler.step for one in self.queue]

    def _poll_with_metadata_gate(self) -> list[Any]:
        return [KVPoll.Success if there else KVPoll.Transferring for there in self.there()]

    def _commit_transfer_to_req(self, decode_req: Any) -> None:
        decode_req.req.output_ids.append(base.EMITTED)


class _Preallocation(decode.DecodePreallocQueue):
    """The queue of those that wait for pages; whoever prefills is always there."""

    def __init__(self, scheduler: Any, places: Any, reserved: int) -> None:
        self.scheduler, self.transfer_queue = scheduler, scheduler.disagg_decode_transfer_queue
        self.req_to_token_pool, self.tree_cache = scheduler.req_to_token_pool, scheduler.tree_cache
        self.token_to_kv_pool_allocator = scheduler.token_to_kv_pool_allocator
        self.token_to_kv_pool, self.draft_token_to_kv_pool = MagicMock(), None
        self.queue, self.retracted_queue, self.pending_reqs = [], [], []
        self.pp_size, self.num_reserved_decode_tokens = 1, reserved
        self.req_to_metadata_buffer_idx_allocator = places
        self.kv_manager = MagicMock()
        self.kv_manager.kv_args.state_types = []
        self.max_total_num_tokens = self.token_to_kv_pool_allocator.size
        self._num_published_destinations, self._prefill_dp_rank_queries = 0, {}

    def _update_handshake_waiters(self, *_: Any) -> None:
        for one in self.queue:
            one.waiting_for_input = True

    def _hicache_pending_restore_tokens(self) -> int:
        return 0

    def _send_kv_metadata(self, decode_req: Any, *_: Any, **__: Any) -> None:
        decode_req.metadata_buffer_index = self.req_to_metadata_buffer_idx_allocator.alloc()
        name = decode_req.req.rid
        self.scheduler.due[name] = self.scheduler.step + self.scheduler.entries[name]["fetch_steps"]


def _scheduler(config: dict[str, Any]) -> Any:
    """A scheduler of a server that only decodes."""
    usual = {
        "schedule_policy": "fcfs",
        "conservativeness": 1.0,
        "max_num_batched_tokens": 8192,
        "max_prefill_tokens": 16_384,
        "mixed_chunk": False,
    }
    one, seqs, page = base._scheduler(usual | config), config["max_num_seqs"], config["block_size"]
    decode.get_disagg()._set("disaggregation_mode", "decode")
    decode.get_memory()._set("disable_radix_cache", True)
    one.req_to_token_pool = decode.DecodeReqToTokenPool(
        seqs, 1 << 13, "cpu", False, 2 * seqs if seqs <= _FEW_SEATS else 0
    )
    params = CacheInitParams(
        disable=True,
        req_to_token_pool=one.req_to_token_pool,
        token_to_kv_pool_allocator=one.token_to_kv_pool_allocator,
        page_size=page,
        tree_components=(ComponentType.FULL,),
    )
    one.tree_cache = UnifiedRadixCache(params)
    one.disaggregation_mode = DisaggregationMode.DECODE
    one.enable_skip_finishing_decode = one.enable_decode_hicache = one.tp_worker.is_hybrid_swa = False
    one.kv_checksum_computer = None
    one.schedule_stream = one.forward_stream = one.future_map = MagicMock()
    one.send_abort_output = lambda *_: None
    one.due, one.step, one.entries = {}, 0, {entry["id"]: entry for entry in config["requests"]}
    places = ReqToMetadataIdxAllocator(2 * seqs)
    one.disagg_decode_transfer_queue = _Transfers(one, places)
    one.disagg_decode_prealloc_queue = _Preallocation(one, places, config["reserved"])
    one.batch_result_processor = MagicMock()
    one.batch_result_processor.process_batch_result_prebuilt.side_effect = lambda batch: _quick(one, batch)
    return one


def _quick(scheduler: Any, batch: Any) -> None:
    """Lets those go whose only token came along."""
    for request in batch.reqs:
        request.update_finish_state()
        if request.finished():
            release_kv_cache(request, scheduler.tree_cache, checkpoint=True)


def _going(scheduler: Any) -> list[str]:
    return [request.rid for request in scheduler.running_batch.reqs if not request.finished()]


def _decide(scheduler: Any, running: list[str], flies: bool) -> tuple[Any, dict[str, Any]]:
    """Turns of the event loop until a batch is launched; one if another one is waited for."""
    queue, transfers = scheduler.disagg_decode_prealloc_queue, scheduler.disagg_decode_transfer_queue
    for _ in range(_SPINS):
        Scheduler.process_decode_queue.__wrapped__(scheduler)  # without the timers around them
        plan = Scheduler.get_next_disagg_decode_batch_to_run.__wrapped__(scheduler, scheduler.running_batch)
        scheduler.running_batch, batch = plan.running_batch, plan.batch_to_run
        if batch or flies:
            break
    going = _going(scheduler)
    preempted = sorted(set(running).difference(going))
    new = {
        request.rid: len(request.origin_input_ids) + len(request.output_ids) - 1
        for request in scheduler.running_batch.reqs
        if request.rid in going and request.rid not in running
    }
    running[:] = [name for name in running if name in going] + list(new)
    moving = list(zip(transfers.queue, transfers.there(), strict=True))
    waiting = queue.retracted_queue + [one.req for one, there in moving if there] + [one.req for one in queue.queue]
    return batch, {
        "sched": {request.rid: 1 for request in batch.reqs} if batch else {},
        "total": len(batch.reqs) if batch else 0,
        "new": new,
        "preempted": preempted,
        "running": list(running),
        "waiting": [request.rid for request in waiting],
        "free_blocks": scheduler.token_to_kv_pool_allocator.available_size() // scheduler.page_size,
        "tokens": {},
        "finished": [],
    } | ({"loading": loading} if (loading := sorted(one.req.rid for one, there in moving if not there)) else {})


def record(config: dict[str, Any], most: int = 5000) -> list[dict[str, Any]]:
    """The steps of one scenario; at most `most` of them."""
    one = _scheduler(config)
    queue = one.disagg_decode_prealloc_queue
    coming = deque(config["requests"])
    depth = 2 if config["async_scheduling"] else 1
    flying: deque[Any] = deque()
    running: list[str] = []
    steps: list[dict[str, Any]] = []
    waiting = True
    while (coming or waiting) and len(steps) < most:
        one.step = len(steps)
        while coming and coming[0]["arrive_step"] <= one.step:
            entry = coming.popleft()
            entry = entry | {"segments": [[1000, 1000 + entry["prompt"]]]}
            request = base._request(entry, {"ignore_eos": True})
            queue.queue.append(decode.DecodeRequest(req=request, kv_receiver=MagicMock()))
        batch, step = _decide(one, running, any(flying))
        steps.append({"step": one.step} | step)
        flying.append(batch.copy() if batch else None)
        one.last_batch = batch
        if len(flying) == depth and (back := flying.popleft()):
            steps[-1]["tokens"], steps[-1]["finished"] = base._return(one, back)
            running[:] = [name for name in running if name not in steps[-1]["finished"]]
        waiting = bool(step["waiting"] or one.disagg_decode_transfer_queue.queue or one.waiting_queue or _going(one))
    return steps


def main() -> None:
    scenarios = json.loads(Path(sys.argv[1]).read_text())
    found = {name: (config, record(config)) for name, config in scenarios.items()}
    Path(sys.argv[2]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
