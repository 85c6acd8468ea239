"""Programs: what a machine is asked to execute, read from a small JSON file and checked.

A program names an operator, its shape, a number format and where its numbers come from: drawn from a seed, or weights
of a safetensors file. It knows no machine. Files come from strangers: every value is bounded before anything is
allocated, and weights are read from safetensors alone, which can hold no code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from silmark.errors import BadFile, BadValue, UnknownName
from silmark.figures.tables import data_folder
from silmark.machines.shapes import SHAPES, Shape, elements, multiply_adds, shape_of_model

SCHEMA = "silmark.program/1"
OWN_FORMAT = "default"
"""The format that a machine runs unless a program names one."""
MOST_BYTES = 1 << 24
MOST_ELEMENTS = 1 << 28
"""Of all weights and inputs together: one layer of a model of 8 billion parameters."""
MOST_MULTIPLY_ADDS = 1 << 38
"""Half a minute of a processor's core."""
_KEYS = ("schema", "operator", "shape", "model", "format", "seed", "weights", "graph", "note")

Operator = Literal["gemm", "gemv", "products", "mlp", "attention", "layer", "graph"]
OPERATORS: tuple[Operator, ...] = ("gemm", "gemv", "products", "mlp", "attention", "layer", "graph")


@dataclass(frozen=True, slots=True)
class Program:
    """A checked program.

    Attributes:
        name: of its file, or as the caller likes.
        operator: what is computed.
        shape: sizes of the operator, a model of `shapes`; None for a graph.
        format: number format by name; `default` leaves the choice to the machine.
        seed: of every number that is drawn.
        weights: safetensors file with the weights, None where they are drawn.
        graph: of `graph` programs: the JSON object as it stands, at most `MOST_BYTES`; its machine checks it.
        note: a line for readers.
        path: of its file, named in messages.
    """

    name: str
    operator: Operator
    shape: Shape | None
    format: str = OWN_FORMAT
    seed: int = 0
    weights: Path | None = None
    graph: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    path: Path | str = "program"

    def sizes(self) -> Shape:
        """The shape; raises BadValue for a graph, which has none."""
        if self.shape is None:
            raise BadValue("program", self.name, "one of matrices, not of a graph")
        return self.shape

    def __str__(self) -> str:
        return self.operator if self.shape is None else f"{self.operator} {self.shape}"


def packaged() -> tuple[str, ...]:
    """Names of the programs that come with the package."""
    return tuple(sorted(path.stem for path in (data_folder() / "programs").glob("*.json")))


def load(name: str) -> Program:
    """A packaged program by name, or one from a `.json` path.

    Raises:
        UnknownName: neither a packaged program nor a path of a JSON file.
        BadFile: names the key and what would be right.
    """
    if name.endswith(".json"):
        return read(Path(name))
    if name not in packaged():
        hint = f"a .json file, or one of {', '.join(packaged())}"
        raise UnknownName("program", name, packaged(), hint=hint)
    return read(data_folder() / "programs" / f"{name}.json")


def read(path: Path) -> Program:
    """The program of a JSON file."""
    try:
        if not path.is_file():
            raise BadFile(path, "no such file" if not path.exists() else "not a regular file")
        with path.open("rb") as stream:
            raw = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    except ValueError:  # a null byte in the name
        raise BadFile(repr(str(path)), "not the name of a file") from None
    if len(raw) > MOST_BYTES:
        raise BadFile(path, f"larger than {MOST_BYTES >> 20} MiB; weights belong into a safetensors file beside it")
    try:
        table = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadFile(path, f"is not JSON: {error or 'nested too deeply'}") from None
    return parse(table, path)


def parse(table: object, path: Path | str = "program") -> Program:
    """Checks a program as JSON gives it; raises BadFile.

    Args:
        table: the object.
        path: of the file: named in messages, and the folder in which its weights lie.
    """
    if not isinstance(table, dict):
        raise BadFile(path, "expected a JSON object")
    for key in table:
        if key not in _KEYS:
            raise BadFile(path, f"unknown key; known are {', '.join(_KEYS)}", str(key))
    if table.get("schema") != SCHEMA:
        raise BadFile(path, f'expected "{SCHEMA}"', "schema")
    operator = table.get("operator")
    if operator not in OPERATORS:
        raise BadFile(path, f"expected one of {', '.join(OPERATORS)}", "operator")
    program = Program(
        name=Path(path).stem,
        operator=operator,
        shape=None if operator == "graph" else _shape(table, operator, path),
        format=_text(table, "format", OWN_FORMAT, path),
        seed=_seed(table, path),
        weights=_weights(table, path),
        graph=_graph(table, operator, path),
        note=_text(table, "note", "", path),
        path=path,
    )
    return _bounded(program, path)


def _shape(table: dict[str, Any], operator: Operator, path: Path | str) -> Shape:
    given = table.get("shape", {})
    if not isinstance(given, dict):
        raise BadFile(path, "expected an object of sizes", "shape")
    if "model" in table:
        try:
            given = {**shape_of_model(_text(table, "model", "", path), operator), **given}
        except BadValue as wrong:
            raise BadFile(path, str(wrong), "model") from None
    kind: type[BaseModel] = SHAPES[operator]
    try:
        return kind.model_validate(given)  # type: ignore[return-value]  # SHAPES holds nothing but shapes
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        remedy = first["msg"]
        if first["type"] == "extra_forbidden":
            remedy = f"unknown size; {operator} has {', '.join(kind.model_fields)}"
        raise BadFile(path, remedy, ".".join(["shape", *map(str, first["loc"])])) from None


def _text(table: dict[str, Any], key: str, default: str, path: Path | str) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or len(value) > 400:
        raise BadFile(path, "expected a text of at most 400 characters", key)
    return value


def _seed(table: dict[str, Any], path: Path | str) -> int:
    value = table.get("seed", 0)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 32:
        raise BadFile(path, "expected a whole number from 0 to 2^32 - 1", "seed")
    return value


def _graph(table: dict[str, Any], operator: Operator, path: Path | str) -> dict[str, Any]:
    value = table.get("graph", {})
    if not isinstance(value, dict) or (operator == "graph") != bool(value):
        raise BadFile(path, 'expected an object where operator is "graph", and nothing elsewhere', "graph")
    return value


def _weights(table: dict[str, Any], path: Path | str) -> Path | None:
    """The weights' file, which lies beside the program or below; a stranger's program reads nothing else."""
    if "weights" not in table:
        return None
    name = _text(table, "weights", "", path)
    if not name.endswith(".safetensors"):
        raise BadFile(path, "expected a .safetensors file; pickle files can hold code and are not read", "weights")
    folder = Path(path).resolve().parent
    found = (folder / name).resolve() if "\0" not in name else None
    if found is None or not found.is_relative_to(folder):
        raise BadFile(path, "expected a file in the program's folder or below", "weights")
    return found


def _bounded(program: Program, path: Path | str) -> Program:
    if program.shape is None:
        return program
    if (size := elements(program.shape)) > MOST_ELEMENTS:
        raise BadFile(path, f"{size:,} weights and inputs; expected at most {MOST_ELEMENTS:,}", "shape")
    if (work := multiply_adds(program.shape)) > MOST_MULTIPLY_ADDS:
        raise BadFile(path, f"{work:,} multiply-adds; expected at most {MOST_MULTIPLY_ADDS:,}", "shape")
    return program
