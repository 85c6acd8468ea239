"""The documented shape of `silmark cost`, `silmark port` and `silmark build-or-buy` as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from silmark.report.documents import Bounds, FigureDocument, Strict


class OpenBounds(Strict):
    """Low, mid and high of a number; null where no number is high enough."""

    low: float | None
    mid: float | None
    high: float | None


class SignedBounds(Strict):
    """Low, mid and high of a difference, which may lie below 0."""

    low: float
    mid: float
    high: float


class PartDocument(Strict):
    """One part of a cost."""

    name: str
    amount: Bounds
    share: float = Field(description="of the total")


class BarDocument(Strict):
    """What one input moves."""

    input: str
    value: Bounds
    at_low: float = Field(description="USD per million with the input at its low bound")
    at_high: float


class PowerDocument(Strict):
    """Watts at work by cause."""

    idle: float
    prefill: float
    decode: float
    hosts: float


class PricedDocument(Strict):
    """What a system costs; per million output tokens, or items."""

    basis: Literal["own", "rent", "reserved", "spot", "unpriced"] = Field(description="unpriced: without machines")
    grade: str = Field(description="worst grade of the evidence that matters")
    counts: Literal["output tokens", "items"]
    rate: Bounds = Field(description="per second, of the whole system")
    chips: int
    usd_per_h: Bounds = Field(description="per hour of work")
    usd_per_million: Bounds
    parts: list[PartDocument] = Field(description="USD per million")
    unit_usd: dict[str, float] | None = Field(description="of a unit's price: chips at their own price, and the rest")
    rent_below_utilisation: Bounds | None = Field(description="below it renting on demand is cheaper than owning")
    usd_per_million_input: Bounds | None
    usd_per_million_output: Bounds | None
    prefill_share: float | None = Field(description="share of the time that prompts take")
    per_usd: Bounds
    joules: Bounds = Field(description="each, hosts included, facility not")
    joules_input_share: float | None = Field(description="share of the joules that prompts take")
    facility_joules: Bounds
    per_facility_joule: Bounds
    power_w: PowerDocument
    kgco2e_per_million: Bounds
    kgco2e_parts: dict[str, float]
    tornado: list[BarDocument]
    figures: list[FigureDocument]


class BreakEvenDocument(Strict):
    """The price of a chip at which a system keeps a ratio to another."""

    ratio: float
    usd_per_chip: Bounds = Field(description="0 where even free chips cost more")
    reached: float = Field(description="share of the draws in which some price keeps the ratio")
    free_ratio: float = Field(description="ratio with free chips")
    baseline_usd_per_million: Bounds
    baseline_misses: str = Field(description="promise that the baseline does not keep: its nearest plan is priced")
    claims: list[str] = Field(description="claims that the system's speed was derived from")


class CostDocument(Strict):
    """`silmark cost --json`."""

    schema_: Literal["silmark.cost/1"] = Field(alias="schema")
    question: dict[str, str | float | list[str]]
    status: Literal["ok", "infeasible", "cannot-run"]
    reason: str
    cost: PricedDocument | None
    break_even: BreakEvenDocument | None


class PortDocument(Strict):
    """`silmark port --json`."""

    schema_: Literal["silmark.port/1"] = Field(alias="schema")
    question: dict[str, str | int | None]
    facts: dict[str, str]
    usd: Bounds
    engineer_months: Bounds
    parts: list[PartDocument] = Field(description="USD")
    usd_per_chip: Bounds | None
    usd_per_million_old: Bounds | None
    usd_per_million_new: Bounds | None
    saving_usd_per_million: SignedBounds | None
    saves: float | None = Field(description="share of the draws in which the new system saves anything")
    tokens: OpenBounds | None = Field(description="output tokens that pay for the port")
    days: OpenBounds | None = Field(description="days of the fleet's work that pay for it")
    figures: list[FigureDocument]


class BuildDocument(Strict):
    """`silmark build-or-buy --json`."""

    schema_: Literal["silmark.build-or-buy/1"] = Field(alias="schema")
    question: dict[str, str | int]
    once_usd: Bounds
    once_parts: dict[str, float]
    unit_usd: Bounds
    unit_parts: dict[str, float]
    usd_per_million_own: Bounds = Field(description="without what was spent once")
    usd_per_million_once: Bounds = Field(description="what was spent once, over the asked volume")
    usd_per_million_bought: Bounds
    chips: OpenBounds | None = Field(description="volume from which building pays; null: none does")
    pays: float = Field(description="share of the draws in which it pays at the asked volume")
    saves: float = Field(description="share in which it pays at any")
    assumed: list[str] = Field(description="figures that the chip's file does not give")
    figures: list[FigureDocument]
