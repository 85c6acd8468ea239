"""What a fleet is told: its router, its pools, its autoscaler, and the faults that befall it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from silmark.errors import BadValue

RouterName = Literal[
    "round-robin", "random", "power-of-two", "least-requests", "least-tokens", "least-kv", "session", "kv", "scores"
]
ROUTERS: tuple[str, ...] = get_args(RouterName)
OnFault = Literal["migrate", "retry", "lose"]
ON_FAULT: tuple[str, ...] = get_args(OnFault)
ScaleOn = Literal["queue", "seats", "wait"]
SCALE_ON: tuple[str, ...] = get_args(ScaleOn)
FaultKind = Literal["down", "throttle", "link"]
Role = Literal["both", "prefill", "decode"]
MOST_REPLICAS = 1 << 12
_MOST_NS = 1e9
"""Longest time of an option, seconds: thirty years."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Weights of llm-d's scorers; each scores a replica from 0 to 1, the highest weighted sum wins.

    Attributes:
        prefix: share of the prompt's blocks that the replica has cached.
        kv_cache_utilization: share of its blocks that are free.
        queue_depth: 1 for the shortest queue, 0 for the longest.
        running_requests: 1 for the fewest that run, 0 for the most.
        session_affinity: a number that is the same for all requests of a session.
    """

    prefix: float = 3.0
    kv_cache_utilization: float = 2.0
    queue_depth: float = 2.0
    running_requests: float = 0.0
    session_affinity: float = 0.0


@dataclass(frozen=True, slots=True)
class Router:
    """Who gets a request.

    Attributes:
        policy: one of `ROUTERS`. kv is Dynamo's: prefill_load_scale x (prompt blocks to prefill there, this request's
            without those cached) + blocks in use, lowest wins; scores is llm-d's weighted sum.
        temperature: of kv (router_temperature): 0 takes the lowest cost, above it the lower the likelier.
        prefill_load_scale, overlap_credit, decode_active_request_weight: of kv, in Dynamo's words.
        scores: of scores.
        most_waiting: scores passes over replicas with longer queues, unless all have them.
    """

    policy: RouterName = "round-robin"
    temperature: float = 0.0
    prefill_load_scale: float = 1.0
    overlap_credit: float = 1.0
    decode_active_request_weight: float = 0.0
    scores: Scores = field(default_factory=Scores)
    most_waiting: int = 1 << 30

    def __post_init__(self) -> None:
        if self.policy not in ROUTERS:
            raise BadValue("router", self.policy, f"one of {', '.join(ROUTERS)}")
        within("router temperature", self.temperature, 0.0, 1e9)
        for name in ("prefill_load_scale", "overlap_credit", "decode_active_request_weight"):
            within(f"router {name}", getattr(self, name), 0.0, 1e6)
        for name in Scores.__slots__:
            within(f"router {name}", getattr(self.scores, name), 0.0, 1e6)
        within("router most_waiting", self.most_waiting, 0, 1 << 40)

    @property
    def looks(self) -> bool:
        """Whether it looks at the blocks of replicas."""
        return self.policy in ("least-kv", "kv", "scores")


@dataclass(frozen=True, slots=True)
class Autoscale:
    """As many replicas as a metric asks for, by the rule of Kubernetes' horizontal pod autoscaler.

    wanted = ceil(replicas x metric / target), looked at every so often; fewer only after a while in which no more were
    wanted.

    Attributes:
        on: "queue": requests waiting per replica; "seats": share of max_num_seqs in use; "wait": seconds of prefill
            that a replica has before it.
        target: value of the metric that it aims at.
        least, most: replicas.
        every_s: between two looks (Kubernetes: 15 s).
        cooldown_s: before replicas are switched off (Kubernetes: 300 s).
        startup_s: from the decision until a replica serves; None for the time that its weights and the engine take.
    """

    on: ScaleOn = "queue"
    target: float = 8.0
    least: int = 1
    most: int = 4
    every_s: float = 15.0
    cooldown_s: float = 300.0
    startup_s: float | None = None

    def __post_init__(self) -> None:
        if self.on not in SCALE_ON:
            raise BadValue("autoscale", self.on, f"one of {', '.join(SCALE_ON)}")
        within("autoscale target", self.target, 1e-6, 1e9)
        within("autoscale min", self.least, 1, MOST_REPLICAS)
        within("autoscale max", self.most, self.least, MOST_REPLICAS)
        within("autoscale every", self.every_s, 1e-3, _MOST_NS)
        within("autoscale cooldown", self.cooldown_s, 0.0, _MOST_NS)
        if self.startup_s is not None:
            within("autoscale startup", self.startup_s, 0.0, _MOST_NS)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that befalls a replica for a while.

    Attributes:
        kind: "down": it fails and loses what it holds; "throttle": its chips run at a share of their speed; "link": its
            links carry a share of their bandwidth.
        start_s, end_s: from when until when.
        replica: which one; None for all.
        share: of the speed or the bandwidth.
    """

    kind: FaultKind
    start_s: float
    end_s: float
    replica: int | None = None
    share: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise BadValue("faults", self.kind, "down, throttle or link")
        within("faults from", self.start_s, 0.0, _MOST_NS)
        if not self.start_s < self.end_s <= _MOST_NS:
            raise BadValue("faults", f"{self.start_s:g}s..{self.end_s:g}s", "an end after the start")
        if not 0.001 <= self.share <= 1.0:
            raise BadValue(f"faults {self.kind}", self.share, "a share from 0.001 to 1")


