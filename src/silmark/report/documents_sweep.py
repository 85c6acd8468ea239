"""The documented shape of the JSON that `silmark sweep` prints."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from silmark.report.documents import Strict


class SweepDocument(Strict):
    """`silmark sweep --json`: a folder that is complete."""

    schema_: Literal["silmark.sweep/1"] = Field(alias="schema")
    folder: str
    points: int = Field(description="rows of all files")
    rows: dict[Literal["ok", "infeasible", "cannot-run"], int] = Field(description="rows by status")
    files: int
    files_kept: int = Field(description="files that an earlier run had written")
    seconds: float = Field(description="wall time of this run")


class SweepCheckDocument(Strict):
    """`silmark sweep --check --json`: what a sweep would take."""

    schema_: Literal["silmark.sweep-check/1"] = Field(alias="schema")
    points: int
    plans: int
    files: int
    cpu_seconds: float = Field(description="of one core like this one, extrapolated from a few plans")
    size_bytes: float = Field(description="of all files, extrapolated from the same plans")
