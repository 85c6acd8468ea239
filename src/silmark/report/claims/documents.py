"""JSON of `silmark claims` and `silmark claims check`: the values, and their documented shape."""

from __future__ import annotations

import math
from typing import Any, Literal

from pydantic import Field

from silmark.claims import Finding, Outcome, Region
from silmark.report.documents import Bounds, SourceDocument, Strict

LIST, ONE = "silmark.claims/1", "silmark.claim/1"
Word = Literal["holds", "fails", "holds only if", "untestable", "not assessed yet"]


class _Head(Strict):
    name: str
    title: str
    who: str
    speaker: Literal["vendor", "press", "analyst", "belief"]
    when: str
    source: list[str] = Field(description="keys of the sources")
    verdict: Word
    why: str = Field(description="the condition, what is missing, or the decisive finding")


class ClaimsDocument(Strict):
    """`silmark claims --json`."""

    schema_: Literal["silmark.claims/1"] = Field(alias="schema")
    maturity: Literal["own", "equal"]
    claims: list[_Head]


class _Side(Strict):
    label: str
    system: str
    plan: str = Field(description="cut, format and sequences in flight; or why it gives no number")
    counted: str = Field(description="what the value is")
    unit: str
    value: Bounds | None
    grade: str
    derived_from: list[str] = Field(description="claims that figures behind the number were derived from")
    sources: list[str]


class _Cell(Strict):
    column: str
    row: str
    verdict: Word
    value: Bounds | None


class _Region(Strict):
    columns: str
    rows: str
    cells: list[_Cell]


class _Test(Strict):
    label: str
    kind: str
    decides: bool = Field(description="False: it informs, and the verdict of the claim does not count it")
    metric: str
    verdict: Word
    said: str
    condition: str
    needs: str = Field(description="the fact or the value that would decide")
    value: Bounds | None
    least: float | None = Field(description="what the value must reach for the claim to hold")
    most: float | None
    sides: list[_Side]
    region: _Region | None = Field(description="verdicts over the conditions of the test")
    map: _Region | None = Field(description="with --map: over 1 to 256 users and prompts of 256 to 32,768 tokens")


class _Other(Strict):
    maturity: Literal["own", "equal"]
    verdict: Word
    why: str


class ClaimDocument(_Head):
    """`silmark claims check NAME --json`."""

    schema_: Literal["silmark.claim/1"] = Field(alias="schema")
    maturity: Literal["own", "equal"]
    other: _Other | None = Field(description="the verdict with the other maturity of the software stacks")
    statement: str
    restated: str
    conditions: list[str]
    note: str
    sources: list[SourceDocument]
    tests: list[_Test]


def listing(findings: list[Finding], maturity: str) -> dict[str, Any]:
    """The document of silmark.claims/1."""
    return {"schema": LIST, "maturity": maturity, "claims": [_head(found) for found in findings]}


def one(found: Finding) -> dict[str, Any]:
    """The document of silmark.claim/1."""
    claim = found.claim
    tests = zip(found.outcomes, claim.kinds, strict=True)
    return {
        "schema": ONE,
        "maturity": found.maturity,
        **_head(found),
        "other": {"maturity": found.other.maturity, "verdict": str(found.other.verdict), "why": found.other.why}
        if found.other
        else None,
        "statement": claim.statement,
        "restated": claim.restated,
        "conditions": list(claim.conditions),
        "note": claim.note,
        "sources": [
            {"key": s.key, "title": s.title, "publisher": s.publisher, "date": s.date, "address": s.address}
            for s in claim.sources
        ],
        "tests": [
            _test(outcome, kind, outcome.label not in claim.asides, found.maps.get(outcome.label))
            for outcome, kind in tests
        ],
    }


def _head(found: Finding) -> dict[str, Any]:
    claim = found.claim
    return {
        "name": claim.name,
        "title": claim.title,
        "who": claim.who,
        "speaker": claim.speaker,
        "when": claim.when,
        "source": [source.key for source in claim.sources],
        "verdict": str(found.verdict),
        "why": found.why,
    }


def _test(outcome: Outcome, kind: str, decides: bool, fine: Region | None) -> dict[str, Any]:
    bound = outcome.bound
    return {
        "label": outcome.label,
        "kind": kind,
        "decides": decides,
        "metric": outcome.metric,
        "verdict": str(outcome.verdict),
        "said": outcome.said,
        "condition": outcome.condition,
        "needs": outcome.needs,
        "value": outcome.value.as_dict() if outcome.value else None,
        "least": bound.least if bound and bound.least else None,
        "most": bound.most if bound and math.isfinite(bound.most) else None,
        "sides": [
            {
                "label": side.label,
                "system": side.system,
                "plan": side.plan,
                "counted": side.counted,
                "unit": side.unit,
                "value": side.value.as_dict() if side.value else None,
                "grade": side.grade,
                "derived_from": side.origins,
                "sources": sorted({figure.source for figure in side.figures.values()}),
            }
            for side in outcome.sides
        ],
        "region": _region(outcome.region),
        "map": _region(fine),
    }


def _region(region: Region | None) -> dict[str, Any] | None:
    if region is None:
        return None
    cells = [
        {
            "column": cell.column,
            "row": cell.row,
            "verdict": str(cell.verdict),
            "value": cell.value.as_dict() if cell.value else None,
        }
        for cell in region.cells
    ]
    return {"columns": region.columns, "rows": region.rows, "cells": cells}
