"""The documented shape of the JSON answers, as pydantic models; `silmark schema` prints their JSON schema.

Rules: SI units (seconds, joules, watts), dollars per million tokens or items; every number with an error
bar is an object of low, mid and high that bound 80 %; what does not apply is null, never 0.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from silmark.errors import UnknownName
from silmark.report import documents_links, documents_machine, documents_trace
from silmark.report.claims.documents import ClaimDocument, ClaimsDocument
from silmark.report.documents import Bounds, FigureDocument, SourceDocument, SpeculationDocument, Strict
from silmark.report.documents_capacity import CapacityDocument
from silmark.report.documents_collective import CollectiveDocument
from silmark.report.documents_cost import BuildDocument, CostDocument, PortDocument
from silmark.report.documents_engine import EngineDocument
from silmark.report.documents_quality import MeasureBounds, QualityDocument
from silmark.report.documents_search import SearchDocument, SizeDocument
from silmark.report.documents_serving import ServeSimDocument
from silmark.report.documents_support import SupportDocument, SupportFormatsDocument, SupportMatrixDocument
from silmark.report.documents_sweep import SweepCheckDocument, SweepDocument
from silmark.report.documents_training import SearchTrainDocument, TrainDocument


class PlanDocument(Strict):
    """How the model is cut."""

    tp: int
    pp: int
    dp: int
    ep: int
    cp: int = Field(description="groups of tp chips that divide every sequence")
    attention: Literal["heads", "batch"] = Field(description="how tp chips divide the cache")
    precision: str = Field(description="weights:compute:kv formats, one word where they agree")
    weights_in: Literal["main", "sram"]
    kv_in: str = Field(description="main or sram of the chip, or a memory tier of the system")
    region: int | None = Field(description="cores per side of a layer's region on a wafer")


class OffloadDocument(Strict):
    """Caches that wait in a memory tier for their session's next request."""

    tier: str
    share: float = Field(description="of the requests, those whose cache is restored")
    read_s: float = Field(description="mean time until a cache is back")
    sessions: float = Field(description="caches that the tier holds")


class RowDocument(Strict):
    """One chip's answer."""

    chip: str
    chip_status: Literal["shipping", "announced", "demonstrated", "withdrawn"]
    system: str
    chips: int | None = Field(description="chips of the plan")
    status: Literal["ok", "cannot-run", "infeasible"]
    reason: str
    grade: str | None = Field(description="worst grade of the evidence that matters")
    ttft_s: Bounds | None
    tpot_s: Bounds | None
    itl_max_s: Bounds | None = Field(description="longest time between two tokens of a sequence")
    tokens_per_s_user: Bounds | None
    tokens_per_s_chip: Bounds | None
    tokens_per_s: Bounds | None = Field(description="output tokens per second of the whole system")
    latency_s: Bounds | None = Field(description="models that make no tokens: one pass")
    items_per_s: Bounds | None
    power_w: Bounds | None = Field(description="whole system, hosts included")
    prefill_share: float | None = Field(description="part of a replica's time that prompts take")
    joules_per_token: Bounds | None
    joules_per_item: Bounds | None
    usd_per_mtok: Bounds | None
    usd_per_mitem: Bounds | None
    price_basis: Literal["own", "rent"] | None
    batch: int | None = Field(description="sequences or items in flight")
    batch_max: int | None
    kv_tokens: int | None
    plan: PlanDocument | None
    speculation: SpeculationDocument | None
    offload: OffloadDocument | None
    bound_by: dict[str, str] | None = Field(description="phase -> resource that takes the largest share")
    quality: dict[str, MeasureBounds] | None = Field(description="with --quality: of the stand-in that a note names")
    sources: list[str]
    figures: list[FigureDocument] | None = Field(description="with --explain: every input figure")


class Question(Strict):
    """What was asked, after defaults."""

    model: str
    workload: str
    prompt: int
    output: int
    ttft_s: float | None
    tpot_s: float | None
    batch: int | Literal["auto"]
    power_w: float | None
    chips: str
    precision: str
    maturity: Literal["own", "equal"]
    sort: str


class CompareDocument(Strict):
    """`silmark compare --json`."""

    schema_: Literal["silmark.compare/1"] = Field(alias="schema")
    question: Question
    notes: list[str]
    rows: list[RowDocument]


class OperatorDocument(Strict):
    """One operator of a phase, all its instances."""

    phase: str
    operator: str
    kind: str
    count: float
    time_s: float
    share: float
    joules: float
    bound_by: str


class EstimateDocument(Strict):
    """`silmark estimate --json`."""

    schema_: Literal["silmark.estimate/1"] = Field(alias="schema")
    question: dict[str, str]
    rows: list[RowDocument]
    operators: list[OperatorDocument]


class PageDocument(Strict):
    """`silmark chips show NAME --json`, and systems, links, media, parts."""

    schema_: Literal["silmark.chip/1", "silmark.system/1", "silmark.link/1", "silmark.medium/1", "silmark.part/1"] = (
        Field(alias="schema")
    )
    facts: dict[str, str]
    figures: list[FigureDocument]
    sources: list[SourceDocument]


class ListDocument(Strict):
    """`silmark chips --json`, and systems, models, links, media, parts: names and plain facts."""

    schema_: Literal[
        "silmark.chips/1", "silmark.systems/1", "silmark.models/1", "silmark.links/1", "silmark.media/1",
        "silmark.parts/1",
    ] = Field(alias="schema")  # fmt: skip
    rows: list[dict[str, str | float | int | list[str] | None]]


DOCUMENTS: dict[str, type[BaseModel]] = {
    "compare": CompareDocument,
    "estimate": EstimateDocument,
    "page": PageDocument,
    "list": ListDocument,
    "cost": CostDocument,
    "port": PortDocument,
    "build-or-buy": BuildDocument,
    "collective": CollectiveDocument,
    "engine": EngineDocument,
    **documents_links.DOCUMENTS,
    "quality": QualityDocument,
    "search": SearchDocument,
    "size": SizeDocument,
    "search-train": SearchTrainDocument,
    "serve-sim": ServeSimDocument,
    "capacity": CapacityDocument,
    "support": SupportDocument,
    "support-matrix": SupportMatrixDocument,
    "support-formats": SupportFormatsDocument,
    "sweep": SweepDocument,
    "sweep-check": SweepCheckDocument,
    "train": TrainDocument,
    **documents_trace.DOCUMENTS,
    **documents_machine.DOCUMENTS,
    "claims": ClaimsDocument,
    "claim": ClaimDocument,
}


def json_schema(name: str) -> dict[str, Any]:
    """The JSON schema of one document; raises UnknownName."""
    if name not in DOCUMENTS:
        raise UnknownName("schema", name, DOCUMENTS, hint=f"known schemas: {', '.join(DOCUMENTS)}")
    return DOCUMENTS[name].model_json_schema()
