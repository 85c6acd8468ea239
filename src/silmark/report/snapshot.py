"""The document of `silmark validate --snapshot`: predictions of the fixed grid, as any version may have written it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from silmark.errors import BadFile

SCHEMA = "silmark.snapshot/1"
EVERYWHERE = "all chips"
"""Stands for the chip where a question was refused as a whole."""
MAX_BYTES = 64 << 20
"""Of a file; the packaged grid takes one or two megabytes."""


class Key(NamedTuple):
    """Which prediction: part of the grid, question, chip, and name of the number."""

    part: str
    question: str
    chip: str
    number: str


class Bounds(NamedTuple):
    """Low, mid and high, in SI units."""

    low: float
    mid: float
    high: float


class Answer(NamedTuple):
    """One chip's answer beside its numbers: the plan in words, and why it has no numbers."""

    plan: str
    why: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All answers of one version.

    Attributes:
        version: of the package, or the revision.
        grid: digest of the questions.
        numbers: by key.
        answers: by (part, question, chip).
    """

    version: str
    grid: str
    numbers: Mapping[Key, Bounds]
    answers: Mapping[tuple[str, str, str], Answer]

    @classmethod
    def of(cls, version: str, grid: str, parts: Mapping[str, Any]) -> Snapshot:
        """From answers by part, question and chip."""
        numbers, answers = {}, {}
        for place, answer in _walk(parts):
            answers[place] = Answer(answer["plan"], answer["why"])
            for name, values in answer["numbers"].items():
                numbers[Key(*place, name)] = Bounds(*values)
        return cls(version, grid, numbers, answers)

    def why(self, key: Key) -> str:
        """Why there is no such number."""
        for chip in (key.chip, EVERYWHERE):
            answer = self.answers.get((key.part, key.question, chip))
            if answer is not None:
                return answer.why
        return "not asked, or no such chip"

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.snapshot/1."""
        parts: dict[str, dict[str, dict[str, Any]]] = {}
        for (part, question, chip), answer in self.answers.items():
            parts.setdefault(part, {}).setdefault(question, {})[chip] = {"numbers": {}, **answer._asdict()}
        for key, bounds in self.numbers.items():
            parts[key.part][key.question][key.chip]["numbers"][key.number] = list(bounds)
        return {"schema": SCHEMA, "version": self.version, "grid": self.grid, "answers": parts}


def _walk(parts: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], Mapping[str, Any]]]:
    for part, questions in parts.items():
        for question, chips in questions.items():
            for chip, answer in chips.items():
                yield (part, question, chip), answer


def parse(raw: bytes, path: Path) -> Snapshot:
    """A snapshot from the bytes of its file; raises BadFile with what does not fit."""
    from pydantic import BaseModel, ConfigDict, Field, ValidationError  # noqa: PLC0415 - only files need it

    number = Annotated[float, Field(ge=0, allow_inf_nan=False)]

    class _Answer(BaseModel):
        model_config = ConfigDict(extra="forbid")
        numbers: dict[str, tuple[number, number, number]]
        plan: str
        why: str

    class _Document(BaseModel):
        model_config = ConfigDict(extra="forbid")
        schema_: Literal["silmark.snapshot/1"] = Field(alias="schema")
        version: str
        grid: str
        answers: dict[str, dict[str, dict[str, _Answer]]]

    try:
        found = _Document.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadFile(path, f"not a file of `silmark validate --snapshot`: {first['msg']}", where) from None
    return Snapshot.of(found.version, found.grid, found.model_dump()["answers"])
