"""Claim: what somebody said, restated so that it can be tested; Outcome: what one test of it found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from silmark.figures import Figure, Interval
from silmark.figures.numbers import si
from silmark.figures.sources import Source
from silmark.step import Maturity


class Verdict(StrEnum):
    """What a test, or all tests of a claim together, came to."""

    HOLDS = "holds"
    FAILS = "fails"
    ONLY_IF = "holds only if"
    UNTESTABLE = "untestable"
    NOT_YET = "not assessed yet"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a number must reach for the claim to hold: at least `least`, at most `most`, or both."""

    least: float = 0.0
    most: float = float("inf")

    def judge(self, value: Interval) -> Verdict:
        """Holds if the whole interval lies inside, fails if none of it does, else it depends on where the truth is."""
        if self.least <= value.low and value.high <= self.most:
            return Verdict.HOLDS
        if value.high < self.least or value.low > self.most:
            return Verdict.FAILS
        return Verdict.ONLY_IF

    def words(self, unit: str) -> str:
        """The bound in words: "at least 3 J"."""
        if self.least and math.isfinite(self.most):
            return f"{si(self.least, unit)} to {si(self.most, unit)}"
        return f"at least {si(self.least, unit)}" if self.least else f"at most {si(self.most, unit)}"

    @property
    def edge(self) -> float:
        """The limit that a claim of "at least" or "at most" names."""
        return self.least or self.most


@dataclass(frozen=True, slots=True)
class SideAnswer:
    """One side of a comparison under one condition, as numbers with their evidence.

    Attributes:
        label: who.
        system, plan: what it ran on and how, format and sequences in flight included; or the reason why it cannot.
        value: of the metric that is compared; None where there is none.
        grade: worst grade of the evidence that matters, empty where there is no number.
        figures: what went in, by key.
        able: False if it cannot run or keep the promises; True where only a price is missing.
        counted, unit: what the value is, in words, and its SI unit.
    """

    label: str
    system: str
    plan: str
    value: Interval | None
    grade: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)
    able: bool = True
    counted: str = ""
    unit: str = "1"

    @property
    def origins(self) -> list[str]:
        """Claims that figures behind the number were derived from, sorted."""
        return sorted({name for figure in self.figures.values() for name in figure.origins})

    @property
    def lacks(self) -> str:
        """Why there is no number."""
        return f"{self.label} gives no number: {'no price is public' if self.able else self.plan}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One condition of a test.

    Attributes:
        column, row: its coordinates, such as 8 users and prompts of 1,024 tokens.
        verdict: holds, fails, "holds only if" where the interval straddles the limit, untestable where the other
            side gives no number.
        value: what was compared with the limit.
    """

    column: str
    row: str
    verdict: Verdict
    value: Interval | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """The cells of a test, with what their coordinates are called."""

    columns: str
    rows: str
    cells: tuple[Cell, ...]

    def share(self, verdict: Verdict) -> float:
        """Part of the cells with that verdict."""
        return sum(cell.verdict is verdict for cell in self.cells) / len(self.cells)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one test found.

    Attributes:
        label: the reading of the claim that it tests.
        metric: what was compared, with its unit.
        said: the finding as a sentence.
        value: what was compared with the bound, at the first condition.
        condition: under which it holds, where the verdict is "holds only if"; a half sentence.
        needs: the fact or the value that would decide, where the test cannot.
        region: verdicts over conditions, None where there is only one.
    """

    verdict: Verdict
    label: str
    metric: str
    said: str
    value: Interval | None = None
    bound: Bound | None = None
    condition: str = ""
    needs: str = ""
    sides: tuple[SideAnswer, ...] = ()
    region: Region | None = None

    @property
    def figures(self) -> dict[str, Figure]:
        """Every figure behind the sides, by side and key."""
        return {f"{side.label}: {key}": one for side in self.sides for key, one in sorted(side.figures.items())}

    @property
    def sources(self) -> list[str]:
        """Keys of the sources of these figures, sorted."""
        return sorted({figure.source for figure in self.figures.values()})


@dataclass(frozen=True, slots=True)
class Terms:
    """How a test is run.

    Attributes:
        names: claims that figures may not be derived from if they are to decide.
        figures: figures of the claim's own file, by name.
        maturity: every stack as it is ("own"), or a mature one for everybody ("equal").
    """

    names: frozenset[str] = frozenset()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    maturity: Maturity = "own"


class Test(Protocol):
    """A test of one kind with its parameters."""

    @property
    def label(self) -> str:
        """The reading of the claim that it tests."""

    def run(self, terms: Terms) -> Outcome:
        """Computes and judges."""


@runtime_checkable
class Mapped(Protocol):
    """A test that can be run over a fine grid of users and prompts."""

    label: str

    def map(self, terms: Terms) -> Region | None:
        """The verdict of every cell of the grid; None where the grid makes no sense."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim and its tests.

    Attributes:
        name: id, the stem of its file.
        title, statement: in a few words, and as said (short quotation or paraphrase).
        who, speaker, when: who said it, of which kind (vendor, press, analyst, belief), and when.
        sources: where it was said and what it is judged by.
        restated: the testable sentence.
        conditions: under which, each a half sentence; what the speaker left open is filled in here.
        parts: "readings" if the tests read one sentence in several ways, "each" if they are statements that stand
            alone, "all" if the claim is wrong where one of them is.
        asides: labels of tests that inform but do not decide.
        circle: names under which figures cite what was derived from this claim; its own is always among them.
        note: what a reader must know besides.
    """

    name: str
    title: str
    statement: str
    who: str
    speaker: str
    when: str
    sources: tuple[Source, ...]
    restated: str
    conditions: tuple[str, ...]
    tests: Sequence[Test]
    kinds: tuple[str, ...]
    parts: str = "readings"
    asides: frozenset[str] = frozenset()
    circle: frozenset[str] = frozenset()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim with its verdict.

    Attributes:
        why: under which condition it holds, what is missing, or the decisive finding.
        maturity: of the software stacks.
        maps: fine grids by the label of their test; empty where none was asked for.
        other: the same with the other maturity; None where it was not asked for.
    """

    claim: Claim
    verdict: Verdict
    why: str
    outcomes: tuple[Outcome, ...]
    maturity: Maturity = "own"
    maps: Mapping[str, Region] = field(default_factory=dict)
    other: Finding | None = None
