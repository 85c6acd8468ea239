"""The documented shape of the JSON that `silmark serve-sim` prints."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from silmark.report.documents import FigureDocument, Strict
from silmark.report.documents_engine import ReplicaDocument


class NumberDocument(Strict):
    """A number of a run; low and high bound 80 % and are null where no error bar was asked for."""

    low: float | None
    mid: float
    high: float | None


Number = NumberDocument | None
Distribution = dict[str, Number]


class RequestsDocument(Strict):
    """Requests by how they ended."""

    completed: Number
    refused: Number = Field(description="never started, for they can never fit")
    lost: Number = Field(description="given up after a fault")


class TokensDocument(Strict):
    """Tokens of the completed requests."""

    input: Number
    output: Number


class MetricsDocument(Strict):
    """What users see, as `vllm bench serve` defines it; distributions have mean, std, p50, ... and max."""

    requests: RequestsDocument
    duration_s: Number
    sent_requests_per_s: Number = Field(description="from the first arrival to the last; null if all come at once")
    tokens: TokensDocument
    requests_per_s: Number
    goodput_requests_per_s: Number = Field(description="requests that keep every promise of the SLO")
    output_tokens_per_s: Number
    tokens_per_s: Number = Field(description="of prompts and answers")
    peak_output_tokens_per_s: Number = Field(description="of any second")
    peak_concurrent_requests: Number = Field(description="of any second")
    ttft_s: Distribution
    tpot_s: Distribution = Field(description="without answers of one token")
    itl_s: Distribution = Field(description="all gaps between tokens; percentiles to 0.05 %")
    e2el_s: Distribution
    queue_s: Distribution = Field(description="from arrival until the scheduler first takes the request")
    e2el_per_token_s: Distribution = Field(description="e2el over the answer's tokens")
    loadgen_ttft_s: Distribution = Field(description="percentiles as MLPerf's LoadGen takes them")
    loadgen_tpot_s: Distribution
    loadgen_e2el_s: Distribution
    preemptions: Number
    preempted_requests: Number
    retries: Number
    prefix_cache_hit_rate: Number = Field(description="prompt tokens found in a cache")
    kv_usage: Distribution = Field(description="share of the KV blocks in use, over time")
    power_w: Number = Field(description="mean of the whole system, hosts included")
    joules_per_request: Number
    joules_per_output_token: Number
    usd_per_request: Number
    usd_per_million_output_tokens: Number


class PromiseDocument(Strict):
    """One promise of the SLO."""

    metric: Literal["ttft", "tpot", "e2el"]
    percentile: float
    limit_s: float
    value_s: Number
    kept: bool


class ServedDocument(Strict):
    """One pass of the trace."""

    rate: str | None = Field(description="as asked; null: the trace's own")
    slo: list[PromiseDocument]
    draws: int = Field(description="passes behind the error bars of what users see")
    price_basis: str | None = Field(description="how the machines are paid: own, rent, ...")
    metrics: MetricsDocument


class ServeSimDocument(Strict):
    """`silmark serve-sim --json`."""

    schema_: Literal["silmark.serve-sim/1"] = Field(alias="schema")
    question: dict[str, str | int | float | bool | None]
    status: Literal["ok", "infeasible", "cannot-run"]
    reason: str
    notes: list[str]
    engine: ReplicaDocument | None
    runs: list[ServedDocument]
    sources: list[str]
    figures: list[FigureDocument] | None = Field(description="with --explain: every input figure")
