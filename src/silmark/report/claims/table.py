"""Claims in the terminal: one line each, and one claim in depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from silmark.claims import Finding, Outcome, Region, SideAnswer, Verdict
from silmark.figures.numbers import shown, si
from silmark.report.catalogue import figure_cells
from silmark.report.table import grid

MARKS = {
    Verdict.HOLDS: "+",
    Verdict.FAILS: "-",
    Verdict.ONLY_IF: "?",
    Verdict.UNTESTABLE: ".",
    Verdict.NOT_YET: ".",
}
"""One sign for a cell of a map: holds, fails, open, nothing to compare."""
_SHORT = 90
_SPREAD = ("1", "s", "J", "W")
"""Units of which numbers are shown with their spread."""


def listing(findings: Sequence[Finding]) -> RenderableType:
    """One line per claim: name, when and of which kind the speaker is, verdict, why in short."""
    rows = [
        [found.claim.name, found.claim.speaker, found.claim.when, str(found.verdict), _short(found.why)]
        for found in findings
    ]
    return grid(["claim", "said by", "when", "verdict", ""], rows)


def _short(text: str) -> str:
    """The first words of a long reason; `check` prints all of it."""
    if len(text) <= _SHORT:
        return text
    return text[:_SHORT].rpartition(" ")[0] + " ..."


def one(found: Finding, with_maps: bool) -> Iterator[RenderableType]:
    """A claim in depth: what was said, what it means, what was computed, and where it holds."""
    claim = found.claim
    facts = [
        ["said", f"{claim.statement} ({claim.who}, {claim.when})"],
        ["tested", claim.restated],
        *[["" if number else "under", condition] for number, condition in enumerate(claim.conditions)],
        ["verdict", f"{found.verdict}: {found.why}"],
        *([["software", software(found)]] if any(outcome.sides for outcome in found.outcomes) else []),
        *([["note", claim.note]] if claim.note else []),
    ]
    yield grid([claim.title, ""], facts)
    for outcome in found.outcomes:
        yield Text()
        yield from _test(outcome, outcome.label in claim.asides)
        if with_maps and outcome.label in found.maps:
            yield Text()
            yield _map(found.maps[outcome.label])
    yield Text()
    yield grid(["source", "title, publisher, date, address"], [[s.key, str(s)] for s in claim.sources])


def software(found: Finding) -> str:
    """Whose stacks the verdict grants, and the verdict with the other ones."""
    said = {"own": "each chip's own as it is", "equal": "a mature stack for every chip"}
    if found.other is None:
        return said[found.maturity]
    other = f"{found.other.verdict}: {found.other.why}"
    same = other == f"{found.verdict}: {found.why}"
    return f"{said[found.maturity]}; with {said[found.other.maturity]} {'the same' if same else other}"


def _test(outcome: Outcome, aside: bool) -> Iterator[RenderableType]:
    facts = [["finding", outcome.said]]
    facts += [["holds if", outcome.condition]] if outcome.condition else []
    facts += [["missing", outcome.needs]] if outcome.needs else []
    facts += [["rests on", ", ".join(outcome.sources)]] if outcome.sources else []
    yield grid(["besides" if aside else str(outcome.verdict), outcome.label], facts)
    sides = [
        [side.label, side.system, side.plan, number(side), side.grade or "-", ", ".join(side.origins) or "-"]
        for side in outcome.sides
    ]
    if sides:
        yield grid(["", "system", "plan", counted(outcome), "grade", "derived from claims"], sides)


def number(side: SideAnswer) -> str:
    """A side's number with its bounds; plain where it has none."""
    value = side.value
    if value is None:
        return "-"
    exact = value.low == value.high
    return si(value.mid, side.unit) if exact or side.unit not in _SPREAD else shown(value, side.unit)


def counted(outcome: Outcome) -> str:
    """What the numbers of the sides are."""
    words = {side.counted for side in outcome.sides if side.value is not None}
    return words.pop() if len(words) == 1 else "number"


def explanation(found: Finding) -> Iterator[RenderableType]:
    """Every input figure of every test, with interval, source and grade."""
    for outcome in found.outcomes:
        cells = [figure_cells(key, figure) for key, figure in outcome.figures.items()]
        if cells:
            yield Text()
            yield grid(["figure", "value", "interval", "grade", "source", "note"], cells, title=outcome.label)


def _map(region: Region) -> RenderableType:
    """Signs over columns and rows; `+` holds, `-` fails, `?` open, `.` nothing to compare."""
    columns = list(dict.fromkeys(cell.column for cell in region.cells))
    rows: dict[str, list[str]] = {}
    for cell in region.cells:
        rows.setdefault(cell.row, []).append(MARKS[cell.verdict])
    shares = ", ".join(f"{100 * region.share(v):.0f} % {w}" for v, w in WORDS.items() if region.share(v))
    return grid(
        [f"{region.rows} \\ {region.columns}", *columns],
        [[row, *marks] for row, marks in rows.items()],
        title=f"+ holds, - fails, ? open, . nothing to compare: {shares}",
        numeric=range(len(columns) + 1),
    )


WORDS = {
    Verdict.HOLDS: "hold",
    Verdict.FAILS: "fail",
    Verdict.ONLY_IF: "open",
    Verdict.UNTESTABLE: "without comparison",
}
"""What cells of a region do."""
