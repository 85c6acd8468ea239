"""Way: the arithmetic in which a chip runs a model, from the chip's rules and a precision."""

from __future__ import annotations

from dataclasses import dataclass

from silmark import formats, numerics
from silmark.chips import Chip
from silmark.chips.arithmetic import chip_rules, rule
from silmark.errors import BadValue
from silmark.figures import Grade
from silmark.formats import Precision
from silmark.numerics import Arithmetic, NumberFormat

FASTEST = "fastest"
"""The format in which a chip's matrix peak is highest; the narrowest of several equally fast ones."""


@dataclass(frozen=True, slots=True)
class Way:
    """How products are formed; equal ways give equal results.

    Attributes:
        arithmetic: key in `numerics.arithmetic`.
        weights: format in which weights are stored, where it is another than they are multiplied in; else empty.
        kv: the same of keys and values.
    """

    arithmetic: str
    weights: str = ""
    kv: str = ""

    @property
    def rules(self) -> Arithmetic:
        """The arithmetic."""
        return numerics.arithmetic.get(self.arithmetic)

    @property
    def stored(self) -> NumberFormat | None:
        """Format of stored weights; None where they are stored as they are multiplied."""
        return numerics.formats.get(self.weights) if self.weights else None

    @property
    def cached(self) -> NumberFormat | None:
        """Format of keys and values; None where they are kept as they are multiplied."""
        return numerics.formats.get(self.kv) if self.kv else None

    @property
    def weight_bits(self) -> float:
        """Stored bits per weight, shares of scales included."""
        return (self.stored or self.rules.right).bits

    def __str__(self) -> str:
        added = [f"{self.weights} weights"] if self.weights else []
        return ", ".join([self.arithmetic, *added, *([f"{self.kv} cache"] if self.kv else [])])


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one chip does at one precision.

    Attributes:
        way: None where it cannot.
        grade: evidence for the arithmetic; of no meaning where it cannot.
        reason: why it cannot; otherwise what is stated of the arithmetic and what is filled in.
    """

    chip: Chip
    precision: str
    way: Way | None
    grade: Grade
    source: str
    reason: str


def chosen(chip: Chip, precision: str) -> Chosen:
    """The way in which a chip runs a model.

    Args:
        chip: the chip.
        precision: `default` (the chip's own), `fastest`, a format, or weights:compute[:kv].
    """
    name = chip.precision if precision == "default" else _fastest(chip) if precision == FASTEST else precision
    asked = Precision.of(name)
    found = rule(chip, asked.compute)
    if found is None:
        return Chosen(chip, name, None, Grade.ASSUMED, "", _why_not(chip, asked.compute))
    explicit = name.split(":")
    way = Way(
        found.name,
        weights="" if asked.weights == asked.compute else _format(asked.weights),
        kv="" if len(explicit) < 3 or asked.kv == asked.compute else _format(asked.kv),
    )
    return Chosen(chip, name, way, found.grade, found.source, found.note)


def _format(plan: str) -> str:
    """Name of the number format that a plan means."""
    return numerics.formats.planned(plan).name


def _fastest(chip: Chip) -> str:
    known = chip_rules(chip)
    peaks = {name: chip.si(f"peak.{name}", 0.0) for name in chip.formats if name in known}
    if not peaks:
        return chip.precision
    return max(peaks, key=lambda name: (peaks[name], -formats.get(name).bits))


def _why_not(chip: Chip, name: str) -> str:
    if "gemm" in chip.cannot:
        return chip.cannot["gemm"]
    if chip.formats and name not in chip.formats:
        return f"has no {name} matrix unit; its formats are {', '.join(chip.formats)}"
    return f"nobody says how it multiplies in {name}; known are {', '.join(chip_rules(chip)) or 'none'}"


def known(precision: str) -> str:
    """Checks a precision before sixty chips refuse it; raises SilmarkError."""
    if not isinstance(precision, str):
        raise BadValue("precision", precision, "default, fastest, a format, or weights:compute[:kv]")
    if precision not in ("default", FASTEST):
        asked = Precision.of(precision)
        for one in {asked.weights, asked.kv} - {asked.compute}:
            numerics.formats.planned(one)
    return precision
