"""One point of two pools in full: the formulas of `pools` with error bars."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from silmark.chips.mechanisms import Resource
from silmark.estimation.disaggregated import transfer_s
from silmark.estimation.mixture import inside_groups, missed, per_item
from silmark.estimation.power import power, power_figures
from silmark.figures import Figure, Grade, Interval
from silmark.figures.figure import quadrature
from silmark.planning.evaluate import Curve
from silmark.planning.found import Found, Pool, priced, spent, together
from silmark.planning.pools import fullest, link_level, prompt_j, shared, waiting
from silmark.step import StepCost, StepModel, grade, log_widths
from silmark.systems import Target
from silmark.systems.spec import Level
from silmark.workloads import Step


@dataclass(frozen=True, slots=True)
class _Flow:
    """Two pools in balance: what comes through each, per second, and how long it takes."""

    senders: int
    workers: int
    batch: float
    decode: StepCost
    tpot: float
    ttft: float
    busy: float
    decoded: float
    prefilled: float

    @property
    def requests(self) -> float:
        """Requests per second that both pools serve."""
        return min(self.decoded, self.prefilled)


def _flow(prefill: Curve, decode: Curve, senders: int, workers: int, batch: float) -> _Flow:
    """The formulas of `pools` at one point."""
    other, steady = decode.step_model, decode.steady
    work, depth = steady.workload, steady.depth
    cost = decode.decode(np.array([batch])).at(0)
    tpot = float(cost.time_s) * (1.0 + (other.imbalance - 1.0) * min(1.0, batch / depth))
    level = link_level(prefill, decode)
    moving = max(transfer_s(prefill.step_model, work.prompt, level), transfer_s(decode.step_model, work.prompt, level))
    first, seconds = np.array(float(prefill.steady.first.time_s) + moving), np.array(prefill.steady.prompt_s())
    decoded = workers * batch / (max(1, work.output - 1) * tpot)
    most = min(senders * float(fullest(first, seconds, work.ttft_s)) / float(seconds), min(senders, workers) / moving)
    busy = min(decoded, most) * float(seconds) / senders
    ttft = float(first + waiting(np.array(busy), seconds))
    return _Flow(senders, workers, batch, cost, tpot, ttft, busy, decoded, most)


def disaggregated(prefill: Curve, decode: Curve, senders: int, workers: int, batch: float) -> Found:
    """Two pools of so many workers, of which each decodes so many sequences, with error bars."""
    one, other = prefill.step_model, decode.step_model
    flow = _flow(prefill, decode, senders, workers, batch)
    same = shared(prefill, decode)
    chips = one.target.count + (0 if same else other.target.count)
    drawn = _drawn(prefill, decode, flow)
    watts = together([part for _, part in drawn])
    rate = _rate(prefill, decode, flow)
    usd, basis, paid = priced([(one.target, watts)] if same else drawn, rate)
    level = link_level(prefill, decode)
    guessed = Grade.MEASURED if decode.steady.serving.speculation is None else Grade.ASSUMED
    return Found(
        pools=_pools(prefill, decode, flow),
        chips=chips,
        ttft_s=Interval.around(flow.ttft, *log_widths(one, prefill.steady.first, "ttft")),
        tpot_s=Interval.around(flow.tpot, *_decode_widths(decode, flow.decode, "tpot")).at_least(_floor(decode, flow)),
        tokens_per_s=rate,
        power_w=watts,
        joules=per_item(watts, rate),
        usd_per_mtok=usd,
        price_basis=basis,
        grade=max(guessed, grade(one, prefill.steady.joint, "ttft"), grade(other, flow.decode, "tpot")),
        misses=missed(decode.steady.workload, flow.ttft, flow.tpot),
        chip_s=spent(_parts(prefill, decode, flow, rate.mid), chips / rate.mid),
        figures=_figures(one, level) | _figures(other, level) | paid,
    )


def _figures(model: StepModel, level: Level) -> dict[str, Figure]:
    """Figures behind a pool, the links to the other one included."""
    return model.figures | power_figures(model.target) | model.target.figures(level)


def _pools(prefill: Curve, decode: Curve, flow: _Flow) -> tuple[Pool, Pool]:
    plans = replace(prefill.plan, dp=flow.senders), replace(decode.plan, dp=flow.workers)
    bounds = prefill.steady.joint.bound_by(), flow.decode.bound_by()
    targets = prefill.step_model.target, decode.step_model.target
    return (
        Pool("prefill", targets[0], plans[0], prefill.steady.serving, 1.0, flow.busy, bounds[0]),
        Pool("decode", targets[1], plans[1], decode.steady.serving, flow.batch, 1.0, bounds[1]),
    )


def _drawn(prefill: Curve, decode: Curve, flow: _Flow) -> list[tuple[Target, Interval]]:
    """Watts of each pool."""
    one, other = prefill.step_model, decode.step_model
    dynamic = float(flow.decode.energy_j) * min(decode.steady.depth, flow.batch) / flow.tpot
    sending = power(one, flow.requests * prompt_j(prefill) / flow.senders).scaled(flow.senders)
    decoding = power(other, dynamic * (flow.requests / flow.decoded)).scaled(flow.workers)
    return [(one.target, sending), (other.target, decoding)]


def _rate(prefill: Curve, decode: Curve, flow: _Flow) -> Interval:
    """Tokens per second: what the slower pool does, at both ends of the error bars too."""
    decoded = Interval.around(flow.decoded, *reversed(_decode_widths(decode, flow.decode, "throughput")))
    widths = log_widths(prefill.step_model, prefill.steady.joint, "throughput")
    prefilled = Interval.around(flow.prefilled, *reversed(widths))
    pairs = zip((decoded.low, decoded.mid, decoded.high), (prefilled.low, prefilled.mid, prefilled.high), strict=True)
    return Interval(*map(min, pairs)).scaled(decode.steady.workload.output)


def _parts(prefill: Curve, decode: Curve, flow: _Flow, rate: float) -> dict[tuple[str, Resource], float]:
    """Chip seconds per token of each pool's work."""
    decoding = flow.requests / flow.decoded * flow.workers * decode.worker
    pools = {
        "prefill": (prefill.steady.joint, flow.busy * flow.senders * prefill.worker),
        "decode": (flow.decode, decoding),
    }
    return {(name, r): share * n / rate for name, (cost, n) in pools.items() for r, share in cost.shares().items()}


def _decode_widths(curve: Curve, cost: StepCost, metric: str) -> tuple[float, float]:
    """Widths of a decode step's time; an uncertain acceptance of drafted tokens joins."""
    below, above = log_widths(curve.step_model, cost, metric)
    if curve.steady.serving.speculation is None:
        return below, above
    cycle = curve.steady.serving.speculation.per_cycle()
    quick, slow = math.log(cycle.high / cycle.mid), math.log(cycle.mid / cycle.low)
    return quadrature([below, quick]), quadrature([above, slow])


def _floor(curve: Curve, flow: _Flow) -> float:
    """Seconds per token that no software could beat."""
    if flow.decode.floor_s is not None:
        return float(flow.decode.floor_s)
    steady = curve.steady
    return float(curve.step_model.floor(Step.decode(inside_groups(np.array(flow.batch), steady.depth), steady.context)))
