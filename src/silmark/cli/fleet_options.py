"""Options of commands that simulate fleets."""

from __future__ import annotations

from typing import Annotated

import typer

_FLEET = "The fleet"


def _told(text: str) -> object:
    return typer.Option(help=text, rich_help_panel=_FLEET, show_default=False)


RouterWords = Annotated[
    str,
    typer.Option(
        help="round-robin, random, power-of-two, least-requests, least-tokens, least-kv, session, kv (Dynamo's) or "
        "scores (llm-d's); with weights: scores:prefix=3,queue_depth=2",
        rich_help_panel=_FLEET,
    ),
]
PrefillRouter = Annotated[str | None, _told("the same for the prefill pool (default: the router's)")]
PrefillOn = Annotated[str | None, _told("chips of a pool that only prefills, such as 8x:h100; --on then decodes")]
PrefillReplicas = Annotated[str | None, _told("replicas of the prefill pool (default: as many as fit on its chips)")]
NonCachedTokens = Annotated[str, _told("prompts with fewer tokens to compute are not sent to the prefill pool")]
OffloadWords = Annotated[str | None, _told("keep evicted KV blocks: host, or host:capacity=8GiB,restore=faster")]
AutoscaleWords = Annotated[
    str | None, _told("replicas by load: queue:target=8,min=1,max=4 (queue, seats, or wait in seconds)")
]
FaultWords = Annotated[
    str | None,
    _told("replica 0 down 120s..180s; chip throttle 0.7 replica 1 60s..300s; link degrade 0.5 10s..20s; or a .toml"),
]
OnFaultWord = Annotated[
    str, typer.Option(help="requests of a failed replica: migrate, retry or lose", rich_help_panel=_FLEET)
]


def said(
    router: str,
    prefill_on: str | None,
    prefill_replicas: str | None,
    prefill_router: str | None,
    non_cached_tokens: str,
    offload: str | None,
    autoscale: str | None,
    faults: str | None,
    on_fault: str,
) -> dict[str, str | None]:
    """The options as words of `api.fleet`; those that say what holds anyway are left out."""
    return {
        "router": None if router == "round-robin" else router,
        "prefill_on": prefill_on,
        "prefill_replicas": prefill_replicas,
        "prefill_router": prefill_router,
        "non_cached_tokens": None if non_cached_tokens == "0" else non_cached_tokens,
        "offload": offload,
        "autoscale": autoscale,
        "faults": faults,
        "on_fault": None if on_fault == "retry" else on_fault,
    }
