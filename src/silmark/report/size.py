"""The fleet of every chip for a demand, as values, JSON of silmark.size/1 and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.figures import Figure
from silmark.mapping import Plan
from silmark.report.numbers import si, three
from silmark.report.search import plan_document
from silmark.search.size import Demand, Fleet, Sized, in_full

SCHEMA = "silmark.size/1"
_SAME = 0.999
"""Fleets of as many chips are one where the cheaper saves less than a thousandth."""


@dataclass(frozen=True, repr=False)
class Fleets:
    """A demand and every chip's fleet for it.

    Attributes:
        question: what was asked, after defaults.
        demand: requests per second, and head-room.
        headroom: the assumption, None where the question set it.
        rows: one per chip, the cheapest fleet first, chips without a price by size, then those without a fleet.
        notes: what a reader must know.
    """

    question: Mapping[str, Any]
    demand: Demand
    headroom: Figure | None
    rows: tuple[Sized, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<{heading(self)}; {sum(row.smallest is not None for row in self.rows)} of {len(self.rows)} chips>"

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.size/1."""
        return {
            "schema": SCHEMA,
            "question": dict(self.question),
            "notes": list(self.notes),
            "headroom": None if self.headroom is None else self.headroom.as_dict(),
            "rows": [self._row(row) for row in self.rows],
        }

    def _row(self, row: Sized) -> dict[str, Any]:
        return {
            "chip": row.chip.id,
            "chip_status": row.chip.status,
            "status": status(row),
            "reason": row.reason,
            "tried": row.tally.tried,
            "rejected": row.tally.rejected,
            "smallest": None if row.smallest is None else fleet_document(row.smallest, self),
            "cheapest": None if row.cheapest is None else fleet_document(row.cheapest, self),
        }

    def columns(self) -> dict[str, NDArray[Any]]:
        """The smallest and the cheapest fleets, a row each: what `--parquet` writes."""
        pairs = [
            (row.chip.id, kind, fleet_document(fleet, self))
            for row in self.rows
            for kind, fleet in (("smallest", row.smallest), ("cheapest", row.cheapest))
            if fleet is not None
        ]
        keys = ("system", "units", "chips", "workers", "batch", "capacity_per_s", "power_w", "usd_per_h")
        table = {"chip": [chip for chip, _, _ in pairs], "fleet": [kind for _, kind, _ in pairs]}
        table |= {key: [document[key] for _, _, document in pairs] for key in keys}
        table["plan"] = [document["plan"]["text"] for _, _, document in pairs]
        return {key: np.array([np.nan if v is None else v for v in values]) for key, values in table.items()}


def status(row: Sized) -> str:
    """Ok, infeasible or cannot-run."""
    if row.smallest is not None:
        return "ok"
    return "cannot-run" if row.cannot else "infeasible"


def needed(fleet: Fleet, demand: Demand) -> tuple[int, int]:
    """Fewest and most workers that the error bar of one worker's rate allows."""
    rate = in_full(fleet).tokens_per_s
    each = fleet.capacity / fleet.workers
    ways = (demand.capacity / (each * rate.high / rate.mid), demand.capacity / (each * rate.low / rate.mid))
    return math.ceil(ways[0]), math.ceil(ways[1])


def fleet_document(fleet: Fleet, asked: Fleets) -> dict[str, Any]:
    """One fleet as in the JSON schema."""
    found, target = in_full(fleet), fleet.curve.step_model.target
    least, most = needed(fleet, asked.demand)
    usd = None if math.isnan(fleet.usd_per_h) else fleet.usd_per_h
    tokens = asked.demand.requests * fleet.curve.steady.workload.output * 3600.0 / 1e6
    return {
        "system": target.system.id,
        "units": fleet.units,
        "chips": fleet.chips,
        "workers": fleet.workers,
        "workers_low": least,
        "workers_high": most,
        "plan": plan_document(fleet.curve.plan),
        "batch": fleet.load,
        "capacity_per_s": fleet.capacity,
        "headroom": fleet.capacity / asked.demand.requests - 1.0,
        "ttft_s": found.ttft_s.as_dict(),
        "tpot_s": found.tpot_s.as_dict(),
        "power_w": fleet.watts,
        "usd_per_h": usd,
        "usd_per_mtok": None if usd is None else usd / tokens,
        "grade": str(found.grade),
    }


def heading(asked: Fleets) -> str:
    """The question in one line."""
    said, demand = asked.question, asked.demand
    limits = (("TTFT", said["ttft_s"]), ("TPOT", said["tpot_s"]))
    promises = ", ".join(f"{name} {si(seconds, 's')}" for name, seconds in limits if seconds is not None)
    sizes = f"{three(demand.requests)} requests/s of {said['prompt']} tokens in, {said['output']} out"
    room = f"{100 * demand.headroom:.0f} % head-room"
    return f"{said['model']}: {sizes}; {promises or 'no promise'}; {room}"


COLUMNS = (
    "chips",
    "as bought",
    "workers",
    "plan",
    "batch",
    "TTFT",
    "TPOT",
    "kW",
    "$/h",
    "$/Mtok",
    "head-room",
    "grade",
)


def table(asked: Fleets) -> list[list[str]]:
    """Rows: chip, which fleet, its numbers; one row where the smallest is the cheapest; else the reason."""
    rows = []
    for row in asked.rows:
        small, cheap = row.smallest, row.cheapest
        if small is None:
            rows.append([row.chip.id, status(row), *["-"] * len(COLUMNS), row.reason])
            continue
        same = cheap is None or (cheap.chips == small.chips and cheap.usd_per_h > _SAME * small.usd_per_h)
        rows.append([row.chip.id, "smallest, cheapest" if same and cheap else "smallest", *_cells(small, asked), ""])
        if not same and cheap is not None:
            rows.append([row.chip.id, "cheapest", *_cells(cheap, asked), ""])
    return rows


def _cells(fleet: Fleet, asked: Fleets) -> list[str]:
    document = fleet_document(fleet, asked)
    usd, each = document["usd_per_h"], document["usd_per_mtok"]
    target = fleet.curve.step_model.target
    workers = f"{fleet.workers:,} ({document['workers_low']:,} to {document['workers_high']:,})"
    return [
        f"{fleet.chips:,}",
        f"{fleet.units:,} x {target.system.id}",
        workers,
        _one(fleet.curve.plan),
        f"{fleet.load:.3g}",
        si(document["ttft_s"]["mid"], "s"),
        si(document["tpot_s"]["mid"], "s"),
        three(fleet.watts / 1e3),
        three(usd) if usd is not None else "-",
        three(each) if each is not None else "-",
        f"{100 * document['headroom']:.0f} %",
        document["grade"],
    ]


def _one(plan: Plan) -> str:
    return str(replace(plan, dp=1))
