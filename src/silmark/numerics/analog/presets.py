"""Machines whose analog errors are known or assumed: `data/analog/NAME.toml` to an `AnalogTile`.

Where a file holds statistics that were measured (`measured.*`), the errors of lines follow from them by moments.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from silmark.errors import BadFile, UnknownName
from silmark.figures import Figure
from silmark.figures.tables import packaged, read_figure, read_toml, walk
from silmark.numerics.analog import silicon
from silmark.numerics.analog.errors import Cells, Converter, Drift, Law, Lines
from silmark.numerics.analog.noise import SHAPES, Shape
from silmark.numerics.analog.tile import AnalogTile

FOLDER = "analog"
_PLAIN = {"name", "title", "digital", "shape", "notes", "chips", "drift.law"}
_LAWS = ("none", "walk", "power")
_DIGITAL = ("bf16", "fp16", "fp32")
_FIGURES = {
    "array": ("tile", "gain", "lines", "arrays"),
    "converter": ("weight", "input", "output"),
    "inl": ("weight", "input", "output"),
    "line": tuple(field.name for field in dataclasses.fields(Lines) if field.name not in ("count", "arrays", "shape")),
    "cell": ("programming_0", "programming_1", "programming_2_less", "read", "stuck_zero", "stuck_full"),
    "drift": ("rate", "exponent", "exponent_sd", "start"),
}
_NEEDED = ("array.tile", "array.gain", "array.lines", "converter.weight", "converter.input", "converter.output")


@dataclass(frozen=True, slots=True)
class Preset:
    """One file: figures by dotted key, and what is no figure."""

    name: str
    figures: dict[str, Figure]
    words: dict[str, Any]

    def value(self, key: str, otherwise: float = 0.0) -> float:
        """A figure's value."""
        return self.figures[key].value if key in self.figures else otherwise

    @property
    def arrays(self) -> int:
        """That share the tiles of a product."""
        return round(self.value("array.arrays", 1.0))

    @property
    def shape(self) -> Shape:
        """Of the noise."""
        return cast("Shape", self.words.get("shape", "normal"))


@cache
def names() -> tuple[str, ...]:
    """Of all packaged presets."""
    return tuple(packaged(FOLDER))


def preset(name: str) -> Preset:
    """Figures of a preset by name or by path; raises UnknownName or BadFile."""
    if name.endswith(".toml"):
        return _read(Path(name), Path(name).stem, read_toml(Path(name)))
    if name not in names():
        raise UnknownName("analog preset", name, names(), hint=f"known: {', '.join(names())}, or the path of a file")
    return _read(Path(f"{name}.toml"), name, packaged(FOLDER)[name])


def load(name: str) -> AnalogTile:
    """The arithmetic of a preset by name or path; `dataclasses.replace` gives another die, gain or age."""
    return _packaged(name) if name in names() else _tile(preset(name))


@cache
def _packaged(name: str) -> AnalogTile:
    return _tile(preset(name))


def _tile(found: Preset) -> AnalogTile:
    limit = (1 << (round(found.value("converter.output")) - 1)) - 1
    measured = "measured.slope" in found.figures
    kind = (Converter(round(found.value(f"converter.{one}")), found.value(f"inl.{one}")) for one in _FIGURES["inl"])
    weight, into, output = kind
    return AnalogTile(
        name=found.name,
        tile=round(found.value("array.tile")),
        gain=found.value("array.gain"),
        weight=weight,
        input=into,
        output=output,
        lines=silicon.lines(found) if measured else _lines(found, limit),
        cells=Cells(
            (
                found.value("cell.programming_0"),
                found.value("cell.programming_1"),
                -found.value("cell.programming_2_less"),
            ),
            *(found.value(f"cell.{one}") for one in ("read", "stuck_zero", "stuck_full")),
        ),
        drift=Drift(
            cast("Law", found.words.get("drift.law", "none")),
            rate=found.value("drift.rate"),
            exponent=found.value("drift.exponent"),
            exponent_sd=found.value("drift.exponent_sd"),
            start_s=found.value("drift.start", 1.0),
        ),
        digital=found.words.get("digital", "bf16"),
        accumulate=f"tiles of {round(found.value('array.tile'))} rows, rounded to bf16, summed in fp32",
    )


def _read(path: Path, name: str, table: Mapping[str, Any]) -> Preset:
    figures, words = dict[str, Figure](), dict[str, Any]()
    known = {f"{part}.{key}" for part, keys in _FIGURES.items() for key in keys}
    for key, leaf in walk(table):
        if key in _PLAIN:
            words[key] = leaf
        elif key in known or key.startswith("measured."):
            if not isinstance(leaf, dict):
                raise BadFile(path, "expected a figure: { value = ..., unit = ..., source = ..., grade = ... }", key)
            figures[key] = read_figure(path, key, leaf, {"drift.start": "s"}.get(key))
        else:
            raise BadFile(path, f"unknown; known are {', '.join(sorted(known))} and measured.*", key)
    needed = [*_NEEDED, *(f"measured.{one}" for one in silicon.NEEDED)] if "measured.slope" in figures else _NEEDED
    for key in needed:
        if key not in figures:
            raise BadFile(path, "missing", key)
    for key, allowed in (("shape", SHAPES), ("digital", _DIGITAL), ("drift.law", _LAWS)):
        if words.get(key, allowed[0]) not in allowed:
            raise BadFile(path, f"expected one of {', '.join(allowed)}", key)
    return Preset(name, figures, words)


def _lines(found: Preset, limit: int) -> Lines:
    """Lines of a file that states them; noise stands there in LSB of the output converter."""
    stated = {key: found.value(f"line.{key}") for key in _FIGURES["line"] if f"line.{key}" in found.figures}
    if "noise" in stated:
        stated["noise"] /= limit
    return Lines(round(found.value("array.lines")), shape=found.shape, arrays=found.arrays, **stated)
