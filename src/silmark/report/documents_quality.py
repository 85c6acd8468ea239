"""The documented shape of `silmark quality --json`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from silmark.report.documents import Strict


class MeasureBounds(Strict):
    """A measure; null where it is infinite, as the SNR of outputs that are equal."""

    low: float | None
    mid: float | None
    high: float | None


class LayerDocument(Strict):
    """One matrix product of the model."""

    name: str = Field(description="module; `: scores` and `: values` are the two products of attention")
    own_db: float | None = Field(description="SNR of its output given its inputs; null where it is exact")
    total_db: float | None = Field(description="SNR of its output against the whole run in fp32")


class QualityRowDocument(Strict):
    """One chip's answer."""

    chip: str
    status: Literal["ok", "no-numbers", "cannot-run"]
    reason: str
    precision: str = Field(description="weights:compute:kv formats, one word where they agree")
    arithmetic: str | None = Field(description="of silmark.numerics; equal ones are computed once")
    stored_weights: str | None = Field(description="number format of stored weights, where it is another")
    stored_kv: str | None = Field(description="the same of keys and values")
    weight_bits: float | None = Field(description="stored bits per weight, shares of scales included")
    grade: Literal["measured", "datasheet", "paper", "third-party", "derived", "claimed", "assumed"] | None
    source: str | None = Field(description="key into the table of sources: that the chip computes so")
    note: str
    measures: dict[str, MeasureBounds] | None = Field(description="by name; intervals bound 80 % of means over items")
    layers: list[LayerDocument] | None = Field(description="with --layers")


class QualityModel(Strict):
    """The model that ran."""

    name: str
    task: Literal["language", "encoder", "classifier", "outputs"]
    parameters: int
    items: str
    origin: str


class QualityQuestion(Strict):
    """What was asked, after defaults."""

    model: str
    on: str
    precision: str
    operators: str
    generate: int
    seed: int


class QualityDocument(Strict):
    """`silmark quality --json`."""

    schema_: Literal["silmark.quality/1"] = Field(alias="schema")
    question: QualityQuestion
    model: QualityModel
    notes: list[str]
    rows: list[QualityRowDocument]
