"""Joules and carbon: where the watts go, what a token takes at the meter, and what that emits.

    facility joules  = joules of the machines x PUE
    carbon in use    = facility joules x carbon intensity of the grid
    carbon embodied  = kg per chip / (years x utilisation) / throughput

Joules of the machines are those of an estimate: chips and hosts, as their files say.
"""

from __future__ import annotations

from dataclasses import dataclass

from silmark.economics.bill import RATE, as_interval
from silmark.economics.capital import LIFE
from silmark.economics.ledger import Ledger, Line
from silmark.economics.running import POWER
from silmark.economics.terms import Terms
from silmark.economics.tokens import prefill_share
from silmark.estimation import Estimate
from silmark.estimation.power import host_w


@dataclass(frozen=True, slots=True)
class Watts:
    """Power of a whole system at work, by cause; W."""

    idle: float
    prefill: float
    decode: float
    hosts: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.idle + self.prefill + self.decode + self.hosts

    def as_dict(self) -> dict[str, float]:
        """The parts by name."""
        return {"idle": self.idle, "prefill": self.prefill, "decode": self.decode, "hosts": self.hosts}


def watts(answer: Estimate) -> Watts:
    """Idle chips, work on top by phase, and hosts; a single pass over items counts as prefill."""
    model, replicas = answer.step_model, answer.step_model.plan.dp
    idle, hosts = model.idle_w * replicas, host_w(model) * replicas
    work = max(0.0, answer.power_w.mid - idle - hosts)
    decode = 0.0
    if answer.tpot_s is not None:
        groups = min(model.depth, answer.batch / replicas)
        decode = min(work, float(answer.phases["decode"].energy_j) * groups / answer.tpot_s.mid * replicas)
    return Watts(idle, work - decode, decode, hosts)


def input_share(answer: Estimate) -> float | None:
    """Share of the joules that prompts take: work by phase, idle chips and hosts by time."""
    share, parts = prefill_share(answer), watts(answer)
    if share is None:
        return None
    return (parts.prefill + share * (parts.idle + parts.hosts)) / parts.total


def facility(answer: Estimate, terms: Terms) -> Ledger:
    """Joules per token (or item) at the facility's meter."""
    line = Line("facility", 1.0, {POWER: 1, "electricity.pue": 1})
    inputs = {POWER: answer.power_w, "electricity.pue": as_interval(terms["electricity.pue"])}
    return Ledger((line,), inputs).over(RATE, answer.rate)


def carbon(answer: Estimate, terms: Terms) -> Ledger:
    """Kilograms of CO2 equivalent per million tokens (or items)."""
    lines = (
        Line("in use", 1.0, {POWER: 1, "electricity.pue": 1, "carbon.intensity": 1}),
        Line("embodied", answer.chips, {"carbon.embodied": 1, **LIFE}),
    )
    keys = ("electricity.pue", "carbon.intensity", "carbon.embodied", *LIFE)
    inputs = {POWER: answer.power_w, **{key: as_interval(terms[key]) for key in keys}}
    return Ledger(lines, inputs).over(RATE, answer.rate, 1e6)
