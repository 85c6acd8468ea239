"""What systems bear under promises, as values, JSON of silmark.capacity/1 and a table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from silmark.figures import Figure, Interval
from silmark.figures.figure import quadrature
from silmark.figures.numbers import shown, three
from silmark.report.table import grid
from silmark.serving.capacity import Capacity
from silmark.serving.replica import Replica
from silmark.serving.run import Run
from silmark.serving.slo import Slo
from silmark.systems import Target

SCHEMA = "silmark.capacity/1"
_AT_RATE = (
    "output_tokens_per_s", "ttft_s.p50", "ttft_s.p99", "tpot_s.p50", "tpot_s.p99", "e2el_s.p99", "kv_usage.mean",
    "kv_usage.max", "preemptions", "power_w", "joules_per_request", "joules_per_output_token",
)  # fmt: skip
"""Metrics of the run at the highest rate that the document has."""
_FAR = 10.0
_NOTHING = math.log(1e6)
"""Width in logarithms, of a bound that is nothing."""


@dataclass(frozen=True, repr=False)
class Borne:
    """One system's answer.

    Attributes:
        target: the system.
        chips: of the whole system.
        status, reason: ok, or why it is not simulated.
        replica: the engine on one replica's chips.
        capacity: what was found.
        run: metrics at that rate.
    """

    target: Target
    chips: int
    status: str
    reason: str
    replica: Replica | None = None
    capacity: Capacity | None = None
    run: Run | None = None

    @property
    def rate(self) -> Interval | None:
        """Requests per second that keep the promises."""
        return None if self.capacity is None else self.capacity.rate

    @property
    def per_chip(self) -> Interval | None:
        """The same for one chip."""
        return None if self.rate is None else self.rate.scaled(1.0 / self.chips)

    @property
    def decides(self) -> str:
        """What ends it: a promise, or what the system answers at most."""
        if self.capacity is None:
            return ""
        return ", ".join(map(str, self.capacity.decides)) or "throughput"

    @property
    def per_dollar(self) -> Interval | None:
        """Requests that keep the promises, per dollar; None without a price or without any such requests."""
        if self.run is None or self.rate is None or not self.rate.mid:
            return None
        cost = self.run.bounds.get("usd_per_request")
        if cost is None:
            return None
        # Dollars flow at a rate that hardly depends on the load: what is borne less costs as much.
        below = quadrature([_log(self.rate.mid, self.rate.low), math.log(cost.high / cost.mid)])
        above = quadrature([_log(self.rate.high, self.rate.mid), math.log(cost.mid / cost.low)])
        return Interval.around(1.0 / cost.mid, below, above)

    @property
    def figures(self) -> dict[str, Figure]:
        """Every input figure by key."""
        if self.replica is None or self.run is None:
            return {}
        return self.replica.figures | dict(self.run.figures)

    def as_dict(self, explain: bool) -> dict[str, Any]:
        """The row as in the JSON schema."""
        run, price = self.run, self.per_dollar
        known = {} if run is None else {name: run.interval(name) for name in _AT_RATE}
        return {
            "on": self.target.name,
            "status": self.status,
            "reason": self.reason,
            "chips": self.chips,
            "engine": None if self.replica is None else self.replica.as_dict(),
            "requests_per_s": _bounds(self.rate),
            "requests_per_s_per_chip": _bounds(self.per_chip),
            "requests_per_usd": _bounds(price),
            "price_basis": (run.basis or None) if run is not None else None,
            "decided_by": [str(limit) for limit in self.capacity.decides] if self.capacity is not None else [],
            "simulations": 0 if self.capacity is None else self.capacity.runs,
            "at_this_rate": {name: None if found is None else found.mid for name, found in known.items()},
            "sources": sorted({figure.source for figure in self.figures.values()}),
            "figures": [f.as_dict(key) for key, f in sorted(self.figures.items())] if explain else None,
        }


@dataclass(frozen=True, repr=False)
class Capacities:
    """A model, a trace, promises, and every system's answer.

    Attributes:
        question: what was asked, after defaults.
        slo: the promises.
        rows: one per system, in the order asked.
        notes: what a reader must know.
    """

    question: Mapping[str, Any]
    slo: Slo
    rows: tuple[Borne, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<{heading(self)}; {len(self.rows)} systems>"

    def as_dict(self, explain: bool = False) -> dict[str, Any]:
        """The document of silmark.capacity/1."""
        return {
            "schema": SCHEMA,
            "question": dict(self.question),
            "notes": list(self.notes),
            "rows": [row.as_dict(explain) for row in self.rows],
        }


def heading(answer: Capacities) -> str:
    """The question in one line."""
    asked = answer.question
    return f"{asked['model']}, {asked['trace']}, {asked['requests']:,} requests: {asked['slo']}"


def table(answer: Capacities) -> Table:
    """One row per system, those that bear most first, those without an answer last."""
    rows = sorted(answer.rows, key=lambda row: -row.rate.mid if row.rate is not None else math.inf)
    headers = ["system", "plan", "chips", "req/s", "req/s/chip", "req/$", "paid as", "tok/s", "J/token", "KV peak"]
    return grid([*headers, "decided by", ""], [_cells(row) for row in rows], numeric=(2, 3, 4, 5, 7, 8, 9))


def _cells(row: Borne) -> list[str]:
    if row.replica is None or row.run is None:
        return [row.target.name, "-", f"{row.chips:,}", *["-"] * 8, row.reason]
    values, none = row.run.values, not (row.rate and row.rate.mid)
    tokens, usage, joules = (
        None if none else values.get(name)
        for name in ("output_tokens_per_s", "kv_usage.max", "joules_per_output_token")
    )
    return [
        row.target.name,
        str(row.replica.step_model.plan),
        f"{row.chips:,}",
        _rate(row.rate),
        _rate(row.per_chip),
        _rate(row.per_dollar),
        row.run.basis or "-",
        "-" if tokens is None else three(tokens),
        "-" if joules is None else three(joules),
        "-" if usage is None else f"{100 * usage:.0f} %",
        row.decides,
        "" if not none else _alone(row),
    ]


def _alone(row: Borne) -> str:
    """Why a system bears nothing."""
    if row.capacity is None or row.run is None:
        return ""
    values = row.run.values
    said = ", ".join(f"{limit.metric} {three(values.get(limit.key) or 0.0)} s" for limit in row.capacity.decides)
    return f"missed by requests that come alone: {said}"


def _rate(interval: Interval | None) -> str:
    """A number with its error bar; as a range where it reaches down to little or nothing."""
    if interval is None:
        return "-"
    if interval.low == interval.high:
        return three(interval.mid)
    if interval.low < interval.mid / _FAR:
        return f"{three(interval.mid)} ({three(interval.low)} to {three(interval.high)})"
    return shown(interval)


def _bounds(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.as_dict()


def _log(high: float, low: float) -> float:
    """Width in logarithms."""
    return math.log(high / low) if low > 0 else _NOTHING


def notes(answer: Capacities) -> Iterator[str]:
    """Lines below the table."""
    draws = answer.question["draws"]
    yield f"80 % intervals from {draws} draws of the step times" if draws else "without error bars"
    yield from answer.notes
