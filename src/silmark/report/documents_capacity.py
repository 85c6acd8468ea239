"""The documented shape of the JSON that `silmark capacity` prints."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from silmark.report.documents import Bounds, FigureDocument, Strict
from silmark.report.documents_engine import ReplicaDocument


class BorneDocument(Strict):
    """One system."""

    on: str
    status: Literal["ok", "infeasible", "cannot-run"]
    reason: str
    chips: int
    engine: ReplicaDocument | None
    requests_per_s: Bounds | None = Field(
        description="highest rate that keeps all promises; 0: not even requests that come alone"
    )
    requests_per_s_per_chip: Bounds | None
    requests_per_usd: Bounds | None = Field(description="null where no price is public")
    price_basis: str | None = Field(description="how the machines are paid: own, rent, ...")
    decided_by: list[str] = Field(description="promises that break above that rate; none: it answers no more than this")
    simulations: int = Field(description="that the answer took")
    at_this_rate: dict[str, float | None] = Field(description="metrics of serve-sim at that rate")
    sources: list[str]
    figures: list[FigureDocument] | None = Field(description="with --explain: every input figure")


class CapacityDocument(Strict):
    """`silmark capacity --json`."""

    schema_: Literal["silmark.capacity/1"] = Field(alias="schema")
    question: dict[str, Any]
    notes: list[str]
    rows: list[BorneDocument]
