"""A KV connector for `oracle.py`: what vLLM's scheduler asks of one, answered from a scenario instead of a network.

Only the scheduler's side is there. A request with `fetch_steps` finds the KV of its whole prompt elsewhere, once, as
with NIXL (nixl/pull_scheduler.py): it is there so many steps after it was asked for, or is reported as failed then
(`fetch_fails`). One with `hold_steps` keeps its blocks for so many steps after its end, as a prefill for another
engine does.
"""

from __future__ import annotations

from typing import Any

from vllm.config import KVTransferConfig
from vllm.distributed.kv_transfer.kv_connector.v1.base import KVConnectorBase_V1, KVConnectorMetadata
from vllm.v1.outputs import KVConnectorOutput


def transfer_config(config: dict[str, Any]) -> KVTransferConfig | None:
    """What makes the scheduler take this connector, if the scenario has one."""
    if "kv_role" not in config:
        return None
    return KVTransferConfig(
        kv_connector="Connector",
        kv_connector_module_path="oracle_kv",
        kv_role=f"kv_{config['kv_role']}",
        kv_load_failure_policy="recompute",
    )


class Connector(KVConnectorBase_V1):
    """The scheduler's side of transfers that take steps."""

    def __init__(self, vllm_config: Any, role: Any, kv_cache_config: Any) -> None:
        super().__init__(vllm_config, role, kv_cache_config)
        self.config: dict[str, Any] = {}
        self.entries: dict[str, dict[str, Any]] = {}
        self.asked: set[str] = set()
        self.step = 0
        self.due: list[tuple[int, str, str]] = []

    def told(self, config: dict[str, Any], requests: list[Any]) -> None:
        """Takes the scenario, which a constructor that vLLM calls cannot."""
        self.config = config
        self.entries = {entry["id"]: entry for entry in config["requests"]}

    def deliver(self, scheduler: Any) -> None:
        """Reports what ends before this step, as a worker does with its output."""
        ended = [one for one in self.due if one[0] <= self.step]
        self.due = [one for one in self.due if one[0] > self.step]
        arrived = {name for _, kind, name in ended if kind == "fetch"}
        failed = {name for name in arrived if self.entries[name].get("fetch_fails")}
        scheduler._handle_failed_recving(failed)
        sent = {name for _, kind, name in ended if kind == "hold"}
        scheduler._update_from_kv_xfer_finished(KVConnectorOutput(finished_sending=sent, finished_recving=arrived))

    def busy(self) -> bool:
        """Whether something is still under way."""
        return bool(self.due)

    def holds(self) -> None:
        """There is no tier."""

    def get_num_new_matched_tokens(self, request: Any, num_computed_tokens: int) -> tuple[int, bool]:
        entry, found = self.entries[request.request_id], 0
        if entry.get("fetch_steps") and request.request_id not in self.asked:
            found = request.num_prompt_tokens
        return max(0, found - num_computed_tokens), found > num_computed_tokens

    def update_state_after_alloc(self, request: Any, blocks: Any, num_external_tokens: int) -> None:
        name = request.request_id
        if num_external_tokens > 0:
            self.asked.add(name)
            self.due.append((self.step + self.entries[name]["fetch_steps"], "fetch", name))

    def request_finished(self, request: Any, block_ids: list[int]) -> tuple[bool, None]:
        steps = self.entries[request.request_id].get("hold_steps", 0)
        if steps and block_ids:
            self.due.append((self.step + steps, "hold", request.request_id))
        return bool(steps and block_ids), None

    def build_connector_meta(self, scheduler_output: Any) -> KVConnectorMetadata:
        return KVConnectorMetadata()

    def start_load_kv(self, forward_context: Any, **kwargs: Any) -> None: ...
    def wait_for_layer_load(self, layer_name: str) -> None: ...
    def save_kv_layer(self, *args: Any, **kwargs: Any) -> None: ...
    def wait_for_save(self) -> None: ...
