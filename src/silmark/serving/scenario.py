"""Scenarios: requests by the step in which they arrive, as a scheduler without a clock sees them.

The form is that in which vLLM's own scheduler has been recorded (tests/serving/oracle.py): a file maps names to
scenarios, each with an engine's options and its requests. Files come from strangers: every value is checked before
anything is computed.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from silmark.errors import BadFile
from silmark.serving.options import EngineOptions
from silmark.workloads.requests import REQUEST, SEGMENT, Requests

EMITTED = 7
"""Id of every token that a request makes."""
_MOST_BYTES = 1 << 28
_MOST_TOKENS = 1 << 28
"""Of all prompts and answers."""
_TIER = ("tier_blocks", "store_steps", "restore_steps")
_CLOSED = ConfigDict(extra="forbid", strict=True)
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Steps = Annotated[int, Field(ge=0, le=1 << 20)]
_Token = Annotated[int, Field(ge=0, le=1 << 40)]


class _Request(BaseModel):
    """One request: the step before which it arrives, its prompt as [start, stop) of token ids, tokens it makes."""

    model_config = _CLOSED
    id: Annotated[str, Field(min_length=1, max_length=200)]
    arrive_step: Annotated[int, Field(ge=0, le=1 << 20)]
    segments: Annotated[list[Annotated[list[_Token], Field(min_length=2, max_length=2)]], Field(min_length=1)]
    out: Annotated[int, Field(ge=1, le=1 << 24)]
    priority: Annotated[int, Field(ge=-(1 << 30), le=1 << 30)] = 0
    fetch_steps: _Steps = 0
    fetch_fails: bool = False
    hold_steps: _Steps = 0


class _Config(BaseModel):
    """One scenario as a file has it."""

    model_config = _CLOSED
    max_num_seqs: Annotated[int, Field(ge=1, le=1 << 14)]
    max_num_batched_tokens: Annotated[int, Field(ge=1, le=1 << 20)]
    block_size: Annotated[int, Field(ge=1, le=1 << 12)]
    num_blocks: Annotated[int, Field(ge=2, le=1 << 22)]
    prefix_caching: bool = True
    policy: Literal["fcfs", "priority"] = "fcfs"
    long_prefill_token_threshold: Annotated[int, Field(ge=0, le=1 << 24)] = 0
    reserve_full_isl: bool = True
    watermark: _Share = 0.0
    enable_chunked_prefill: bool = True
    max_num_scheduled_tokens: Annotated[int, Field(ge=1, le=1 << 20)] | None = None
    prefill_schedule_interval: Annotated[int, Field(ge=1, le=1 << 20)] = 1
    max_model_len: Annotated[int, Field(ge=2, le=1 << 24)] | None = None
    async_scheduling: bool = False
    pipeline: Annotated[int, Field(ge=1, le=64)] = 1
    draft_tokens: Annotated[int, Field(ge=0, le=64)] = 0
    acceptance: _Share = 0.0
    drafter: Literal["ngram", "eagle", "draft_model"] = "ngram"
    kv_role: Literal["consumer", "producer", "both"] | None = None
    tier_blocks: Annotated[int, Field(ge=0, le=1 << 22)] = 0
    store_steps: Annotated[int, Field(ge=1, le=1 << 20)] = 1
    restore_steps: Annotated[int, Field(ge=1, le=1 << 20)] = 1
    requests: Annotated[list[_Request], Field(min_length=1, max_length=20_000)]


@dataclass(frozen=True, slots=True)
class Transfers:
    """KV that comes to an engine from elsewhere, and that it keeps for others; all in steps, 0 for none.

    Attributes:
        fetch: of each request: until the KV of its prompt is there, from when it is asked for.
        fails: of each request: it is not there then.
        hold: of each request: for how long its blocks stay after its end.
        tier: blocks of the memory below the prefix cache; 0 for none.
        store: until blocks that were copied there can be read.
        restore: until blocks that were found there are back.
    """

    fetch: tuple[int, ...]
    fails: tuple[bool, ...]
    hold: tuple[int, ...]
    tier: int
    store: int
    restore: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, checked.

    Attributes:
        options: of the engine.
        names: ids of the requests.
        arrive_step: of each request: before which step it joins the queue.
        requests: rows with arrival_ns left at zero, and their prompts' tokens.
        transfers: of KV; None where the engine has no connector.
    """

    options: EngineOptions
    names: tuple[str, ...]
    arrive_step: tuple[int, ...]
    requests: Requests
    transfers: Transfers | None = None


def read(path: Path) -> dict[str, Scenario]:
    """The scenarios of a JSON file, gzipped or not.

    Raises:
        BadFile: names the scenario, the key and what would be right.
    """
    stored = _load(path)
    if not isinstance(stored, dict) or not stored:
        raise BadFile(path, "expected an object that maps names to scenarios")
    return {name: parse(entry, path, name) for name, entry in stored.items()}


