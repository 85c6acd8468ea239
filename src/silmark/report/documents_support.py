"""The documented shape of `silmark support --json`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from silmark.report.documents import Strict

Status = Literal["native", "fallback", "cannot"]
FormatWord = Literal["computes", "converts", "stores", "no"]
GradeName = Literal["measured", "datasheet", "paper", "third-party", "derived", "claimed", "assumed"]


class SpentDocument(Strict):
    """Seconds of operators in one phase of the reference step."""

    time_s: float = Field(description="as the chip's mechanism says, on one chip")
    peak_s: float = Field(description="at the chip's matrix or vector peak and bandwidth; 0 where it has none")


class SupportOperatorDocument(Strict):
    """Operators that ask the same of a chip."""

    feature: str = Field(description="kind of operator, or the special case of it that chips run differently")
    names: list[str]
    status: Status
    on: str = Field(description="the units that run it")
    how: str = Field(description="in a sentence; of what cannot run, the reason")
    source: str
    grade: GradeName | None
    spent: dict[str, SpentDocument | None] = Field(description="by phase; null where it cannot be priced")


class SupportFormatDocument(Strict):
    """A number format on a chip."""

    format: str
    use: FormatWord = Field(
        description="multiplied; multiplied but widened by the hardware; weights only, widened on the fly; nothing"
    )
    rate: float | None = Field(description="matrix peak relative to the chip's default format")
    how: str
    source: str
    grade: GradeName | None


class SupportCellDocument(Strict):
    """One model on one chip, in short."""

    chip: str
    chip_status: Literal["shipping", "announced", "demonstrated", "withdrawn"]
    precision: str
    weights: FormatWord = Field(description="what the chip is known to do with weights of that precision")
    status: Status = Field(description="as its worst operator is run")
    reason: str = Field(description="why it cannot run, else empty")
    grade: GradeName | None = Field(description="worst evidence among the ways of its operators")
    times_at_most: dict[str, float | None] = Field(
        description="by phase: how many times longer the step takes than with fallbacks at the chip's peaks"
    )
    time_s: dict[str, float | None] = Field(description="by phase: the reference step on one chip")


class SupportRowDocument(SupportCellDocument):
    """One model on one chip."""

    operators: list[SupportOperatorDocument]
    formats: list[SupportFormatDocument]


class SupportQuestion(Strict):
    """What was asked, after defaults."""

    model: str
    on: str
    precision: str
    context: int
    batch: int


class SupportDocument(Strict):
    """`silmark support --json`."""

    schema_: Literal["silmark.support/1"] = Field(alias="schema")
    question: SupportQuestion
    notes: list[str]
    rows: list[SupportRowDocument]


class SupportMatrixQuestion(Strict):
    """What was asked, after defaults."""

    on: str
    precision: str
    context: int
    batch: int


class ArchitectureDocument(Strict):
    """A class of architectures."""

    title: str
    model: str = Field(description="of the catalogue, that stands for it")
    asks: str


class SupportMatrixDocument(Strict):
    """`silmark support --matrix --json`."""

    schema_: Literal["silmark.support-matrix/1"] = Field(alias="schema")
    question: SupportMatrixQuestion
    classes: dict[str, ArchitectureDocument]
    rows: dict[str, dict[str, SupportCellDocument]] = Field(description="chip -> class")


class SupportFormatsQuestion(Strict):
    """What was asked."""

    on: str


class SupportFormatsDocument(Strict):
    """`silmark support --formats --json`."""

    schema_: Literal["silmark.support-formats/1"] = Field(alias="schema")
    question: SupportFormatsQuestion
    rows: dict[str, list[SupportFormatDocument]] = Field(description="chip -> every number format")
