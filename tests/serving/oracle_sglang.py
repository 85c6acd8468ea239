"""Drives SGLang's own scheduler (0.5.23) through a scenario, without a model: what ours must decide.

Needs an environment in which `sglang.srt.managers.scheduler` can be imported, a GPU is not needed:

    pip install torch==2.13.0 transformers && pip install --no-deps sglang==0.5.23   # and what its imports ask for
    python tests/serving/oracle_sglang.py IN.json OUT.json

Real are the scheduler's decisions (`Scheduler.get_next_batch_to_run`, SchedulePolicy, PrefillAdder, ScheduleBatch),
allocators and the radix tree; what surrounds them (workers, metrics, processes) is mocked, and the results of steps are
handed back here as SGLang's result processors do. IN maps names to scenarios (`scenarios_sglang.py` makes them), OUT
maps them to steps in the form of `oracle.py`. Request tokens ascend: the i-th made token has the id 7 + i.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import logging
import sys
import types
from array import array
from collections import deque
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

EMITTED = 7
_ABSENT = {"torchvision", "uvicorn", "einops", "gguf", "compressed_tensors", "sentencepiece"}
"""Modules that SGLang imports and no decision needs."""


class _Anything:
    """Stands for whatever an absent module would hold."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __call__(self, *_: Any, **__: Any) -> Any:
        return _Anything()

    def __getattr__(self, name: str) -> Any:
        return _Anything()


