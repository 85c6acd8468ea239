"""How a chip runs what it runs: on the units made for it, or by a fallback; in which formats weights may lie.

A family's file in `data/support/` speaks for all its chips; a table `[support]` in a chip's own file speaks instead.
What a chip cannot run at all stands in its table `[cannot]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from silmark import formats
from silmark.errors import BadFile
from silmark.figures import Grade
from silmark.figures.tables import data_folder, packaged, read_grade

By = Literal["native", "fallback", "converted", "stored"]
"""Operators run natively or by a fallback; formats are multiplied natively, converted (multiplied, but widened by the
hardware and no faster) or only stored (weights, widened by software)."""
FEATURES: dict[str, str] = {
    "gemm": "gemm", "attention": "attention", "window": "attention", "latent-attention": "attention",
    "indexer": "attention", "sparse-attention": "attention", "experts": "experts", "conv": "conv",
    "grouped-conv": "conv", "scan": "scan", "recurrence": "scan", "delta-rule": "scan", "elementwise": "elementwise",
    "gibbs": "gibbs",
}  # fmt: skip
"""What models ask for, each with the kind of operator that it belongs to."""
_KEYS = ("by", "on", "how", "source", "grade")
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Way:
    """One way to run something.

    Attributes:
        by: whether it is what the units were made for.
        on: the units.
        how: one sentence.
        source, grade: of that statement, as of a figure.
        shown: generations, or patterns of ids, of the chips that the source is about; empty for all of the family.
    """

    by: By
    on: str
    how: str
    source: str
    grade: Grade
    shown: tuple[str, ...] = ()

    def on_chip(self, chip: str, generation: str, evidence: str) -> Way:
        """The same as evidence for one chip: an assumption where it was shown on others, or nothing ran in public."""
        here = not self.shown or generation in self.shown or any(fnmatch(chip, pattern) for pattern in self.shown)
        return self if here and evidence != "none" else replace(self, grade=Grade.ASSUMED)


@dataclass(frozen=True, slots=True)
class Family:
    """What holds for all chips of a family.

    Attributes:
        runs: ways by feature.
        stores: formats in which weights may lie although they are not multiplied, with how they are widened.
    """

    runs: Mapping[str, Way]
    stores: Mapping[str, Way]


@cache
def of_family(name: str) -> Family:
    """A family's file; raises BadFile where it is missing or says what is not known."""
    path = data_folder() / "support" / f"{name}.toml"
    table = packaged("support").get(name)
    if table is None:
        raise BadFile(path, "no such file; a family of mechanisms says in it how it runs operators")
    stored = {name: {"by": "stored", "on": "", **leaf} for name, leaf in table.get("stores", {}).items()}
    return Family(read_all(table["runs"], path, "runs"), read_all(stored, path, "stores"))


def read_all(table: object, path: Path, prefix: str = "support") -> dict[str, Way]:
    """Ways by feature or number format; raises BadFile."""
    if not isinstance(table, dict):
        raise BadFile(path, "expected a table of features", prefix)
    for key in table:
        if key not in FEATURES and key not in formats.FORMATS:
            known = f"known are {', '.join(FEATURES)}, and number formats"
            raise BadFile(path, f"not a feature; {known}", f"{prefix}.{key[:40]}")
    return {key: read(leaf, path, f"{prefix}.{key}") for key, leaf in table.items()}


def read(leaf: Any, path: Path, key: str) -> Way:  # noqa: ANN401 - what a TOML file holds
    """One way; raises BadFile."""
    if not isinstance(leaf, dict) or sorted(leaf.keys() - {"shown"}) != sorted(_KEYS):
        raise BadFile(path, f"expected a table with {', '.join(_KEYS)}, and perhaps shown", key)
    shown = leaf.get("shown", [])
    texts = [leaf[name] for name in _KEYS] + (shown if isinstance(shown, list) else [shown, None])
    if not all(isinstance(text, str) and len(text) <= _LONGEST for text in texts):
        raise BadFile(path, f"expected texts of at most {_LONGEST} characters, shown as a list of them", key)
    feature = key.rpartition(".")[2]
    allowed = ("native", "fallback") if feature in FEATURES else get_args(By)[2:]
    if leaf["by"] not in allowed:
        raise BadFile(path, f"by {leaf['by'][:40]!r}; expected one of {', '.join(allowed)}", key)
    grade = read_grade(path, key, leaf["grade"])
    return Way(leaf["by"], leaf["on"], leaf["how"], leaf["source"], grade, tuple(shown))
