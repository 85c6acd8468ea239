"""The fleet of every chip for a demand, as values, JSON of silmark.size/1 and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.figures import Figure
from silmark.figures.numbers import si, three
from silmark.planning.found import served
from silmark.planning.size import Demand, Fleet, Sized, in_full
from silmark.report.search import plan_document

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
            "smallest": None if row.smallest is None else fleet_document(row.smallest),
            "cheapest": None if row.cheapest is None else fleet_document(row.cheapest),
        }

    def columns(self) -> dict[str, NDArray[Any]]:
        """The smallest and the cheapest fleets, a row each: what `--parquet` writes."""
        pairs = [
            (row.chip.id, kind, fleet_document(fleet))
            for row in self.rows
            for kind, fleet in (("smallest", row.smallest), ("cheapest", row.cheapest))
            if fleet is not None
        ]
        keys = ("system", "mode", "units", "chips", "batch", "capacity_per_s", "power_w", "usd_per_h")
        table = {"chip": [chip for chip, _, _ in pairs], "fleet": [kind for _, kind, _ in pairs]}
        table |= {key: [document[key] for _, _, document in pairs] for key in keys}
        table["plans"] = [
            " > ".join(f"{pool['workers']} x [{pool['plan']['text']}]" for pool in document["pools"])
            for _, _, document in pairs
        ]
        return {key: np.array([np.nan if v is None else v for v in values]) for key, values in table.items()}


def status(row: Sized) -> str:
    """Ok, infeasible or cannot-run."""
    if row.smallest is not None:
        return "ok"
    return "cannot-run" if row.cannot else "infeasible"


def fleet_document(fleet: Fleet) -> dict[str, Any]:
    """One fleet as in the JSON schema."""
    found, demand = in_full(fleet), fleet.demand
    rate = found.tokens_per_s
    usd = None if math.isnan(fleet.usd_per_h) else fleet.usd_per_h
    tokens = demand.requests * fleet.curves[-1].steady.workload.output * 3600.0 / 1e6
    return {
        "system": fleet.system.id,
        "mode": found.mode,
        "units": fleet.units,
        "chips": fleet.chips,
        "chips_low": fleet.bought(rate.high / rate.mid)[1],
        "chips_high": fleet.bought(rate.low / rate.mid)[1],
        "pools": [
            {"role": pool.role, "workers": workers, "plan": plan_document(pool.plan)}
            for pool, workers in zip(found.pools, fleet.workers, strict=True)
        ],
        "batch": fleet.load,
        "capacity_per_s": fleet.capacity,
        "headroom": fleet.capacity / demand.requests - 1.0,
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


COLUMNS = ("chips", "as bought", "workers", "batch", "TTFT", "TPOT", "kW", "$/h", "$/Mtok", "head-room", "grade")


def table(asked: Fleets) -> list[list[str]]:
    """Rows: chip, which fleet, its numbers; one row where the smallest is the cheapest; else the reason."""
    rows = []
    for row in asked.rows:
        small, cheap = row.smallest, row.cheapest
        if small is None:
            rows.append([row.chip.id, status(row), *["-"] * len(COLUMNS), row.reason])
            continue
        same = cheap is None or (cheap.chips == small.chips and cheap.usd_per_h > _SAME * small.usd_per_h)
        rows.append([row.chip.id, "smallest, cheapest" if same and cheap else "smallest", *_cells(small), ""])
        if not same and cheap is not None:
            rows.append([row.chip.id, "cheapest", *_cells(cheap), ""])
    return rows


def _cells(fleet: Fleet) -> list[str]:
    document = fleet_document(fleet)
    usd, each = document["usd_per_h"], document["usd_per_mtok"]
    pairs = zip(fleet.workers, fleet.curves, strict=True)
    return [
        f"{fleet.chips:,} ({document['chips_low']:,} to {document['chips_high']:,})",
        f"{fleet.units:,} x {fleet.system.id}",
        " > ".join(
            f"{count:,} x [{served(replace(curve.plan, dp=1), curve.steady.serving)}]" for count, curve in pairs
        ),
        f"{fleet.load:.3g}",
        si(document["ttft_s"]["mid"], "s"),
        si(document["tpot_s"]["mid"], "s"),
        three(fleet.watts / 1e3),
        three(usd) if usd is not None else "-",
        three(each) if each is not None else "-",
        f"{100 * document['headroom']:.0f} %",
        document["grade"],
    ]
