"""The documented shape of `silmark machine run --json` and `silmark machine list --json`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from silmark.report.documents import Bounds, FigureDocument, Strict


class ProgramDocument(Strict):
    """What was asked."""

    machine: str
    chip: str
    program: str = Field(description="name of its file")
    operator: str
    shape: dict[str, Any] | None = Field(description="sizes as the program has them; null for a graph")
    format: str
    seed: int


class TensorDocument(Strict):
    """One output."""

    shape: list[int]
    rms: float
    sha256: str = Field(description="of its float32 values, little-endian, row by row")


class ReferenceDocument(Strict):
    """Distance from the float64 reference, over all outputs."""

    snr_db: float | None = Field(description="null where nothing differs")
    largest: float = Field(description="largest difference over the root mean square of the reference")


class RunDocument(Strict):
    """An executed program."""

    format: str
    cycles: int
    clock_hz: float
    time_s: float
    energy_j: dict[str, Bounds] = Field(description="by part of the machine")
    total_j: Bounds
    utilisation: dict[str, float] = Field(description="busy share of each unit, 0 to 1")
    outputs: dict[str, TensorDocument]
    reference: ReferenceDocument | None = Field(description="null for graphs, and where no check was asked for")
    facts: dict[str, str | int | float]
    figures: list[FigureDocument] | None = Field(description="with --explain: every input figure")


class MachineDocument(Strict):
    """`silmark machine run --json`."""

    schema_: Literal["silmark.machine/1"] = Field(alias="schema")
    question: ProgramDocument
    status: Literal["ok", "cannot-run", "infeasible"]
    reason: str
    run: RunDocument | None


class MachineRowDocument(Strict):
    """One machine."""

    name: str
    title: str
    chips: list[str] = Field(description="that it stands for, the usual one first")
    formats: list[str]
    operators: list[str]
    program: str = Field(description="the packaged program that runs unless another is named")
    options: dict[str, str]


class MachinesDocument(Strict):
    """`silmark machine list --json`."""

    schema_: Literal["silmark.machines/1"] = Field(alias="schema")
    machines: list[MachineRowDocument]
    programs: list[str] = Field(description="that come with the package")


DOCUMENTS: dict[str, type[BaseModel]] = {"machine": MachineDocument, "machines": MachinesDocument}