class _Stubs(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds empty modules where real ones are absent."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Any:
        if fullname.split(".", maxsplit=1)[0] in _ABSENT:
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: Any) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__path__ = []

        def attribute(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            return _Anything()

        module.__getattr__ = attribute  # type: ignore[method-assign]
        return module

    def exec_module(self, module: types.ModuleType) -> None: ...


logging.disable(logging.CRITICAL)
import transformers.utils.import_utils  # noqa: E402

transformers.utils.import_utils.is_torchvision_available()  # remembered: it is absent
sys.meta_path.append(_Stubs())

import torch  # noqa: E402
from sglang.srt.disaggregation.utils import DisaggregationMode  # noqa: E402
from sglang.srt.managers import scheduler as managers  # noqa: E402
from sglang.srt.managers.schedule_batch import Req, ScheduleBatch  # noqa: E402
from sglang.srt.managers.schedule_policy import PrefillAdder, SchedulePolicy  # noqa: E402
from sglang.srt.managers.scheduler_components.new_token_ratio_tracker import NewTokenRatioTracker  # noqa: E402
from sglang.srt.mem_cache.allocator.paged import PagedTokenToKVPoolAllocator  # noqa: E402
from sglang.srt.mem_cache.allocator.token import TokenToKVPoolAllocator  # noqa: E402
from sglang.srt.mem_cache.cache_init_params import CacheInitParams  # noqa: E402
from sglang.srt.mem_cache.common import checkpoint_kv_cache, release_kv_cache  # noqa: E402
from sglang.srt.mem_cache.memory_pool import ReqToTokenPool  # noqa: E402
from sglang.srt.mem_cache.unified_cache.components import ComponentType  # noqa: E402
from sglang.srt.mem_cache.unified_radix_cache import UnifiedRadixCache  # noqa: E402
from sglang.srt.runtime_context import get_context  # noqa: E402
from sglang.srt.sampling.sampling_params import SamplingParams  # noqa: E402
from sglang.srt.server_args import ServerArgs  # noqa: E402
from sglang.srt.speculative.spec_info import SpeculativeAlgorithm  # noqa: E402

_NOTHING = [
    "dllm_config",
    "dynamic_chunk_sizer",
    "prefill_delayer",
    "min_free_slots_delayer",
    "decode_offload_manager",
    "lora_drainer",
    "hisparse_coordinator",
    "chunked_req",
    "last_batch",
    "truncation_align_size",
]
_OFF = [
    "enable_hisparse",
    "enable_hierarchical_cache",
    "enable_unified_cache_external_linker",
    "enable_lmcache",
    "enable_hicache_storage",
    "enable_lora",
    "enable_priority_scheduling",
    "enable_priority_preemption",
    "is_hybrid_swa",
    "require_mlp_sync",
    "enable_unified_memory",
]
_ZERO = [
    "priority_scheduling_preemption_threshold",
    "max_prefill_bs",
    "processed_tokens_counter",
    "forward_ct",
    "_prefill_decode_interval_remaining",
    "prefill_decode_interval",
    "prefill_decode_interval_min_bs",
]
_MOCKED = [
    "metrics_reporter",
    "dp_attn_adapter",
    "ngram_embedding_manager",
    "beam_coordinator",
    "tp_worker",
    "load_inquirer",
    "grammar_manager",
]


def _pools(config: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Rows, KV slots and the radix tree."""
    page, seqs = config["block_size"], config["max_num_seqs"]
    rows = ReqToTokenPool(size=seqs, max_context_len=1 << 13, device="cpu", enable_memory_saver=False)
    slots = config["num_blocks"] * page
    if page == 1:
        allocator = TokenToKVPoolAllocator(slots, torch.float16, "cpu", MagicMock(), False)
    else:
        allocator = PagedTokenToKVPoolAllocator(slots, page, torch.float16, "cpu", MagicMock(), False)
    params = CacheInitParams(
        disable=False,
        req_to_token_pool=rows,
        token_to_kv_pool_allocator=allocator,
        page_size=page,
        tree_components=(ComponentType.FULL,),
    )
    return rows, allocator, UnifiedRadixCache(params)


def _scheduler(config: dict[str, Any]) -> Any:
    """A scheduler that was never started: its decisions need no more than this."""
    args = ServerArgs(model_path="none", device="cpu")
    for name, value in {
        "schedule_policy": config["schedule_policy"],
        "schedule_conservativeness": config["conservativeness"],
        "page_size": config["block_size"],
        "chunked_prefill_size": config["max_num_batched_tokens"],
        "max_prefill_tokens": config["max_prefill_tokens"],
        "enable_mixed_chunk": config["mixed_chunk"],
        "max_running_requests": config["max_num_seqs"],
        "pp_max_micro_batch_size": config["max_num_seqs"],
        "radix_eviction_policy": "lru",
    }.items():
        setattr(args, name, value)
    get_context().set_server_args(args)
    one = object.__new__(managers.Scheduler)
    one.req_to_token_pool, one.token_to_kv_pool_allocator, one.tree_cache = _pools(config)
    for names, value in ((_NOTHING, None), (_OFF, False), (_ZERO, 0)):
        for name in names:
            setattr(one, name, value)
    for name in _MOCKED:
        setattr(one, name, MagicMock())
    one.grammar_manager.has_waiting_grammars.return_value = False
    one.dp_attn_adapter.maybe_prepare_mlp_sync_batch.side_effect = lambda batch, need_sync=None: batch
    one.dp_attn_adapter.maybe_convert_decode_to_extend.side_effect = lambda batch: batch
    one.ngram_embedding_manager.prepare_for_forward.side_effect = lambda batch, chunked_req=None: batch
    one.beam_coordinator.pending_member_rows.return_value = 0
    one.tp_worker.model_runner.prefill_aware_swa = False
    one.waiting_queue = []
    one.page_size = config["block_size"]
    one.running_batch = ScheduleBatch(reqs=[], batch_is_full=False)
    one.policy = SchedulePolicy(config["schedule_policy"], one.tree_cache, False, False, False)
    one.new_token_ratio_tracker = NewTokenRatioTracker.from_config()
    one.chunked_prefill_size = config["max_num_batched_tokens"]
    one.max_prefill_tokens = config["max_prefill_tokens"]
    one.is_mixed_chunk = config["mixed_chunk"]
    one.max_running_requests = config["max_num_seqs"]
    one.model_config = SimpleNamespace(vocab_size=1 << 30, is_encoder_decoder=False)
    one.enable_overlap = one.enable_skip_finishing_decode = config["async_scheduling"]
    one.result_queue = deque()
    one.spec_algorithm = SpeculativeAlgorithm.NONE
    one.disaggregation_mode = DisaggregationMode.NULL
    one._set_or_validate_priority = lambda request: True
    one._abort_on_queued_limit = one._prefetch_kvcache = lambda request: None
    one.process_pending_chunked_abort = one._process_hicache_events = lambda: None
    one.get_prefill_adder_class = lambda: PrefillAdder
    return one


def _request(entry: dict[str, Any], config: dict[str, Any]) -> Any:
    tokens = array("q", [token for start, stop in entry["segments"] for token in range(start, stop)])
    asked = SamplingParams(max_new_tokens=entry["out"], ignore_eos=config["ignore_eos"], temperature=0.0)
    asked.normalize(None)
    request = Req(entry["id"], "", tokens, asked, vocab_size=1 << 62)
    request.time_stats = MagicMock()
    return request


def _return(scheduler: Any, batch: Any) -> tuple[dict[str, int], list[str]]:
    """What the result processors do when a batch returns: tokens by request, names of the finished."""
    scheduler.token_to_kv_pool_allocator.free_group_begin()
    extend, tokens, finished = batch.forward_mode.is_extend(), {}, []
    for request in batch.reqs:
        if request.finished() or request.is_retracted:
            continue
        if extend and request.inflight_middle_chunks > 0:
            request.inflight_middle_chunks -= 1
            continue
        request.output_ids.append(EMITTED + len(request.output_ids))
        tokens[request.rid] = 1
        request.update_finish_state()
        if request.finished():
            finished.append(request.rid)
            release_kv_cache(request, scheduler.tree_cache, checkpoint=True)
        elif extend and not (batch.decoding_reqs and request in batch.decoding_reqs):
            checkpoint_kv_cache(request, scheduler.tree_cache)
    scheduler.token_to_kv_pool_allocator.free_group_end()
    return tokens, sorted(finished)


def _decide(scheduler: Any, known: dict[str, Any], running: list[str]) -> tuple[Any, dict[str, Any]]:
    """One decision; keeps `running` in the order of admission. Returns the batch, and what is to be noted."""
    counts = {name: request.retraction_count for name, request in known.items()}
    decide = managers.Scheduler.get_next_batch_to_run.__wrapped__  # without the timer around it
    plan = decide(scheduler, running_batch=scheduler.running_batch, last_batch=scheduler.last_batch)
    scheduler.running_batch, batch = plan.running_batch, plan.batch_to_run
    scheduler.last_batch = batch
    preempted = sorted(name for name, count in counts.items() if known[name].retraction_count > count)
    running[:] = [name for name in running if name not in preempted]
    sched, new = {}, {}
    for i, request in enumerate(batch.reqs if batch else []):
        known[request.rid] = request
        if request.rid not in running:
            running.append(request.rid)
            new[request.rid] = request.prefix_len
        prefill = batch.forward_mode.is_extend() and i < len(batch.extend_lens)
        sched[request.rid] = int(batch.extend_lens[i]) if prefill else 1
    free = scheduler.token_to_kv_pool_allocator.available_size() + scheduler.tree_cache.evictable_size()
    return batch, {
        "sched": sched,
        "total": sum(sched.values()),
        "new": new,
        "preempted": preempted,
        "running": list(running),
        "waiting": [request.rid for request in scheduler.waiting_queue],
        "free_blocks": free // scheduler.page_size,
        "tokens": {},
        "finished": [],
    }


def record(config: dict[str, Any], most: int = 1 << 20) -> list[dict[str, Any]]:
    """The steps of one scenario; at most `most` of them."""
    scheduler = _scheduler(config)
    coming = deque(sorted(config["requests"], key=lambda entry: entry["arrive_step"]))
    depth = 2 if config["async_scheduling"] else 1
    steps: list[dict[str, Any]] = []
    known: dict[str, Any] = {}
    running: list[str] = []
    flying: deque[Any] = deque()
    left = len(coming)
    while left and len(steps) < most:
        while coming and coming[0]["arrive_step"] <= len(steps):
            scheduler._add_request_to_queue(_request(coming.popleft(), config))
        batch, step = _decide(scheduler, known, running)
        steps.append({"step": len(steps)} | step)
        if batch:
            flying.append(batch.copy() if depth > 1 else batch)
            scheduler.result_queue.append((flying[-1], None))
        elif not running and not step["waiting"]:
            scheduler.new_token_ratio_tracker.reset()  # as the event loop does when it is idle
        if flying and (len(flying) == depth or not batch):
            scheduler.result_queue.popleft()
            steps[-1]["tokens"], steps[-1]["finished"] = _return(scheduler, flying.popleft())
            running[:] = [name for name in running if name not in steps[-1]["finished"]]
            left -= len(steps[-1]["finished"])
    return steps


def main() -> None:
    scenarios = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps({name: record(config) for name, config in scenarios.items()}))


if __name__ == "__main__":
    main()
