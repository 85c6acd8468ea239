"""Which arithmetic a chip multiplies with in a format: by its own file, else by the table of its family.

`data/arithmetic/FAMILY.toml` holds one table per chip generation and one for `all` of the family. An entry names an
arithmetic of `silmark.numerics`; what that does to numbers is said there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silmark import formats
from silmark.errors import BadFile
from silmark.figures import Grade
from silmark.figures.tables import packaged, read_grade

if TYPE_CHECKING:
    from silmark.chips.spec import Chip

ALL = "all"
_NEEDED = ("name", "source", "grade")


@dataclass(frozen=True, slots=True)
class Rule:
    """How a chip multiplies matrices in one format.

    Attributes:
        name: key in `silmark.numerics.arithmetic`.
        source: key into the table of sources.
        grade: evidence that the chip computes so.
        note: what is stated, and what is filled in.
    """

    name: str
    source: str
    grade: Grade
    note: str = ""


def rules(path: Path | str, table: object) -> dict[str, Rule]:
    """Checks a table of rules by format; raises BadFile."""
    if not isinstance(table, dict):
        raise BadFile(
            path, 'expected a table such as fp8 = { name = "hopper-fp8", source = ..., grade = ... }', "arithmetic"
        )
    return {name: _rule(path, name, leaf) for name, leaf in table.items()}


def _rule(path: Path | str, name: str, leaf: object) -> Rule:
    key = f"arithmetic.{name}"
    if name not in formats.FORMATS:
        raise BadFile(path, f"not a number format; known are {', '.join(formats.FORMATS)}", key)
    if not isinstance(leaf, dict) or not {*_NEEDED} <= {*leaf} <= {*_NEEDED, "note"}:
        raise BadFile(path, "expected { name = ..., source = ..., grade = ... } and perhaps a note", key)
    if not all(isinstance(text, str) and len(text) <= 400 for text in leaf.values()):
        raise BadFile(path, "name, source, grade and note must be texts of at most 400 characters", key)
    grade = read_grade(path, key, leaf["grade"])
    return Rule(leaf["name"], leaf["source"], grade, leaf.get("note", ""))


@cache
def of_family(family: str) -> Mapping[str, Mapping[str, Rule]]:
    """The rules of a family by generation and `all`; empty where the family multiplies nothing."""
    tables: dict[str, Any] = packaged("arithmetic").get(family, {})
    return {name: rules(f"{family}.toml", table) for name, table in tables.items()}


def rule(chip: Chip, name: str) -> Rule | None:
    """How the chip multiplies in a format; None where it does not, or where nobody says how."""
    if name not in chip.formats and chip.formats:
        return None
    known = of_family(chip.family)
    tables = (chip.arithmetic, known.get(chip.generation, {}), known.get(ALL, {}))
    return next((table[name] for table in tables if name in table), None)


def chip_rules(chip: Chip) -> dict[str, Rule]:
    """All that `rule` knows of a chip, by format."""
    found = {name: rule(chip, name) for name in chip.formats or formats.FORMATS}
    return {name: one for name, one in found.items() if one is not None}
