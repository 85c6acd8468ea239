"""Machines whose analog errors are known or assumed: `data/analog/NAME.toml` to an `AnalogTile`.

Where a file holds statistics that were measured (`measured.*`), the errors of lines follow from them by moments.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from silmark.errors import BadFile, UnknownName
from silmark.figures import Figure
from silmark.figures.tables import packaged, read_figure, read_toml, walk
from silmark.numerics.analog.errors import Cells, Converter, Drift, Law, Lines
from silmark.numerics.analog.noise import SHAPES, Shape
from silmark.numerics.analog.statistics import BINS
from silmark.numerics.analog.tile import AnalogTile

FOLDER = "analog"
_PLAIN = {"name", "title", "digital", "shape", "notes", "chips", "drift.law"}
_LAWS = ("none", "walk", "power")
_DIGITAL = ("bf16", "fp16", "fp32")
_FIGURES = {
    "array": ("tile", "gain", "lines"),
    "converter": ("weight", "input", "output"),
    "inl": ("weight", "input", "output"),
    "line": tuple(field.name for field in dataclasses.fields(Lines) if field.name not in ("count", "shape")),
    "cell": ("programming_0", "programming_1", "programming_2_less", "read", "stuck_zero", "stuck_full"),
    "drift": ("rate", "exponent", "exponent_sd", "start"),
}
_NEEDED = ("array.tile", "array.gain", "array.lines", "converter.weight", "converter.input", "converter.output")
_SIZES = ("q00_25", "q25_50", "q50_75", "q75_90", "q90_100")
_MEASURED = (
    *("lines", "terms", "signal_sd", "slope", "offset", "error_sd", "residual_sd"),
    *("line_slope_sd", "line_offset_sd", "line_residual_sd", "vector_mean_sd"),
    *(f"error_sd_by_size.{one}" for one in _SIZES),
)


@dataclass(frozen=True, slots=True)
class Preset:
    """One file: figures by dotted key, and what is no figure."""

    name: str
    figures: dict[str, Figure]
    words: dict[str, Any]

    def value(self, key: str, otherwise: float = 0.0) -> float:
        """A figure's value."""
        return self.figures[key].value if key in self.figures else otherwise


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
        lines=from_moments(found) if measured else _lines(found, limit),
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
    needed = [*_NEEDED, *(f"measured.{one}" for one in _MEASURED)] if "measured.slope" in figures else _NEEDED
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
    return Lines(round(found.value("array.lines")), shape=_shape(found), **stated)


def _shape(found: Preset) -> Shape:
    return cast("Shape", found.words.get("shape", "normal"))


def from_moments(found: Preset) -> Lines:
    """Errors of lines from measured statistics of products of random vectors.

    The residual's variance is that of lines' offsets, of lines' gains times the signal's, of noise that a vector's
    outputs share, and of each line's own noise. What lines' own noise differs by follows from the spread of lines'
    residuals, less what differing scales of columns make of it; its growth with the signal from the errors of the
    largest tenth and the smallest quarter. Statistics are in units of the product; one converter range is
    tile / gain x s_w x s_x of them, where s is the largest of `terms` standard normal values.
    """

    def of(key: str) -> float:
        return found.value(f"measured.{key}")

    path = f"{found.name}.toml"
    for key, least, most in (("lines", 2, 65536), ("terms", 1, 65536), ("slope", 0.01, 100), ("signal_sd", 1e-6, 1e6)):
        if not least <= of(key) <= most:
            raise BadFile(path, f"expected {least:g} to {most:g}", f"measured.{key}")
    lines, signal = of("lines"), of("signal_sd")
    scale, scale_cv = _largest_of(round(of("terms")))
    full = found.value("array.tile") / found.value("array.gain") * scale**2
    common2 = (of("vector_mean_sd") ** 2 - of("error_sd") ** 2 / lines) * lines / (lines - 1)
    line2 = of("residual_sd") ** 2 - of("line_offset_sd") ** 2 - (of("line_slope_sd") * signal) ** 2
    own2 = line2 - common2
    if min(common2, own2) <= 0:
        raise BadFile(path, "the statistics contradict each other: a variance would be negative", "measured")
    spread2 = max((line2 - of("line_residual_sd") ** 2) * line2 / own2**2, 0.0)
    cv = math.sqrt(max(spread2 - scale_cv**2, 0.0))
    deviant = (1 - of("slope")) ** 2 + of("line_slope_sd") ** 2
    sizes = signal**2 * _mean_squares()
    left = np.array([of(f"error_sd_by_size.{one}") for one in _SIZES]) ** 2 - deviant * sizes
    growth2 = max(float((left[-1] - left[0]) / (sizes[-1] - sizes[0])), 0.0) / of("slope") ** 2
    wide = full * math.sqrt(1 + scale_cv**2)  # scales vary, and deviations go with the root of their mean square
    return Lines(
        count=round(found.value("array.lines")),
        gain=of("slope"),
        gain_sd=of("line_slope_sd"),
        offset=of("offset") / full,
        offset_sd=of("line_offset_sd") / wide,
        noise=math.sqrt(own2 / (1 + spread2)) / wide,
        noise_cv=cv,
        noise_slope=math.sqrt(growth2),
        common=math.sqrt(common2) / wide,
        shape=_shape(found),
    )


def _largest_of(count: int) -> tuple[float, float]:
    """Mean and coefficient of variation of the largest of so many |standard normal| values."""
    x = np.linspace(0.0, 8.0, 16_001)
    below = np.array([math.erf(one / math.sqrt(2)) for one in x]) ** count
    mean = float(np.trapezoid(1 - below, x))
    square = float(np.trapezoid(2 * x * (1 - below), x))
    return mean, math.sqrt(square - mean**2) / mean


def _mean_squares() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Mean of z^2 of a standard normal z by |z| in BINS."""
    x = np.linspace(0.0, 8.0, 16_001)
    below = np.array([math.erf(one / math.sqrt(2)) for one in x])
    # The integral of z^2 over |z| < x is erf(x / root 2) - 2 x phi(x).
    inside = below - 2 * x * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    return np.diff(np.interp(BINS, below, inside)) / np.diff(BINS)
