"""Options of the commands that bring up serving engines and send them requests, with the same words in each.

A command declares a parameter of one of these types under the name that the public functions have for it; `said` then
takes those that were typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

LOAD, ENGINE, SYSTEM, FLEET = "The load", "The engine, in vLLM's words; default: its own", "The system", "The fleet"
_SWITCHES = "The engine, on or off; default: its own"


def told(panel: str, text: str, *names: str) -> Any:  # noqa: ANN401 - typer's own
    """An option of a panel, without a default to show."""
    return typer.Option(*names, help=text, rich_help_panel=panel, show_default=False)


def _switch(name: str) -> Any:  # noqa: ANN401
    return typer.Option(f"--{name}/--no-{name}", help="", rich_help_panel=_SWITCHES, show_default=False)


Rate = Annotated[str | None, told(LOAD, "requests per second, 2x as recorded, or inf")]
Duration = Annotated[str | None, told(LOAD, "leave out what arrives later, such as 10min")]
Limit = Annotated[str | None, told(LOAD, "most requests")]
Arrivals = Annotated[str | None, told(LOAD, "poisson, gamma or constant instead of recorded ones")]
Burstiness = Annotated[str | None, told(LOAD, "of gamma arrivals, as in vllm bench serve (1)")]
Copies = Annotated[str | None, told(LOAD, "so many times its users: copies at once, shifted by seconds (1)")]
Repeat = Annotated[str | None, told(LOAD, "the trace so many times, one after the other (1)")]
Lengths = Annotated[str | None, told(LOAD, "trace whose lengths a generator draws")]
TraceFormat = Annotated[str | None, told(LOAD, "format of the file (recognised)")]
TraceColumns = Annotated[str | None, told(LOAD, "of a plain table: arrival=ts,prompt=in,output=out")]
TimeUnit = Annotated[str | None, told(LOAD, "of a table's arrivals: s, ms, us or ns")]
BadRows = Annotated[str | None, told(LOAD, "refuse a file with broken rows, or skip and count them (refuse)")]
Unsorted = Annotated[str | None, told(LOAD, "refuse rows that are not in order, or sort them in (refuse)")]
Context = Annotated[str | None, told(LOAD, "longest prompt and output together")]
Filter = Annotated[str | None, told(LOAD, "none, or vllm: what vllm bench takes of ShareGPT and BurstGPT", "--filter")]
Turns = Annotated[str | None, told(LOAD, "of a conversation in words: first, or all (first)")]
Think = Annotated[str | None, told(LOAD, "from an answer to the next question of a conversation (0)")]
Letters = Annotated[str | None, told(LOAD, "of conversations in words (3.3)", "--letters-per-token")]
Seed = Annotated[str, told(LOAD, "of all chances (0)")]

Policy = Annotated[str, told(ENGINE, "whose scheduler: vllm, sglang or trtllm (vllm)")]
EngineVersion = Annotated[str, told(ENGINE, "such as 0.19.0: its defaults (the newest known)")]
MaxNumSeqs = Annotated[str | None, told(ENGINE, "most requests running at once")]
MaxNumBatchedTokens = Annotated[str | None, told(ENGINE, "most tokens of a step")]
MaxModelLen = Annotated[str | None, told(ENGINE, "most tokens of a request, answer included")]
GpuMemoryUtilization = Annotated[str | None, told(ENGINE, "share of the memory that it takes")]
BlockSize = Annotated[str | None, told(ENGINE, "tokens of a KV block")]
NumGpuBlocks = Annotated[str | None, told(ENGINE, "KV blocks, instead of what fits", "--num-gpu-blocks-override")]
EnablePrefixCaching = Annotated[bool | None, _switch("enable-prefix-caching")]
EnableChunkedPrefill = Annotated[bool | None, _switch("enable-chunked-prefill")]
AsyncScheduling = Annotated[bool | None, _switch("async-scheduling")]

Tp = Annotated[str | None, told(SYSTEM, "chips that share every layer")]
Pp = Annotated[str | None, told(SYSTEM, "consecutive groups of layers")]
Dp = Annotated[str | None, told(SYSTEM, "replicas")]
Ep = Annotated[str | None, told(SYSTEM, "parts that the experts are divided into")]

Router = Annotated[
    str | None,
    told(
        FLEET,
        "round-robin, random, power-of-two, least-requests, least-tokens, least-kv, session, kv (Dynamo's) or "
        "scores (llm-d's); with weights: scores:prefix=3,queue_depth=2 (round-robin)",
    ),
]
PrefillRouter = Annotated[str | None, told(FLEET, "the same for the prefill pool (the router's)")]
PrefillOn = Annotated[str | None, told(FLEET, "chips of a pool that only prefills, such as 8x:h100; --on then decodes")]
PrefillReplicas = Annotated[str | None, told(FLEET, "replicas of the prefill pool (as many as fit on its chips)")]
NonCachedTokens = Annotated[
    str | None, told(FLEET, "prompts with fewer tokens to compute are not sent to the prefill pool (0)")
]
Offload = Annotated[str | None, told(FLEET, "keep evicted KV blocks: host, or host:capacity=8GiB,restore=faster")]
Autoscale = Annotated[
    str | None, told(FLEET, "replicas by load: queue:target=8,min=1,max=4 (queue, seats, or wait in seconds)")
]
Faults = Annotated[
    str | None,
    told(
        FLEET,
        "replica 0 down 120s..180s; chip throttle 0.7 replica 1 60s..300s; link degrade 0.5 10s..20s; or a .toml",
    ),
]
OnFault = Annotated[str | None, told(FLEET, "requests of a failed replica: migrate, retry or lose (retry)")]


def said(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a command's parameters that were typed and that `api.serving_words.ServingWords` has under their name.

    Args:
        options: all parameters: `locals()` where the command begins.

    Raises:
        BadValue: an unknown filter.
    """
    from silmark.api.serving_words import ServingWords  # noqa: PLC0415
    from silmark.errors import BadValue  # noqa: PLC0415

    known = ServingWords.__annotations__
    words = {name: value for name, value in options.items() if name in known and value is not None}
    filter_ = options.get("filter_")
    if filter_ not in (None, "none", "vllm"):
        raise BadValue("filter", filter_, "none or vllm")
    return words if filter_ is None else words | {"vllm_filter": filter_ == "vllm"}
