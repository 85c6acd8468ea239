"""vLLM's own offloading connector for `oracle.py`: its scheduler's side and its manager, with copies that take steps.

The worker's side is not there: a copy into the tier is done before the `store_steps`-th step after the one that asked
for it, one out of it before the `restore_steps`-th. Nothing waits for a copy whose block is handed out again (vLLM's
flushes make such copies end earlier). Python has no order for the names of those that ended in one step, which vLLM
keeps in a set: here it is that of their ends.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from vllm.config import KVTransferConfig
from vllm.distributed.kv_transfer.kv_connector.v1.base import KVConnectorBase_V1
from vllm.distributed.kv_transfer.kv_connector.v1.offloading.common import OffloadingWorkerMetadata
from vllm.distributed.kv_transfer.kv_connector.v1.offloading.scheduler import OffloadingConnectorScheduler
from vllm.v1.kv_offload.config import OffloadingGroupConfig
from vllm.v1.kv_offload.cpu.manager import CPUOffloadingManager
from vllm.v1.outputs import KVConnectorOutput

EMITTED = 7


def transfer_config(config: dict[str, Any]) -> KVTransferConfig:
    """What makes the scheduler take this connector."""
    return KVTransferConfig(
        kv_connector="Connector",
        kv_connector_module_path="oracle_tier",
        kv_role="kv_both",
        kv_connector_extra_config={"blocks": config["tier_blocks"], "policy": config.get("tier_policy", "lru")},
    )


class Connector(KVConnectorBase_V1):
    """The offloading connector's decisions, and a worker that counts steps."""

    requires_kv_delivery = False

    def __init__(self, vllm_config: Any, role: Any, kv_cache_config: Any) -> None:
        super().__init__(vllm_config, role, kv_cache_config)
        told = vllm_config.kv_transfer_config.kv_connector_extra_config
        size = kv_cache_config.kv_cache_groups[0].kv_cache_spec.block_size
        self.manager = CPUOffloadingManager(told["blocks"], told["policy"])
        group = OffloadingGroupConfig(tokens_per_block=size, layer_names=("layer",), group_id=0)
        spec = SimpleNamespace(
            config=SimpleNamespace(groups=(group,)),
            blocks_per_chunk=1,
            tokens_per_hash=size,
            offload_prompt_only=False,
            extra_config={},
            kv_events_config=SimpleNamespace(enable_kv_cache_events=False, self_describing_kv_events=False),
            get_manager=lambda: self.manager,
        )
        self.side = OffloadingConnectorScheduler(spec, vllm_config, kv_cache_config)
        self.config: dict[str, Any] = {}
        self.names: dict[bytes, tuple[int, int]] = {}
        self.ended: list[str] = []
        self.step = 0
        self.due: list[tuple[int, int, str | None]] = []

    def told(self, config: dict[str, Any], requests: list[Any]) -> None:
        """Takes the scenario, which a constructor that vLLM calls cannot."""
        self.config = config
        for row, request in enumerate(requests):
            request.append_output_token_ids([EMITTED] * config["requests"][row]["out"])
            for place, digest in enumerate(request.block_hashes):
                self.names.setdefault(bytes(digest), (row, place))

    def busy(self) -> bool:
        """Copies into the tier keep nobody waiting."""
        return False

    def holds(self) -> list[tuple[int, int, int]]:
        """What the tier holds, first what would go first: row and place of a block, and how many copy it (or -1)."""
        policy = self.manager._policy
        keys = sorted(policy.chunks, key=policy._ranks.__getitem__)
        return [(*self.names[bytes(key[:-4])], policy.chunks[key].ref_cnt) for key in keys]

    def deliver(self, scheduler: Any) -> None:
        """Reports the copies that end before this step, as a worker does with its output."""
        ended = [one for one in self.due if one[0] <= self.step]
        self.due = [one for one in self.due if one[0] > self.step]
        done = OffloadingWorkerMetadata(completed_jobs={job: 1 for _, job, _ in ended})
        arrived = {name for _, _, name in ended if name is not None}
        scheduler._update_from_kv_xfer_finished(
            KVConnectorOutput(finished_recving=arrived, kv_connector_worker_meta=done)
        )

    def on_new_request(self, request: Any) -> None:
        self.side.on_new_request(request)

    def get_num_new_matched_tokens(self, request: Any, num_computed_tokens: int) -> tuple[int | None, bool]:
        return self.side.get_num_new_matched_tokens(request, num_computed_tokens)

    def update_state_after_alloc(self, request: Any, blocks: Any, num_external_tokens: int) -> None:
        self.side.update_state_after_alloc(request, blocks, num_external_tokens)

    def update_connector_output(self, connector_output: Any) -> None:
        self.side.update_connector_output(connector_output)

    def request_finished(self, request: Any, block_ids: list[int]) -> tuple[bool, dict[str, Any] | None]:
        self.ended.append(request.request_id)
        return self.side.request_finished(request)

    def build_connector_meta(self, scheduler_output: Any) -> Any:
        unordered, scheduler_output.finished_req_ids = scheduler_output.finished_req_ids, self.ended
        meta = self.side.build_connector_meta(scheduler_output)
        assert set(self.ended) == set(unordered)
        scheduler_output.finished_req_ids, self.ended = unordered, []
        for steps, jobs in (("store_steps", meta.store_jobs), ("restore_steps", meta.load_jobs)):
            due = self.step + self.config.get(steps, 1)
            self.due += [(due, job, one.req_id if jobs is meta.load_jobs else None) for job, one in jobs.items()]
        return meta

    def start_load_kv(self, forward_context: Any, **kwargs: Any) -> None: ...
    def wait_for_layer_load(self, layer_name: str) -> None: ...
    def save_kv_layer(self, *args: Any, **kwargs: Any) -> None: ...
    def wait_for_save(self) -> None: ...
