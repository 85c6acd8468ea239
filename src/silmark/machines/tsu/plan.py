"""The static schedule of a run: what is written, swept and read in which cycle. Nothing in it depends on data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from silmark.machines.base import Facts
from silmark.machines.run import Event
from silmark.machines.tsu.spec import Spec

COLOURS = 2
MOST_EVENTS = 20_000


@dataclass(frozen=True, slots=True)
class Plan:
    """The static schedule of a run.

    Attributes:
        copies: graphs side by side.
        rounds: how often they are read.
        warmup, sweeps: before the first round, and in every round (of all steps of a chain, one after the other).
        steps: models of a chain.
        writing, reading: cycles of writing all couplings, and of one readout.
        clock_hz: colours per second.
    """

    copies: int
    rounds: int
    warmup: int
    sweeps: int
    steps: int
    writing: int
    reading: int
    clock_hz: float

    @property
    def sweeping(self) -> int:
        """Cycles in which cells draw."""
        return COLOURS * (self.warmup + self.rounds * self.sweeps)

    @property
    def cycles(self) -> int:
        """Of the whole run."""
        return self.writing + self.sweeping + self.rounds * self.reading

    def utilisation(self, drawn: int, cells: int) -> dict[str, float]:
        """Busy shares; `cells` counts draws over all that the chip's cells could have made."""
        return {
            "colour 0": self.sweeping / COLOURS / self.cycles,
            "colour 1": self.sweeping / COLOURS / self.cycles,
            "readout": self.rounds * self.reading / self.cycles,
            "writing": self.writing / self.cycles,
            "cells": drawn / (cells * self.cycles / COLOURS),
        }

    def events(self) -> tuple[Event, ...]:
        """Every sweep of the first rounds, then rounds as a whole."""
        found = [Event("writing", "write couplings and biases", 0, self.writing)] if self.writing else []
        now = self.writing
        for index in range(self.rounds):
            count = self.sweeps + (self.warmup if index == 0 else 0)
            if len(found) + COLOURS * count <= MOST_EVENTS:
                found += self._draws(index, now, count)
            elif len(found) < MOST_EVENTS:
                name = f"draw round {index}: {count} sweeps of both colours"
                found.append(Event("colour 0", name, now, COLOURS * count))
            now += COLOURS * count
            if self.reading and len(found) < MOST_EVENTS:
                found.append(Event("readout", f"read round {index}", now, self.reading))
            now += self.reading
        return tuple(found)

    def _draws(self, index: int, start: int, count: int) -> Iterator[Event]:
        """Each colour of each sweep of a round; the last model of a chain begins."""
        each = self.sweeps // self.steps
        for sweep in range(count):
            step = f"step-{self.steps - 1 - sweep // each}" if self.steps > 1 else "draw"
            for colour in range(COLOURS):
                yield Event(f"colour {colour}", f"{step} round {index}", start + COLOURS * sweep + colour, 1)


def plan(spec: Spec, cells: int, facts: Facts, *, written: bool) -> Plan:
    """Lays a program out.

    Args:
        spec: what is sampled.
        cells: of one model; a chain of models has so many for each, all of them resident.
        facts: of the chip.
        written: whether couplings are written first: all cells at once, one period of the write rate.
    """
    colour_s = facts.of_chip("compute.colour_time").value
    copies = min(int(facts.of_chip("compute.cells").value) // (cells * spec.steps), spec.samples)
    return Plan(
        copies=copies,
        rounds=-(-spec.samples // copies),
        warmup=spec.warmup,
        sweeps=spec.sweeps * spec.steps,
        steps=spec.steps,
        writing=_whole(1 / facts.of_chip("compute.write_rate").value / colour_s) if written else 0,
        reading=_whole(facts.of_chip("compute.readout").value / colour_s),
        clock_hz=1 / colour_s,
    )


def _whole(cycles: float) -> int:
    """Cycles that something lasts, rounded up; 2500.0000000000005 are 2500."""
    return math.ceil(round(cycles, 6))
