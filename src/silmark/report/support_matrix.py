"""Tables over chips: how they run classes of architectures, and what they do with number formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from silmark.chips import Chip
from silmark.figures import Grade
from silmark.figures.numbers import three
from silmark.formats import FORMATS
from silmark.mapping.fallback import Support
from silmark.mapping.support import FormatUse
from silmark.models.catalogue import Architecture
from silmark.report.support import format_use, short, times
from silmark.report.wiring import Cells


@dataclass(frozen=True, slots=True)
class Square:
    """One answer in a table.

    Attributes:
        state: native, fallback, computes, converts, stores, cannot or no; what a picture colours.
        text: a few words; a question mark where they rest on an assumption.
    """

    state: str
    text: str


@dataclass(frozen=True, slots=True)
class SupportMatrix:
    """Classes of architectures on chips.

    Attributes:
        question: what was asked, after defaults.
        classes: by short name.
        rows: chip -> class -> answer.
    """

    question: dict[str, Any]
    classes: Mapping[str, Architecture]
    rows: Mapping[Chip, Mapping[str, Support]]
    title: ClassVar[str] = "How chips run classes of architectures"

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.support-matrix/1."""
        return {
            "schema": "silmark.support-matrix/1",
            "question": self.question,
            "classes": {name: dict(entry) for name, entry in self.classes.items()},
            "rows": {chip.id: {name: short(found) for name, found in row.items()} for chip, row in self.rows.items()},
        }

    def squares(self) -> dict[Chip, dict[str, Square]]:
        """Answers in short: chip -> class."""
        return {chip: {name: _runs(found) for name, found in row.items()} for chip, row in self.rows.items()}


@dataclass(frozen=True, slots=True)
class FormatMatrix:
    """Number formats on chips.

    Attributes:
        question: what was asked.
        rows: chip -> every format.
    """

    question: dict[str, Any]
    rows: Mapping[Chip, tuple[FormatUse, ...]]
    title: ClassVar[str] = "What chips do with number formats"

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.support-formats/1."""
        return {
            "schema": "silmark.support-formats/1",
            "question": self.question,
            "rows": {chip.id: [format_use(use) for use in row] for chip, row in self.rows.items()},
        }

    def squares(self) -> dict[Chip, dict[str, Square]]:
        """Answers in short: chip -> format, without formats that none of these chips takes (samplers take none)."""
        taken = {use.name for row in self.rows.values() for use in row if use.use != "no"} or FORMATS
        return {chip: {use.name: _takes(use) for use in row if use.name in taken} for chip, row in self.rows.items()}


def _runs(row: Support) -> Square:
    if row.by == "cannot":
        return Square(row.by, row.by)
    doubt = "?" if row.grade is Grade.ASSUMED else ""
    return Square(row.by, f"{row.by}{doubt}" if row.by == "native" else f"{row.by}{doubt} {times(row.most)}")


def _takes(use: FormatUse) -> Square:
    if use.use == "no":
        return Square(use.use, "-")
    doubt = "?" if use.grade is Grade.ASSUMED else ""
    return Square(use.use, f"{use.use}{doubt}" + ("" if use.rate is None else f" x{three(use.rate)}"))


def table(answer: SupportMatrix | FormatMatrix) -> Cells:
    """One line per chip, one column per class or format."""
    squares = answer.squares()
    columns = list(next(iter(squares.values())))
    return ["chip", *columns], [[chip.id, *(one.text for one in row.values())] for chip, row in squares.items()]
