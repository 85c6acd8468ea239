"""Run: one pass of a trace through replicas of one kind, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from silmark.figures import Figure, Interval
from silmark.serving.account import Account, Drawn, account
from silmark.serving.draws import USUAL, Typical, scaled, truths
from silmark.serving.fleets import Members, fleet
from silmark.serving.histogram import Histogram
from silmark.serving.metrics import Tally, Times, Values, bounds, occupancy
from silmark.serving.naming import as_named
from silmark.serving.records import DONE, LOST
from silmark.serving.slo import Slo
from silmark.serving.spread import Spread
from silmark.workloads.requests import Trace

if TYPE_CHECKING:  # the core imports numba, half a second
    from silmark.serving.simulate import Fleet, Progress, Simulation

_ACCOUNTED = ("power_w", "joules_per_request", "joules_per_output_token", "usd_per_request")
SHORT = 20_000
"""Requests of a trace that is run again for error bars without being asked: it takes about as long as the start."""
_PRICED = "usd_per_million_output_tokens"


@dataclass(frozen=True, repr=False)
class Run:
    """What came of a trace.

    Attributes:
        simulation: steps and samples, and the requests if they were kept.
        spreads: distributions of times by metric.
        values: metrics by dotted name, in SI; None where there is nothing to count.
        bounds: intervals of those metrics that have one.
        figures: behind power and dollars, by key.
        basis: how the machines are paid: own, rent, ...; empty where nothing was answered.
        draws: passes behind the intervals of what users see; 0: it has none.
    """

    simulation: Simulation
    spreads: Mapping[str, Spread]
    values: Values
    bounds: Mapping[str, Interval]
    figures: Mapping[str, Figure] = field(default_factory=dict)
    basis: str = ""
    draws: int = 0

    def interval(self, name: str) -> Interval | None:
        """A metric with its error bar; without a width where none is known, None where there is no number."""
        value = self.values.get(name)
        if value is None:
            return None
        return self.bounds.get(name) or Interval(value, value, value)

    def as_named(self, tool: str, chips: int = 1) -> Values:
        """The metrics under the names of vllm, guidellm, aiperf, mlperf or inferencex."""
        return as_named(tool, self.values, chips)


@dataclass(frozen=True, slots=True)
class Sending:
    """How a trace is sent.

    Attributes:
        seed: of all chances.
        limit: most requests in flight; 0 for any number.
        timeline: keep every step.
        keep: keep the requests that left; without, memory does not grow with the trace.
        left: told of the requests that left, piece by piece.
        draws: further passes for error bars, each on step times that may be the truth; None for `draws.USUAL` of a
            trace of at most `SHORT` requests.
    """

    seed: int = 0
    limit: int = 0
    timeline: bool = False
    keep: bool = True
    left: Callable[[NDArray[np.void]], None] | None = None
    draws: int | None = None


def run(found: Members, trace: Trace, promised: Slo, sending: Sending, progress: Progress | None = None) -> Run:
    """Sends a trace to a fleet.

    Args:
        found: its replicas.
        trace: the requests.
        promised: what goodput asks of each.
        sending: how they are sent.
        progress: told about all passes together.
    """
    base = fleet(found.pools, found.led, sending.seed)
    # What became of requests during a fault is told from the requests themselves.
    first_pass = replace(sending, keep=sending.keep or bool(found.led.faults))
    done, tally = _pass(base, trace, promised, first_pass, progress)
    first = summed(found, done, promised, tally)
    usual = USUAL if tally.size <= SHORT else 0
    count = usual if sending.draws is None else sending.draws
    drawn, again = [], replace(sending, timeline=False, keep=False, left=None)
    main = found.pools[-1].replica.step_model
    for number, truth in enumerate(truths(main, _typical(first), count, sending.seed) if count else (), start=1):
        told = None if progress is None else _behind(progress, number * tally.size)
        other = _pass(replace(base, clock=scaled(base.clock, truth)), trace, promised, again, told)
        drawn.append(_metrics(*other))
    return replace(first, bounds={**bounds(drawn, first.values), **first.bounds}, draws=count)


def _pass(
    fleet_: Fleet, trace: Trace, promised: Slo, sending: Sending, progress: Progress | None
) -> tuple[Simulation, Tally]:
    """One simulation, its requests counted as they leave."""
    from silmark.serving.simulate import simulate  # noqa: PLC0415 - numba takes half a second to import

    tally = Tally(promised)

    def left(answered: NDArray[np.void]) -> bool:
        tally.add(answered)
        if sending.left is not None:
            sending.left(answered)
        return not sending.keep

    done = simulate(
        fleet_,
        trace,
        seed=sending.seed,
        limit=sending.limit,
        timeline=sending.timeline,
        progress=progress,
        left=left,
    )
    return done, tally


def _behind(progress: Progress, before: int) -> Progress:
    """Progress of a pass that follows others."""
    return lambda answered, time_ns: progress(before + answered, time_ns)


def _typical(first: Run) -> Typical:
    """Mean sequences of a step, and mean lengths."""
    done, values = first.simulation, first.values
    requests = max(1.0, values["requests.completed"] or 0.0)
    prompt, output = ((values[name] or 0.0) / requests for name in ("tokens.input", "tokens.output"))
    return Typical(max(1.0, done.tokens_out / max(1, int(done.steps_run.sum()))), prompt, output)


def _metrics(done: Simulation, tally: Tally) -> Values:
    """What users saw in a simulation, and how full its caches were."""
    from silmark.serving.kernel.gaps import edges_ns  # noqa: PLC0415 - numba takes half a second to import

    return tally.values(Histogram(done.gaps, edges_ns()), done.duration_ns * 1e-9) | occupancy(done)


def summed(found: Members, done: Simulation, promised: Slo, tally: Tally | None = None) -> Run:
    """Metrics, joules and dollars of a simulation.

    Args:
        found: its replicas.
        done: what happened.
        promised: what goodput asks of each request.
        tally: its requests, counted; None where they were kept.
    """
    if tally is None:
        tally = Tally(promised)
        tally.add(done.answered)
    seconds, values = done.duration_ns * 1e-9, _metrics(done, tally)
    if not seconds:
        return Run(done, tally.spreads, values | dict.fromkeys((*_ACCOUNTED, _PRICED)), {})
    of = np.array(done.fleet.replicas)
    drawn = [
        Drawn(
            pool.replica.step_model,
            float(done.joules[of == number].sum()),
            float(done.paid_ns[of == number].sum()) * 1e-9,
            beyond=len(found.pools) > 1,
        )
        for number, pool in enumerate(found.pools)
    ]
    requests, tokens = (int(values[name] or 0) for name in ("requests.completed", "tokens.output"))
    spent = account(drawn, seconds, requests, tokens)
    accounted = _intervals(spent)
    values |= {name: None if interval is None else interval.mid for name, interval in accounted.items()}
    known = {name: interval for name, interval in accounted.items() if interval is not None}
    return Run(done, tally.spreads, values, known, spent.figures, spent.basis)


def _intervals(spent: Account) -> dict[str, Interval | None]:
    each = (spent.power_w, spent.joules_per_request, spent.joules_per_token, spent.usd_per_request)
    return dict(zip(_ACCOUNTED, each, strict=True)) | {_PRICED: spent.usd_per_million}


def fleet_notes(found: Members, run: Run, promised: Slo) -> Iterator[str]:
    """What became of the requests that a fault, a transfer or an autoscaler touched."""
    done, faults = run.simulation, found.led.faults
    answered = done.answered
    if faults:
        again, lost = int((answered["retries"] > 0).sum()), int((answered["status"] == LOST).sum())
        yield f"after faults {again:,} requests were sent again and {lost:,} were lost"
    if faults and promised.limits:
        during = np.zeros(answered.size, dtype=bool)
        for fault in faults:
            during |= (answered["arrival_ns"] < fault.end_s * 1e9) & (answered["last_ns"] >= fault.start_s * 1e9)
        during |= answered["status"] == LOST
        kept = answered["status"] == DONE
        kept[kept] = Times.of(answered[kept]).good(promised)
        shares = [
            f"{kept[part].mean():.1%} of {part.sum():,}" if part.any() else "none of 0" for part in (during, ~during)
        ]
        yield f"promises were kept for {shares[0]} requests open during a fault, and for {shares[1]} others"
    if done.transfers:
        each, wait = (ns / done.transfers * 1e-6 for ns in (done.transfer_ns, done.transfer_wait_ns))
        moved = f"{done.transfers:,} KV caches crossed the network"
        yield f"{moved}, {each:.3g} ms each after {wait:.3g} ms for a free port"
    if found.led.offload is not None:
        yield f"{done.restored:,} tokens of KV were brought back from {found.led.offload.tier}"
    if found.led.autoscale is not None and done.duration_ns:
        mean = float(done.paid_ns.sum()) / done.duration_ns
        yield f"{mean:.2f} replicas were paid for in the mean, of at most {len(done.fleet.replicas)}"
