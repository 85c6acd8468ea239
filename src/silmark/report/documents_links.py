"""Shapes of the JSON answers about links, systems as wired, and memory tiers; see `schema` for the rules."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from silmark.report.documents import Bounds, FigureDocument, Strict


class WayDocument(Strict):
    """One way to build a link: what it trains to and what lies between its ports; null where it does not close."""

    name: str
    trains_to: str | None
    lost: str = Field(description="why no rate closes, empty if one does")
    loss_db: Bounds | None
    allowed_db: float | None = Field(description="loss that the retimers fitted leave room for")
    reach_m: float | None = Field(description="null where losses decide")
    bandwidth_bytes_per_s: float | None
    payload_bytes_per_s: float | None
    latency_s: Bounds | None
    power_w: Bounds | None
    price_usd: Bounds | None
    ports_w: Bounds | None = Field(description="transmitters and receivers of both ends, part of the chips")
    grade: str


class RateDocument(Strict):
    """One rate of a channel."""

    link: str
    loss_db: Bounds | None
    budget_db: float | None
    retimers_needed: int | None = Field(description="null: more than the specification allows")
    closes: bool


class ChannelDocument(Strict):
    """`silmark channel --json`."""

    schema_: Literal["silmark.channel/1"] = Field(alias="schema")
    question: dict[str, Any]
    rates: list[RateDocument]
    ways: list[WayDocument]


class CableDocument(Strict):
    """`silmark cable --json`."""

    schema_: Literal["silmark.cable/1"] = Field(alias="schema")
    question: dict[str, Any]
    ways: list[WayDocument]


class PlanOfCables(Strict):
    """One way to cable a rack: each length takes the first of the media named that reaches."""

    name: str
    cables: dict[str, int]
    power_w: Bounds | None = Field(description="null where a length has no cable")
    price_usd: Bounds | None
    longest_s: Bounds | None = Field(description="latency of the slowest cable")
    lost_m: list[float] = Field(description="lengths that nothing of the plan reaches")


class LayoutDocument(Strict):
    """`silmark cable --layout --json`."""

    schema_: Literal["silmark.layout/1"] = Field(alias="schema")
    question: dict[str, Any]
    plans: list[PlanOfCables]


class LinksDocument(Strict):
    """All links of one [[link]] table."""

    name: str
    roles: list[Literal["scale_up", "scale_out", "host", "memory"]]
    between: list[str]
    count: int
    asked: str
    trains_to: str | None
    lost: str
    medium: str
    length_m: float
    parts: list[str]
    loss_db: Bounds | None = Field(description="at the rate asked for")
    budget_db: float | None
    retimers_needed: int | None
    bandwidth_bytes_per_s: float = Field(description="of one link, one direction; 0 where it is lost")
    latency_s: Bounds
    power_w: Bounds = Field(description="of all links of the table")


class TierDocument(Strict):
    """One memory tier of the unit."""

    name: str
    kind: Literal["host", "cxl", "ssd"]
    capacity_bytes: float
    bandwidth_bytes_per_s: float = Field(description="reads by all chips together")
    latency_s: float
    chip_bytes_per_s: float = Field(description="by one chip alone")


class SideDocument(Strict):
    """A system as built, or without some parts."""

    lost: str = Field(description="why it cannot work, empty if it can")
    links: list[LinksDocument]
    figures: list[FigureDocument]
    memory: list[TierDocument]
    row: dict[str, Any] | None = Field(description="what it does for the model asked: a row of silmark.estimate/1")


class BuiltDocument(Strict):
    """`silmark system show NAME --links, --without or --model, --json`."""

    schema_: Literal["silmark.built/1"] = Field(alias="schema")
    question: dict[str, Any]
    as_built: SideDocument
    without: SideDocument | None
    changes: list[str]


class RestoringTierDocument(TierDocument):
    """A tier, and seconds in which chips pull so many bytes from it."""

    restore_bytes: float
    restore_one_s: float
    restore_all_s: float = Field(description="every chip of the unit pulls as many at the same time")
    figures: list[FigureDocument]


class MixedDocument(Strict):
    """Two tiers used together by programs of the host."""

    names: list[str]
    capacity_bytes: float
    far_share: float
    bandwidth_bytes_per_s: float
    average_access_s: float
    slowdown_mixed: float
    slowdown_far: float
    gather_speedup: float


class MemoryDocument(Strict):
    """`silmark memory --json`."""

    schema_: Literal["silmark.memory/1"] = Field(alias="schema")
    question: dict[str, Any]
    tiers: list[RestoringTierDocument]
    mixed: list[MixedDocument]


DOCUMENTS: dict[str, type[BaseModel]] = {
    "channel": ChannelDocument,
    "cable": CableDocument,
    "layout": LayoutDocument,
    "built": BuiltDocument,
    "memory": MemoryDocument,
}
