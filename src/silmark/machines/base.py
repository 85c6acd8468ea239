"""What every machine offers, and how one reads its figures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from silmark.chips import Chip
from silmark.errors import BadFile, BadValue
from silmark.figures import Figure
from silmark.figures.tables import packaged, read_figure, walk
from silmark.machines.program import OWN_FORMAT, Program
from silmark.machines.run import Refusal, Run

Value = int | float | str


@dataclass(frozen=True, slots=True)
class Option:
    """A choice that a run leaves to its user, beside program and chip.

    Attributes:
        default: value where the user says nothing; its type is the option's.
        help: one line.
        low, high: of numbers.
        choices: of texts.
    """

    default: Value
    help: str
    low: float = 0.0
    high: float = 1e9
    choices: tuple[str, ...] = ()

    def parse(self, name: str, value: Value) -> Value:
        """The value in the option's own type; raises BadValue."""
        if isinstance(self.default, str):
            if value not in self.choices:
                raise BadValue(name, value, f"one of {', '.join(self.choices)}")
            return value
        kind = type(self.default)
        try:
            number = kind(value)
        except (ValueError, OverflowError):
            number = None
        if number is None or isinstance(value, bool) or not self.low <= number <= self.high:
            what = "a whole number" if kind is int else "a number"
            raise BadValue(name, value, f"{what} from {self.low:g} to {self.high:g}")
        return number


@dataclass(frozen=True, slots=True)
class Tile:
    """One rectangle of a floor plan.

    Attributes:
        label: printed inside.
        unit: whose utilisation colours it; empty for what is never busy.
        x, y, width, height: in any one unit of length; y upwards.
    """

    label: str
    unit: str
    x: float
    y: float
    width: float
    height: float


class Machine(ABC):
    """A virtual machine of one architecture; instances hold nothing."""

    name: ClassVar[str]
    title: ClassVar[str]
    chips: ClassVar[tuple[str, ...]]
    """Ids of the catalogue's chips that it stands for, the usual one first."""
    formats: ClassVar[tuple[str, ...]]
    """Number formats that it executes, its own first."""
    operators: ClassVar[tuple[str, ...]]
    """Of `program.OPERATORS`."""
    program: ClassVar[str]
    """The packaged program that shows it."""
    options: ClassVar[Mapping[str, Option]] = {}

    @abstractmethod
    def run(self, program: Program, chip: Chip, **options: Value) -> Run | Refusal:
        """Executes a program.

        Args:
            program: whose operator is one of `operators` and whose format is one of `formats` (`ask` saw to it).
            chip: one of `chips`, or a user's own of the same family.
            options: of `self.options`, complete and checked.

        Returns:
            The run; a Refusal where the program exceeds the machine.
        """

    @abstractmethod
    def floorplan(self, chip: Chip) -> tuple[Tile, ...]:
        """Where its units lie, for the picture."""

    def ask(self, program: Program, chip: Chip, **options: Value) -> Run | Refusal:
        """Checks what any machine checks, fills in defaults and runs; raises BadValue for what makes no sense."""
        families = {_family(name) for name in self.chips}
        if chip.family not in families:
            raise BadValue("chip", chip.id, f"one that {self.name} stands for: {', '.join(self.chips)}")
        if program.operator not in self.operators:
            return Refusal(f"{self.name} has no {program.operator}; it runs {', '.join(self.operators)}", cannot=True)
        if program.format not in (OWN_FORMAT, *self.formats):
            raise BadValue("format", program.format, f"one of {', '.join(self.formats)} on {self.name}")
        for name in options:
            if name not in self.options:
                raise BadValue("option", name, f"one of {', '.join(self.options) or 'none'} on {self.name}")
        chosen = {
            name: option.parse(name, options[name]) if name in options else option.default
            for name, option in self.options.items()
        }
        found = self.run(program, chip, **chosen)
        if isinstance(found, Run) and (
            lost := sum(np.count_nonzero(~np.isfinite(one)) for one in found.outputs.values())
        ):
            return Refusal(f"{lost:,} results are beyond the largest number of {found.format} or of its sums")
        return found

    def format(self, program: Program) -> str:
        """The format that a program runs in here."""
        return self.formats[0] if program.format == OWN_FORMAT else program.format


def _family(chip: str) -> str:
    return str(packaged("chips")[chip]["family"])


class Facts:
    """Reads figures of a chip and of a machine's own file, remembering which were used."""

    def __init__(self, machine: str, chip: Chip) -> None:
        self.chip = chip
        self.used: dict[str, Figure] = {}
        self._name = machine
        self._own = own_figures(machine)

    def of_chip(self, key: str) -> Figure:
        """A figure of the chip's file; raises BadFile where it has none."""
        return self.used.setdefault(key, self.chip.figure(key))

    def own(self, key: str) -> Figure:
        """A figure of `data/machines/NAME.toml`."""
        if key not in self._own:
            raise BadFile(f"machines/{self._name}.toml", "missing", key)
        return self.used.setdefault(f"{self._name}.{key}", self._own[key])

    def whole(self, key: str) -> int:
        """A figure of the machine's file as a whole number: lanes, cycles."""
        return round(self.own(key).value)


@cache
def own_figures(machine: str) -> dict[str, Figure]:
    """Every figure of a machine's own file, by key."""
    table = {key: value for key, value in packaged("machines").get(machine, {}).items() if key != "note"}
    return {key: read_figure(f"machines/{machine}.toml", key, leaf) for key, leaf in walk(table)}
