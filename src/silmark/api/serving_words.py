"""Words that questions about a serving engine share: what the engine is told, how it is cut, what is sent to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, TypedDict, cast

from silmark import models, systems
from silmark.api import question
from silmark.api.fleet import FleetWords
from silmark.api.question import Count, Duration
from silmark.api.single import asked_plan
from silmark.errors import BadValue
from silmark.mapping import Infeasible, Plan
from silmark.models import Model
from silmark.serving.arguments import EngineArgs
from silmark.serving.fleet_arrays import Pool
from silmark.serving.replica import Replica, replica
from silmark.systems import Target

_MOST_DRAWS = 1000


class EngineWords(TypedDict, total=False):
    """An engine and its plan; what is missing or None is the engine's own choice.

    Attributes:
        policy, engine_version: whose scheduler and defaults: vllm, sglang or trtllm, such as 0.19.0.
        max_num_seqs, max_num_batched_tokens, max_model_len, gpu_memory_utilization, block_size, num_gpu_blocks,
            enable_prefix_caching, enable_chunked_prefill, async_scheduling: as vLLM names them.
        tp, pp, dp, ep, precision, maturity: as in `estimate`; dp replicas share the requests.
    """

    policy: str
    engine_version: str
    max_num_seqs: Count | None
    max_num_batched_tokens: Count | None
    max_model_len: Count | None
    gpu_memory_utilization: str | float | None
    block_size: Count | None
    num_gpu_blocks: Count | None
    enable_prefix_caching: bool | None
    enable_chunked_prefill: bool | None
    async_scheduling: bool | None
    tp: Count | None
    pp: Count | None
    dp: Count | None
    ep: Count | None
    precision: str
    maturity: Literal["own", "equal"]


class ServingWords(EngineWords, FleetWords, total=False):
    """The same, the fleet, and what is asked of the trace: see `silmark.api.trace.opened`."""

    trace_format: str | None
    trace_columns: str | Mapping[str, str] | None
    time_unit: str | None
    arrivals: str | None
    burstiness: str | float
    duration: Duration | None
    limit: Count | None
    copies: Count
    repeat: Count
    lengths: str | None
    bad_rows: str
    unsorted: str
    context: Count | None
    vllm_filter: bool
    turns: str
    think: str
    letters_per_token: str | float | None
    count: Callable[[str], int] | None


def load_words(words: ServingWords) -> dict[str, Any]:
    """Those that are about the trace and were said."""
    others = {*EngineWords.__annotations__, *FleetWords.__annotations__}
    return {key: value for key, value in words.items() if key not in others and value is not None}


def fleet_words(words: ServingWords) -> dict[str, Any]:
    """Those that are about the fleet and were said."""
    return {key: words[key] for key in FleetWords.__annotations__ if words.get(key) is not None}  # type: ignore[literal-required]


def engine_args(words: EngineWords) -> EngineArgs:
    """What the engine is told; raises BadValue."""
    return EngineArgs(
        policy=words.get("policy", "vllm"),
        version=words.get("engine_version", ""),
        max_num_seqs=_count("max-num-seqs", words.get("max_num_seqs")),
        max_num_batched_tokens=_count("max-num-batched-tokens", words.get("max_num_batched_tokens")),
        max_model_len=_count("max-model-len", words.get("max_model_len")),
        block_size=_count("block-size", words.get("block_size")),
        gpu_memory_utilization=_share("gpu-memory-utilization", words.get("gpu_memory_utilization")),
        num_gpu_blocks=_count("num-gpu-blocks", words.get("num_gpu_blocks")),
        enable_prefix_caching=words.get("enable_prefix_caching"),
        enable_chunked_prefill=words.get("enable_chunked_prefill"),
        async_scheduling=words.get("async_scheduling"),
    )


def bring_up(
    model: str, on: str, words: EngineWords, told: EngineArgs | None = None
) -> tuple[Model, Target, Plan, Replica | Infeasible]:
    """The model, the system, the plan, and one replica of it.

    Args:
        model, on, words: as asked.
        told: what the engine is told, where that is more than the words say.

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    maturity = words.get("maturity", "own")
    if maturity not in ("own", "equal"):
        raise BadValue("maturity", maturity, "own or equal")
    loaded, target, args = models.load(model), systems.target(on), told or engine_args(words)
    ways = tuple(
        _count(name, way)
        for name, way in (
            ("tp", words.get("tp")),
            ("pp", words.get("pp")),
            ("dp", words.get("dp")),
            ("ep", words.get("ep")),
        )
    )
    plan = asked_plan(loaded, target, (*ways, None), words.get("precision", "default"))
    return loaded, target, plan, replica(loaded, target, plan, args, maturity)


def prefill_pool(model: str, words: ServingWords) -> Pool | Infeasible | None:
    """The pool that only prefills; None if there is none.

    Args:
        model, words: as asked; the plan's words are those of the other pool.

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    on, count = words.get("prefill_on"), words.get("prefill_replicas")
    if on is None:
        if count is not None:
            raise BadValue("prefill-replicas", count, "chips for them: --prefill-on 8x:h100")
        return None
    alike = cast("EngineWords", {**words, "tp": None, "pp": None, "dp": None, "ep": None})
    if count is not None:
        alike["dp"] = count
    found = bring_up(model, on, alike)[3]
    if isinstance(found, Infeasible):
        return replace(found, reason=f"the prefill pool: {found.reason}")
    return Pool(found, found.count, "prefill")


def draws_of(value: Count) -> int:
    """Passes behind an error bar; raises BadValue."""
    found = question.whole("draws", value, least=0)
    if found > _MOST_DRAWS:
        raise BadValue("draws", value, f"at most {_MOST_DRAWS:,}")
    return found


def _count(label: str, value: Count | None) -> int | None:
    return None if value is None else question.whole(label, value)


def _share(label: str, value: str | float | None) -> float | None:
    if value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not 0 < found <= 1:
        raise BadValue(label, value, "a share above 0 and up to 1, such as 0.9")
    return found
