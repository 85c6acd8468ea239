"""Claims put to the test, from words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from silmark import claims as layer
from silmark.claims import Finding
from silmark.errors import BadValue
from silmark.report.claims import documents, page
from silmark.report.claims import maps as pictures

Maturity = Literal["own", "equal"]


@dataclass(frozen=True, slots=True)
class Checked:
    """One claim with its verdict."""

    finding: Finding

    @property
    def verdict(self) -> str:
        """holds, fails, holds only if, untestable, or not assessed yet."""
        return str(self.finding.verdict)

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.claim/1."""
        return documents.one(self.finding)

    def plot(self, path: Path) -> None:
        """Writes the map of every test that has one; the file's ending chooses the format."""
        pictures.write(self.finding, path)


@dataclass(frozen=True, slots=True)
class Claims:
    """Several claims with their verdicts."""

    checked: tuple[Checked, ...]
    maturity: Maturity

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.claims/1."""
        return documents.listing([one.finding for one in self.checked], self.maturity)

    def write(self, path: Path) -> None:
        """Writes all of it as one HTML page."""
        page.write([one.finding for one in self.checked], self.maturity, path)


def check_claim(name: str, *, maturity: Maturity = "own", maps: bool = False) -> Checked:
    """The verdict on one claim, with either maturity of the software stacks.

    Args:
        name: of a packaged claim, or the path of a `.toml` file.
        maturity: "own" software, or "equal" (a mature stack for everybody), in which the numbers are given.
        maps: also where its tests hold over 1 to 256 users and prompts of 256 to 32,768 tokens.

    Raises:
        SilmarkError: a name that is unknown, or a file that is not a claim.
    """
    return Checked(layer.check(layer.load(name), _known(maturity), maps=maps, both=True))


def claims(names: Sequence[str] = (), *, maturity: Maturity = "own", maps: bool = False) -> Claims:
    """Claims with their verdicts: those of the given names and files, or else all packaged ones by name.

    Arguments and what is raised as in `check_claim`; only with maps, both maturities are judged.
    """
    wanted = tuple(dict.fromkeys(names)) or layer.names()
    found = (layer.check(layer.load(name), _known(maturity), maps=maps, both=maps) for name in wanted)
    return Claims(tuple(map(Checked, found)), maturity)


def _known(maturity: Maturity) -> Maturity:
    if maturity not in get_args(Maturity):
        raise BadValue("maturity", maturity, "own or equal")
    return maturity