def _load(path: Path) -> object:
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            unpacker = zlib.decompressobj(wbits=31)
            data = unpacker.decompress(data, _MOST_BYTES)
            if unpacker.unconsumed_tail:
                raise BadFile(path, f"unpacks to more than {_MOST_BYTES >> 20} MiB; split it")
        return json.loads(data)
    except (OSError, zlib.error) as error:
        raise BadFile(path, f"cannot be read: {error}") from None
    except (ValueError, RecursionError) as error:
        raise BadFile(path, f"is not JSON: {error}") from None


def parse(entry: object, path: Path | str = "scenario", name: str = "") -> Scenario:
    """Checks one scenario: an engine's options with `requests`, or {"config": of these}.

    Args:
        entry: as JSON gives it.
        path: of the file, for messages.
        name: of the scenario, for messages.
    """
    try:
        config = _Config.model_validate(entry["config"] if isinstance(entry, dict) and "config" in entry else entry)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        remedy = first["msg"]
        if first["type"] == "extra_forbidden":
            known = _Request if first["loc"][0] == "requests" else _Config
            remedy = f"unknown key; known are {', '.join(known.model_fields)}"
        raise BadFile(path, remedy, ".".join(str(part) for part in (name, *first["loc"]))) from None
    try:
        return _checked(config)
    except _Wrong as wrong:
        raise BadFile(path, wrong.remedy, f"{name}.{wrong.key}") from None


class _Wrong(Exception):
    """Values that are right each on its own, but not together."""

    def __init__(self, key: str, remedy: str) -> None:
        super().__init__(key)
        self.key, self.remedy = key, remedy


def _options(config: _Config) -> EngineOptions:
    if config.max_num_seqs > config.max_num_batched_tokens:
        raise _Wrong("max_num_seqs", "expected at most max_num_batched_tokens")
    longest = 1 << 20 if config.enable_chunked_prefill else config.max_num_batched_tokens
    same = config.model_dump(exclude={"requests", "policy", "prefix_caching", *_TIER}, exclude_none=True)
    if config.tier_blocks and config.kv_role == "both":
        same["kv_role"] = "consumer"  # vLLM's offloading connector promises nobody its KV
    return EngineOptions(
        **{"max_model_len": longest}
        | same
        | {"enable_prefix_caching": config.prefix_caching, "priority": config.policy == "priority"}
    )


def _checked(config: _Config) -> Scenario:
    """The scenario as arrays; every request fits into the cache on its own."""
    options = _options(config)
    rows = np.zeros(len(config.requests), dtype=REQUEST)
    segments: list[tuple[int, int]] = []
    bounds = [0]
    if len({one.id for one in config.requests}) < rows.size:
        raise _Wrong("requests", "expected an id of its own for every request")
    for i, one in enumerate(config.requests):
        if any(start >= stop for start, stop in one.segments):
            raise _Wrong(f"requests.{i}.segments", "expected [start, stop) with start below stop")
        prompt = sum(stop - start for start, stop in one.segments)
        if prompt >= options.max_model_len:
            raise _Wrong(f"requests.{i}.segments", f"{prompt} tokens; expected less than max_model_len")
        output = min(one.out, options.max_model_len - prompt)
        need = -(-(prompt + output - 1) // options.block_size)
        if need >= options.num_blocks:
            raise _Wrong(f"requests.{i}", f"takes {need} blocks; expected num_blocks of at least {need + 1}")
        segments += [(start, stop - start) for start, stop in one.segments]
        bounds.append(len(segments))
        rows[i] = (0, -1, prompt, output, one.priority, -1, EMITTED)
    if int(rows["prompt"].sum()) + int(rows["output"].sum()) > _MOST_TOKENS:
        raise _Wrong("requests", f"expected at most {_MOST_TOKENS} tokens in all")
    return Scenario(
        options,
        tuple(one.id for one in config.requests),
        tuple(one.arrive_step for one in config.requests),
        Requests(rows, np.array(segments, dtype=SEGMENT), np.array(bounds, dtype=np.int64)),
        _transfers(config),
    )


def _transfers(config: _Config) -> Transfers | None:
    """What the engine's connector does."""
    requests = config.requests
    if config.kv_role is None:
        for i, one in enumerate(requests):
            if one.fetch_steps or one.hold_steps:
                raise _Wrong(f"requests.{i}", "expected a kv_role for KV that comes from elsewhere or goes there")
        if config.tier_blocks:
            raise _Wrong("tier_blocks", "expected a kv_role for KV that is restored")
        return None
    if config.tier_blocks and not config.prefix_caching:
        raise _Wrong("tier_blocks", "expected prefix_caching: blocks are found by its digests")
    if config.tier_blocks and any(one.fetch_steps or one.hold_steps for one in requests):
        raise _Wrong("tier_blocks", "expected no fetch_steps or hold_steps beside it: these are another connector's")
    return Transfers(
        tuple(one.fetch_steps for one in requests),
        tuple(one.fetch_fails for one in requests),
        tuple(one.hold_steps for one in requests),
        config.tier_blocks,
        config.store_steps,
        config.restore_steps,
    )
