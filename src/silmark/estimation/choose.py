"""Plan choice inside the chip's own system: the smallest that fits and keeps the promises."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from silmark.chips import Chip
from silmark.chips.mechanisms import AbstractMechanism, Placement
from silmark.estimation.mixture import Mixture
from silmark.estimation.request import prepare
from silmark.estimation.result import Estimate
from silmark.estimation.single_pass import Pass
from silmark.figures import assumptions
from silmark.formats import Precision
from silmark.mapping import Infeasible, probe, refusal
from silmark.mapping.candidates import Layout, layouts, least_chips, placements
from silmark.models import Model
from silmark.step import Maturity, compile_step
from silmark.systems import System, Target
from silmark.workloads import Workload

_ROUNDS = 4
"""Sizes of system tried beyond the first that fits before a promise counts as out of reach."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One chip's question: everything that plans are judged by."""

    model: Model
    chip: Chip
    system: System
    workload: Workload
    precision: Precision
    maturity: Maturity

    @property
    def most(self) -> int:
        """Chips that the usual network joins and the power limit allows."""
        most = self.system.chips * self.system.units_max
        limit = self.workload.power_w
        return most if limit is None else min(most, int(limit / self.chip_w))

    @property
    def chip_w(self) -> float:
        """Power limit of one chip with its share of the unit's host."""
        tdp = self.chip.si("power.tdp")
        host = self.system.figures.get("power.host")
        if host is None:
            return tdp * (1 + assumptions("economics")["host.power_per_chip_share"].value)
        return tdp + host.value / self.system.chips


def choose(asked: Asked) -> Estimate | Infeasible:
    """The plan of highest throughput per chip in the smallest system that keeps the workload's promises.

    Systems grow from one unit (node, rack, appliance) upwards; a fixed number of users, or a system sold in
    slices, is tried chip by chip instead, since replicas would stand idle or belong to somebody else.
    Where nothing keeps the promises the nearest miss is returned with its `misses`; where nothing fits, the
    reason.
    """
    reason = refusal(asked.chip, probe(asked.model), asked.precision)
    if reason is not None:
        return Infeasible(reason, cannot=True)
    if asked.most < 1:
        limit = asked.workload.power_w
        return Infeasible(
            f"one chip takes {asked.chip_w:,.0f} W with its part of the host, the limit is {limit:,.0f} W"
        )
    places = placements(asked.chip, asked.model.kind)
    needed = {place: least_chips(asked.model, asked.chip, asked.precision, place) for place in places}
    refused = Infeasible(_too_many(asked, min(needed.values())))
    missed: list[Mixture | Pass] = []
    built: dict[Placement, AbstractMechanism] = {}
    for round_ in layouts(asked.system, needed, asked.most, asked.workload.users is not None, _ROUNDS):
        kept: list[Mixture | Pass] = []
        for answer in _evaluate(asked, round_, built):
            if isinstance(answer, Infeasible):
                refused = answer
            else:
                (kept if answer.keeps else missed).append(answer)
        if kept:
            return max(kept, key=lambda found: found.rate_per_chip).estimate()
    return min(missed, key=lambda found: found.distance).estimate() if missed else refused


def _evaluate(
    asked: Asked, round_: list[Layout], built: dict[Placement, AbstractMechanism]
) -> Iterator[Mixture | Pass | Infeasible]:
    for layout in round_:
        target = Target(asked.chip, asked.system, layout.chips * layout.replicas)
        plan = layout.plan(asked.model, target, asked.precision)
        step_model = compile_step(asked.model, target, plan, asked.maturity, built)
        yield step_model if isinstance(step_model, Infeasible) else prepare(step_model, asked.workload)


def _too_many(asked: Asked, needed: int) -> str:
    whole = asked.system.chips * asked.system.units_max
    why = f"{asked.system.id} joins {whole:,}" if asked.most == whole else f"the power limit allows {asked.most:,}"
    return f"{needed:,} chips would be needed to hold the weights, {why}"
