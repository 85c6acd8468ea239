"""Workload: the shape of the requests and what their users will wait for."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.errors import BadValue

MAX_TOKENS = 10_000_000
MAX_BATCH = 1_000_000
MAX_POWER_W = 1e12
SHORTEST_S, LONGEST_S = 1e-9, 1e9


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests of one kind.

    Attributes:
        name: as typed after `--workload`.
        prompt, output: mean tokens per request.
        ttft_s, tpot_s: what the service promises (infinite: nothing).
        users: sequences in flight, None for as many as the promise allows.
        power_w: power limit of the whole system, None for no limit.
        reuse: tokens of a prompt that an earlier request of its session left in a cache (vLLM: cached tokens).
        reuse_share: share of the requests that have such tokens.
        think_s: mean seconds from an answer to the next request of its session.
    """

    name: str
    prompt: int
    output: int
    ttft_s: float = float("inf")
    tpot_s: float = float("inf")
    users: int | None = None
    power_w: float | None = None
    reuse: int = 0
    reuse_share: float = 1.0
    think_s: float = 0.0

    def __post_init__(self) -> None:
        for label, value, top in (("prompt", self.prompt, MAX_TOKENS), ("output", self.output, MAX_TOKENS)):
            if not 1 <= value <= top:
                raise BadValue(label, value, f"a number of tokens from 1 to {top:,}")
        for label, seconds in (("ttft", self.ttft_s), ("tpot", self.tpot_s)):
            if not (SHORTEST_S <= seconds <= LONGEST_S or seconds == float("inf")):
                raise BadValue(label, seconds, "a time from 1 ns to 30 years, such as 2s or 50ms, or none")
        if self.users is not None and not 1 <= self.users <= MAX_BATCH:
            raise BadValue("batch", self.users, f"a number of sequences from 1 to {MAX_BATCH:,}, or auto")
        if self.power_w is not None and not 0 < self.power_w <= MAX_POWER_W:
            raise BadValue("power", self.power_w, "a power above 0 W, at most 1 TW")
        if not 0 <= self.reuse < self.prompt:
            raise BadValue("reuse", self.reuse, f"fewer tokens than the prompt of {self.prompt:,}: at least one is new")
        if not 0 <= self.reuse_share <= 1:
            raise BadValue("reuse-share", self.reuse_share, "a share from 0 to 1")
        if not 0 <= self.think_s <= LONGEST_S:
            raise BadValue("think", self.think_s, "a time from 0 to 30 years, such as 60s")


WORKLOADS: dict[str, Workload] = {
    w.name: w
    for w in (
        Workload("chat", 1024, 256, ttft_s=2.0, tpot_s=0.050),
        Workload("code", 2048, 128, ttft_s=1.0, tpot_s=0.030),
        Workload("summarize", 8192, 512, ttft_s=5.0, tpot_s=0.100),
        Workload("reasoning", 1024, 8192, ttft_s=5.0, tpot_s=0.050),
        Workload("offline", 1024, 256),
        Workload("edge", 256, 128, ttft_s=5.0, tpot_s=0.200, users=1, power_w=75.0),
    )
}
"""The bracketed shapes of `silmark compare --workload`; prompt, output and promises can be overridden."""
