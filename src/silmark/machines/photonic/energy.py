"""Joules from devices upward: what happened times the figure of each, and what is on all the time."""

from __future__ import annotations

from collections.abc import Mapping

from silmark.figures import Interval
from silmark.machines.base import Facts
from silmark.machines.photonic.geometry import Geometry
from silmark.machines.run import joules, total

_EACH = {
    "input DACs": ("encoded", "energy.dac"),
    "modulators": ("encoded", "energy.modulator"),
    "ADCs": ("read out", "energy.adc"),
    "scales and sums": ("read out", "energy.scale"),
    "weight cells": ("written", "energy.write"),
    "digital unit": ("digital", "energy.digital"),
}
LASER_LOSS = "laser loss, off the package"


def energy(
    facts: Facts, geometry: Geometry, counts: Mapping[str, float], seconds: float, *, meshed: bool
) -> dict[str, Interval]:
    """Joules by part.

    Args:
        facts: of machine and chip.
        geometry: whose amplifiers are on.
        counts: events that a run counted.
        seconds: of the run.
        meshed: of Mars.
    """
    found = {part: joules(counts.get(event, 0.0), facts.own(key)) for part, (event, key) in _EACH.items()}
    found["SRAM"] = joules(8 * counts.get("sram", 0.0), facts.own("energy.sram"))
    found["host link"] = joules(8 * counts.get("host", 0.0), facts.own("energy.host"))
    light = facts.own("mesh.light" if meshed else "laser.light")
    found["light"] = joules(seconds, light)
    found["amplifiers"] = joules(seconds * geometry.columns * geometry.cores, facts.own("energy.amplifier"))
    found["idle"] = _idle(facts, seconds, total((found["light"], found["amplifiers"])), meshed=meshed)
    plug = facts.own("laser.wall_plug")
    found[LASER_LOSS] = Interval(
        *(seconds * light.value * (1 / share - 1) for share in (plug.high, plug.value, plug.low))
    )
    return {part: spent for part, spent in found.items() if spent.mid > 0}


def _idle(facts: Facts, seconds: float, named: Interval, *, meshed: bool) -> Interval:
    """What the package draws without work, less what of it has a part of its own."""
    share = facts.of_chip("power.idle_share")
    power = facts.own("mesh.power") if meshed else facts.of_chip("power.tdp")
    drawn = [seconds * power.value * part for part in (share.low, share.value, share.high)]
    return Interval(*(max(0.0, part - named.mid) for part in drawn))
