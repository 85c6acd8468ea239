"""The documented shape of `silmark collective --json`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from silmark.report.documents import Bounds, FigureDocument, Strict


class CollectiveRow(Strict):
    """One buffer size."""

    bytes: float = Field(description="buffer of one chip as nccl-tests counts it")
    algorithm: str = Field(description="the fastest one, which is taken; none for one chip")
    time_s: Bounds
    bus_bandwidth: float = Field(description="bytes per second as nccl-tests defines them; 0 for one chip")
    algorithms_s: dict[str, float] = Field(description="algorithm -> seconds")


class CollectiveDocument(Strict):
    """`silmark collective --json`."""

    schema_: Literal["silmark.collective/1"] = Field(alias="schema")
    question: dict[str, str]
    chip: str
    system: str
    units: int = Field(description="units that the group lies in")
    members_per_unit: int
    grade: str = Field(description="worst grade of the evidence")
    rows: list[CollectiveRow]
    figures: list[FigureDocument] | None = Field(description="with --explain: every input figure")
