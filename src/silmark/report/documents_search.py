"""The documented shapes of silmark.search/1 and silmark.size/1, as pydantic models; the rules are those of `schema`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from silmark.report.documents import Bounds, FigureDocument, SpeculationDocument, Strict


class WorkerPlanDocument(Strict):
    """How one worker is cut."""

    text: str
    tp: int = Field(description="chips that share every layer")
    cp: int = Field(description="groups of tp chips that divide every sequence")
    pp: int = Field(description="consecutive groups of layers")
    ep: int = Field(description="parts that the experts are divided into")
    ranks: int = Field(description="groups of the tp chips that run attention on sequences of their own")
    precision: str
    weights_in: str
    kv_in: str
    region: int | None = Field(description="cores per side of a layer's region on a wafer")


class PoolDocument(Strict):
    """Workers of one plan."""

    role: Literal["both", "prefill", "decode"]
    chip: str
    system: str
    workers: int
    chips: int = Field(description="that the workers take")
    plan: WorkerPlanDocument
    chunk: int | None = Field(description="most prompt tokens of one pass")
    offload: str | None = Field(description="memory tier of caches that wait for their session's next request")
    speculation: SpeculationDocument | None
    batch: int = Field(description="sequences in flight in each worker")
    busy: float = Field(description="share of its time that the pool works")
    bound_by: str


class FoundDocument(Strict):
    """One plan, or one per pool, at a load."""

    mode: Literal["aggregated", "disaggregated"]
    pools: list[PoolDocument]
    chips: int = Field(description="all that there are: what rates per chip are divided by")
    ttft_s: Bounds
    tpot_s: Bounds
    tokens_per_s_user: Bounds
    tokens_per_s_chip: Bounds
    tokens_per_s: Bounds
    power_w: Bounds
    joules_per_token: Bounds
    usd_per_mtok: Bounds | None
    price_basis: str | None
    grade: str
    misses: str
    chip_s_per_token: dict[str, float] = Field(description="chip time of an output token by what it is spent on")
    sources: list[str]


class VerdictDocument(Strict):
    """The best at an objective."""

    objective: Literal["throughput", "latency", "cost", "energy"]
    winner: FoundDocument
    runner_up: FoundDocument | None
    why: str = Field(description="why the runner-up lost")
    within_error_bar: bool = Field(description="winner and runner-up cannot be told apart")
    other_mode: FoundDocument | None = Field(description="the best of the mode that lost")


class RejectedDocument(Strict):
    """Plans that cannot be."""

    kind: str
    plans: int
    example: str


class SearchQuestion(Strict):
    """What was asked, after defaults."""

    model: str
    on: str | None
    prefill_on: str | None
    decode_on: str | None
    workload: str
    prompt: int
    output: int
    ttft_s: float | None
    tpot_s: float | None
    precision: str
    mode: str
    cp: str = Field(description="ways to divide the context that were tried")
    chunk: str = Field(description="chunks of prompts that were tried")
    kv_in: str = Field(description="memory tiers of the cache that were tried; own: the chip's")
    reuse: int = Field(description="tokens of a prompt that an earlier request left in a cache")
    reuse_share: float
    think_s: float
    offload: str = Field(description="memory tiers of waiting caches that were tried")
    draft: str | None
    acceptance: Bounds | None
    maturity: Literal["own", "equal"]


class SearchDocument(Strict):
    """`silmark search --json`."""

    schema_: Literal["silmark.search/1"] = Field(alias="schema")
    question: SearchQuestion
    notes: list[str]
    status: Literal["ok", "infeasible", "cannot-run"]
    reason: str
    tried: int
    rejected: list[RejectedDocument]
    evaluated: int = Field(description="points: plans at loads")
    best: list[VerdictDocument]
    nearest: FoundDocument | None = Field(description="where no plan keeps the promises: the nearest miss")
    frontier_points: int
    frontier: list[FoundDocument] = Field(description="undominated plans by falling speed of a user, some of them")


class FleetPoolDocument(Strict):
    """Workers of one plan."""

    role: Literal["both", "prefill", "decode"]
    workers: int
    plan: WorkerPlanDocument


class FleetDocument(Strict):
    """Workers in whole units."""

    system: str
    mode: Literal["aggregated", "disaggregated"]
    units: int = Field(description="systems as bought")
    chips: int = Field(description="in all units, idle ones included")
    chips_low: int = Field(description="that would do at the high end of the error bar of the rate")
    chips_high: int
    pools: list[FleetPoolDocument]
    batch: float = Field(description="sequences in flight in each decoding worker at the demand")
    capacity_per_s: float = Field(description="requests per second that keep the promises")
    headroom: float = Field(description="capacity beyond the demand, as a share of it")
    ttft_s: Bounds = Field(description="at full capacity; lower at the demand")
    tpot_s: Bounds
    power_w: float = Field(description="of the fleet at the demand")
    usd_per_h: float | None
    usd_per_mtok: float | None
    grade: str


class SizedDocument(Strict):
    """One chip's fleets."""

    chip: str
    chip_status: str
    status: Literal["ok", "infeasible", "cannot-run"]
    reason: str
    tried: int
    rejected: int
    smallest: FleetDocument | None
    cheapest: FleetDocument | None = Field(description="null where no price is public")


class SizeQuestion(Strict):
    """What was asked, after defaults."""

    model: str
    requests_per_s: float
    chips: str
    workload: str
    prompt: int
    output: int
    ttft_s: float | None
    tpot_s: float | None
    precision: str
    headroom: float
    maturity: Literal["own", "equal"]


class SizeDocument(Strict):
    """`silmark size --json`."""

    schema_: Literal["silmark.size/1"] = Field(alias="schema")
    question: SizeQuestion
    notes: list[str]
    headroom: FigureDocument | None = Field(description="the assumption, null where the question set it")
    rows: list[SizedDocument]
