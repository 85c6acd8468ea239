"""From cells to a test's verdict, and from tests to a claim's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from silmark.claims.spec import Cell, Claim, Finding, Outcome, Region, Verdict

_MOST_SAID = 4
"""Conditions named in a sentence; the region has them all."""


def over(cells: Sequence[Cell]) -> Verdict:
    """The verdict over several conditions.

    Cells without a number of the other side do not count, unless there is nothing else.
    """
    counted = {cell.verdict for cell in cells} - {Verdict.UNTESTABLE}
    if not counted:
        return Verdict.UNTESTABLE
    return counted.pop() if len(counted) == 1 else Verdict.ONLY_IF


def telling(cells: Sequence[Cell], verdict: Verdict) -> int:
    """The cell whose numbers are shown: the first with the verdict, else the first with a number, else the first."""
    alike = (i for i, cell in enumerate(cells) if cell.verdict is verdict and cell.value is not None)
    first = next(alike, None)
    return first if first is not None else next((i for i, cell in enumerate(cells) if cell.value is not None), 0)


def where(region: Region, verdict: Verdict = Verdict.HOLDS) -> str:
    """The conditions with a verdict, as a half sentence; empty if there is none."""
    rows: dict[str, list[str]] = {}
    columns = list(dict.fromkeys(cell.column for cell in region.cells))
    for cell in region.cells:
        if cell.verdict is verdict:
            rows.setdefault(cell.row, []).append(cell.column)
    if not rows:
        return ""
    grouped: dict[str, list[str]] = {}
    for row, held in rows.items():
        grouped.setdefault(_range(held, columns), []).append(row)
    every = list(dict.fromkeys(cell.row for cell in region.cells))
    said = []
    for text, at in grouped.items():
        some = "" if len(at) == len(every) else _range(at, every)
        if not _counts(columns):  # names of workloads under names of metrics
            said.append(f"{some or 'everywhere'} ({text})")
        elif len(columns) == 1:
            said.append(f"{region.rows} {_range(at, every)}")
        else:
            said.append(f"{region.columns} {text}" + (f" at {region.rows} {some}" if some else ""))
    more = f", and {len(said) - _MOST_SAID} more" if len(said) > _MOST_SAID else ""
    return "; ".join(said[:_MOST_SAID]) + more


def _range(held: Sequence[str], known: Sequence[str]) -> str:
    """Runs of neighbours as `1 to 8`, others listed."""
    places = [known.index(one) for one in held]
    if _counts(known) and len(held) > 1 and places == list(range(places[0], places[-1] + 1)):
        return f"{held[0]} to {held[-1]}"
    return ", ".join(held)


def condition(region: Region | None, open_: str) -> str:
    """Under which a test holds that does not always: where it does, else where it may and what would have to be true.

    Args:
        region: verdicts over conditions.
        open_: what would have to be true where the interval straddles the limit.
    """
    if region is None:
        return open_
    held = where(region)
    return held or f"{open_} ({where(region, Verdict.ONLY_IF)})"


def _counts(names: Sequence[str]) -> bool:
    return all(one.replace(",", "").isdigit() for one in names)


def shares(region: Region) -> str:
    """How many of the conditions came to what."""
    cells = region.cells
    counted = [(v, sum(cell.verdict is v for cell in cells)) for v in (Verdict.HOLDS, Verdict.ONLY_IF, Verdict.FAILS)]
    words = {Verdict.HOLDS: "hold", Verdict.ONLY_IF: "open", Verdict.FAILS: "fail"}
    said = [f"{count} {words[v]}" for v, count in counted if count]
    left = len(cells) - sum(count for _, count in counted)
    said += [f"{left} without comparison"] if left else []
    return f"of {len(cells)} conditions " + ", ".join(said)


def together(parts: str, verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict of all tests.

    Args:
        parts: "all" if the claim is wrong where one of them is; otherwise each counts alone.
    """
    found = set(verdicts)
    if len(found) == 1:
        return found.pop()
    if parts == "all":
        order = (Verdict.FAILS, Verdict.UNTESTABLE, Verdict.NOT_YET, Verdict.ONLY_IF)
        return next(verdict for verdict in order if verdict in found)
    if found & {Verdict.HOLDS, Verdict.ONLY_IF}:
        return Verdict.ONLY_IF
    return Verdict.UNTESTABLE if Verdict.UNTESTABLE in found else Verdict.NOT_YET


def conclude(claim: Claim, outcomes: Sequence[Outcome]) -> Finding:
    """The claim's verdict and the reason in one sentence."""
    deciding = [outcome for outcome in outcomes if outcome.label not in claim.asides]
    verdict = together(claim.parts, [outcome.verdict for outcome in deciding])
    return Finding(claim, verdict, why(verdict, deciding, claim.parts), tuple(outcomes))


def why(verdict: Verdict, outcomes: Sequence[Outcome], parts: str = "readings") -> str:
    """What a reader must know of the verdict: the condition, the missing fact, or the first finding of that kind."""
    if verdict is Verdict.ONLY_IF:
        return _condition(outcomes, parts)
    alike = [outcome for outcome in outcomes if outcome.verdict is verdict]
    if verdict in (Verdict.UNTESTABLE, Verdict.NOT_YET):
        return next((outcome.needs for outcome in alike if outcome.needs), "")
    return alike[0].said


def _condition(outcomes: Sequence[Outcome], parts: str) -> str:
    """The readings that hold, and where; if none does, the likeliest that is open with what would have to be true."""
    held = []
    for outcome in outcomes:
        part = where(outcome.region) if outcome.region else outcome.condition if outcome.bound is None else ""
        if outcome.verdict is Verdict.HOLDS:
            held.append(outcome.label)
        elif outcome.verdict is Verdict.ONLY_IF and part:
            held.append(f"{outcome.label}: {part}" if len(outcomes) > 1 else part)
    if held and parts == "each":
        return f"{'; '.join(held)}; not: {'; '.join(one.label for one in outcomes if one.verdict is Verdict.FAILS)}"
    if held:
        return "; or ".join(held)
    best = max((one for one in outcomes if one.verdict is Verdict.ONLY_IF), key=_likeliness)
    return f"{best.label}: {best.condition}" if len(outcomes) > 1 else best.condition


def _likeliness(outcome: Outcome) -> float:
    """How far the middle of an open number lies on the good side of its limit, in logarithms."""
    value, bound = outcome.value, outcome.bound
    if value is None or bound is None or value.mid <= 0:
        return -math.inf
    far = math.log(value.mid / bound.edge)
    return far if bound.least else -far
