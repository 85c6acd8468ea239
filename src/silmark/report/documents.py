"""Pieces that several documented JSON answers share."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """A document without other keys than the documented ones."""

    model_config = ConfigDict(extra="forbid")


class Bounds(Strict):
    """Low, mid and high of a number."""

    low: float = Field(ge=0)
    mid: float = Field(ge=0)
    high: float = Field(ge=0)


class FigureDocument(Strict):
    """One input figure, in SI."""

    key: str
    value: float
    low: float
    high: float
    unit: str
    source: str = Field(description="key into the table of sources")
    grade: Literal["measured", "datasheet", "paper", "third-party", "derived", "claimed", "assumed"]
    note: str
    date: str
    derived_from: str = Field(description="the claim that it was derived from, or empty")


class SpeculationDocument(Strict):
    """A draft model and how it is used."""

    draft: str
    chips: int = Field(description="chips of one copy of the draft model")
    tokens: int = Field(description="drafted per cycle")
    acceptance: Bounds
    tokens_per_cycle: Bounds


class SourceDocument(Strict):
    """Where a figure was read."""

    key: str
    title: str
    publisher: str
    date: str
    address: str