@dataclass(frozen=True, slots=True)
class Offload:
    """KV blocks that the prefix cache loses stay in a slower memory.

    Attributes:
        tier: of the system, such as host.
        capacity_bytes: per replica; None for its share of the tier.
        restore: "faster": what is brought back sooner than computed; "always": every hit (vLLM's connectors).
    """

    tier: str = "host"
    capacity_bytes: float | None = None
    restore: Literal["faster", "always"] = "always"

    def __post_init__(self) -> None:
        if self.restore not in ("faster", "always"):
            raise BadValue("offload restore", self.restore, "faster or always")
        if self.capacity_bytes is not None:
            within("offload capacity", self.capacity_bytes, 1.0, 1e18)


@dataclass(frozen=True, slots=True)
class Led:
    """How a fleet is led.

    Attributes:
        router: between the replicas that decode, or do both.
        prefill_router: between those that only prefill.
        non_cached_tokens: prompts with fewer tokens to compute are not sent to the prefill pool (llm-d's
            nonCachedTokens).
        offload: None for no tier below the prefix cache.
        autoscale: None for a fixed number of replicas.
        faults: what befalls replicas.
        on_fault: "migrate": requests of a replica that fails go on elsewhere with the tokens that they have (Dynamo);
            "retry": they start over; "lose": they get an error.
        retry_s: until a request is sent again.
    """

    router: Router = field(default_factory=Router)
    prefill_router: Router = field(default_factory=Router)
    non_cached_tokens: int = 0
    offload: Offload | None = None
    autoscale: Autoscale | None = None
    faults: tuple[Fault, ...] = ()
    on_fault: OnFault = "retry"
    retry_s: float = 0.0

    def __post_init__(self) -> None:
        if self.on_fault not in ON_FAULT:
            raise BadValue("on-fault", self.on_fault, f"one of {', '.join(ON_FAULT)}")
        within("non-cached-tokens", self.non_cached_tokens, 0, 1 << 40)
        within("retry", self.retry_s, 0.0, _MOST_NS)
        for name in ("temperature", "prefill_load_scale", "overlap_credit", "decode_active_request_weight", "scores"):
            if self.prefill_router.policy == self.router.policy and getattr(self.prefill_router, name) != getattr(
                self.router, name
            ):
                raise BadValue(f"prefill-router {name}", getattr(self.prefill_router, name), "the same as the router's")


def within(name: str, value: float, least: float, most: float) -> None:
    """Raises BadValue for what lies outside; NaN does."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise BadValue(name, value, f"a number from {least:g} to {most:g}")
