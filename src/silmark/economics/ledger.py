"""Ledger: a cost as a sum of lines, each a number times named inputs; its total, parts and intervals.

Every input is there once by name, however many lines it stands in: moving it moves them together. Totals broadcast
over arrays of inputs, which is how samples are drawn and break-evens solved.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from silmark.figures import Interval
from silmark.figures.figure import quadrature

Values = Mapping[str, ArrayLike]
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Line:
    """One part of a cost: `scale` times inputs, each to its power.

    Attributes:
        name: what is paid for; lines of the same name are one part.
        scale: what is certain, such as a count of chips; below 0 for what is taken off.
        inputs: name of an input -> power, 1 or -1.
    """

    name: str
    scale: float
    inputs: Mapping[str, int]

    def amount(self, values: Values) -> Array:
        """The line at the given inputs."""
        total = np.asarray(self.scale, dtype=float)
        for key, power in self.inputs.items():
            total = total * np.asarray(values[key], dtype=float) ** power
        return total


@dataclass(frozen=True, slots=True)
class Ledger:
    """Lines and the inputs that they name, in one unit (USD/s of work, USD per million tokens, kg of CO2e)."""

    lines: tuple[Line, ...]
    inputs: Mapping[str, Interval]

    def amounts(self, values: Values | None = None) -> dict[str, Array]:
        """Each part's amount, at the middle of every input or at the given values of some."""
        at = self._at(values)
        parts: dict[str, Array] = {}
        for line in self.lines:
            amount = line.amount(at)
            parts[line.name] = parts[line.name] + amount if line.name in parts else amount
        return parts

    def total(self, values: Values | None = None) -> Array:
        """The sum of all parts."""
        at = self._at(values)
        return np.asarray(sum((line.amount(at) for line in self.lines), np.zeros(())))

    def weights(self) -> dict[str, float]:
        """Of each input, the share of the total that it moves: by how many percent the total goes up with one of it.

        An input to the power -1 has a weight below 0.
        """
        at, total = self._at(None), float(self.total())
        found = dict.fromkeys(self.inputs, 0.0)
        for line in self.lines:
            share = float(line.amount(at)) / total if total > 0 else 0.0
            for key, power in line.inputs.items():
                found[key] += power * share
        return found

    def interval(self) -> Interval:
        """The total with its 80 % interval: log widths of the inputs times their weights, in quadrature."""
        mid = float(self.total())
        if mid <= 0:  # what is saved in full leaves rounding errors on either side of nothing
            return Interval(0.0, 0.0, 0.0)
        low, high = [], []
        for key, weight in self.weights().items():
            below, above = log_widths(self.inputs[key])
            low.append(weight * (below if weight > 0 else above))
            high.append(weight * (above if weight > 0 else below))
        return Interval.around(mid, quadrature(low), quadrature(high))

    def only(self, *names: str) -> Ledger:
        """The lines of some names, with the inputs that they read."""
        lines = tuple(line for line in self.lines if line.name in names)
        used = {key for line in lines for key in line.inputs}
        return Ledger(lines, {key: value for key, value in self.inputs.items() if key in used})

    def over(self, key: str, rate: Interval, scale: float = 1.0) -> Ledger:
        """The ledger per unit of a rate, which joins its inputs: USD/s over tokens/s is USD per token."""
        lines = tuple(
            replace(line, scale=line.scale * scale, inputs={**line.inputs, key: line.inputs.get(key, 0) - 1})
            for line in self.lines
        )
        return Ledger(lines, {**self.inputs, key: rate})

    def _at(self, values: Values | None) -> Values:
        return {key: interval.mid for key, interval in self.inputs.items()} | dict(values or {})


def log_widths(interval: Interval) -> tuple[float, float]:
    """How far, in logarithms, the truth may lie below and above; as far below as above where low is 0."""
    if interval.mid <= 0:
        return 0.0, 0.0
    above = math.log(interval.high / interval.mid)
    return (math.log(interval.mid / interval.low) if interval.low > 0 else above), above
