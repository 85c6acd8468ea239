"""Work of measurements whose requests arrive at a rate that is held, whatever the server answers.

The batch that a rate keeps in flight follows from Little's law: rate * output tokens * time per token at that batch.
Above the server's capacity c the backlog grows by rate - c for as long as the rate is held, and a request that arrives
at time t waits (rate / c - 1) * t. Below, it waits for the step in progress and for prompts in front of it; that wait
is taken as exponential beyond its mean. Quantiles further need the spread of the lengths, which tables do not state
(`data/assumptions/arrivals.toml`): their bars hold it, and what an error of the capacity would change.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from statistics import NormalDist

from silmark.estimation import Estimate
from silmark.figures import assumptions
from silmark.figures.figure import quadrature
from silmark.step import StepModel
from silmark.validation import loads, setup
from silmark.validation.rows import Row
from silmark.validation.work import Work

_HELD = re.compile(r"held (\d{1,6}) s\b")
_SEQUENCES = re.compile(r"max_num_seqs=(\d{1,6})")
_SHARE = re.compile(r"_p(\d\d)$")
_DEFAULT_SEQUENCES = 256
"""Default of vLLM's `max_num_seqs`."""
_DEFAULT_HELD_S = 600.0
_ROUNDS = 40
_KIND = "ttft at a rate"
"""Apart from the times to the first token of closed loops, whose users start together and wait for each other."""


def is_open_loop(row: Row) -> bool:
    """Whether the row states a rate, and that it is held for a time."""
    return row.rate is not None and bool(_HELD.search(row.notes))


@dataclass(frozen=True, slots=True)
class _Load:
    """A server under a rate, per replica.

    Attributes:
        state: steady state at the batch that the rate keeps in flight, or at the largest batch.
        excess: rate over capacity, less 1; 0 where no queue grows.
        held: seconds for which the rate is held.
    """

    state: Estimate
    excess: float
    held: float

    def first_s(self, share: float | None, spread: float, server_s: float) -> float:
        """Seconds to the first token: mean, or a quantile.

        A prompt passes together with a step of those that decode.
        """
        assert self.state.ttft_s is not None
        alone, step = (float(self.state.phases[phase].time_s) for phase in ("prefill", "decode"))
        wait, fixed = max(0.0, self.state.ttft_s.mid - alone), step + server_s
        if share is None:
            return alone + fixed + wait + self.excess * self.held / 2
        tail = wait * math.log(1.0 / (1.0 - share))
        return alone * _longer(share, spread) + fixed + tail + self.excess * self.held * share

    def whole_s(self, output: int, share: float | None, spread: float, server_s: float) -> float:
        """Seconds to the last token: mean, or a quantile, which is that of the longest answers."""
        assert self.state.tpot_s is not None
        steps = output - 1
        if share is None:
            return self.first_s(None, spread, server_s) + steps * self.state.tpot_s.mid
        queued = self.excess * self.held
        mean = self.first_s(None, spread, server_s) - queued / 2
        return mean + queued * share + steps * self.state.tpot_s.mid * _longer(share, spread)


def _longer(share: float, spread: float) -> float:
    """A quantile of lengths over their mean: normal, as far as one may tell."""
    return 1.0 + spread * NormalDist().inv_cdf(share)


def held_rate(row: Row) -> Work | str:
    """Times of requests that arrive at a rate held for minutes."""
    model = setup.compiled(row)
    if isinstance(model, str):
        return model
    if row.isl is None or row.osl is None:
        return "lengths are not stated"
    known = assumptions("arrivals")
    error, spread, server = known["capacity.error"], known["length.spread"], known["server.request"]
    found = [_loaded(model, row, factor) for factor in (error.value, error.high, error.low)]
    likely = found[0]
    if isinstance(likely, str):
        return likely
    if row.metric.startswith("itl") or row.metric.startswith("tpot"):
        return loads.flow(likely.state, row)
    first = row.metric.startswith("ttft")
    if not first and not row.metric.startswith("e2e"):
        return f"metric {row.metric!r} is not predicted where requests arrive at a rate"
    said = _SHARE.search(row.metric)
    share = int(said[1]) / 100 if said else None
    output = row.osl

    def seconds(load: _Load, wide: float = spread.value, server_s: float = server.value) -> float:
        return load.first_s(share, wide, server_s) if first else load.whole_s(output, share, wide, server_s)

    value = seconds(likely)
    others = (
        [seconds(load) for load in found[1:] if not isinstance(load, str)],
        [seconds(likely, bound) for bound in (spread.low, spread.high)],
        [seconds(likely, server_s=bound) for bound in (server.low, server.high)],
    )
    extra = (
        quadrature(math.log(value / min(value, *some)) for some in others),
        quadrature(math.log(max(value, *some) / value) for some in others),
    )
    return _work(model, row, likely, value, first, extra)


def _work(model: StepModel, row: Row, load: _Load, value: float, first: bool, extra: tuple[float, float]) -> Work | str:
    inside = load.state.batch / model.plan.dp
    prompt = float(row.isl or 1)
    if first:
        return Work(_KIND, model, value, load.state.phases["prefill"], None, 1.0, inside, prompt, spread=extra)
    done = loads.flow(load.state, replace(row, metric="tpot"))
    if isinstance(done, str):
        return done
    # An answer is as many steps; what the engine adds to each of them it adds to the whole.
    steps = float(row.osl or 1)
    return replace(
        done, seconds=value, steps=steps, sequences=done.sequences * steps, tokens=done.tokens * steps, spread=extra
    )


def _loaded(model: StepModel, row: Row, factor: float) -> _Load | str:
    """The server under the row's rate, if it were faster by a factor than predicted."""
    stated = _SEQUENCES.search(row.notes)
    limit = (int(stated[1]) if stated else _DEFAULT_SEQUENCES) * model.plan.dp
    full = loads.steady(model, row, limit)
    if isinstance(full, str):
        return full
    held = _HELD.search(row.notes)
    seconds = float(held[1]) if held else _DEFAULT_HELD_S
    rate, output = float(row.rate or 0.0) / factor, float(row.osl or 1)
    assert full.tpot_s is not None
    capacity = full.batch / (full.tpot_s.mid * output)
    if rate >= capacity:
        return _Load(full, rate / capacity - 1.0, seconds)
    state = _settled(model, row, rate * output, float(full.batch))
    if isinstance(state, str):
        return state
    return _Load(state, 0.0, seconds)


def _settled(model: StepModel, row: Row, tokens_per_s: float, most: float) -> Estimate | str:
    """The steady state at the smallest batch that makes so many tokens per second."""
    low, high = 1.0, most
    for _ in range(_ROUNDS):
        if high - low < 1.0:
            break
        middle = (low + high) / 2
        state = loads.steady(model, row, round(middle))
        if isinstance(state, str) or state.tpot_s is None:
            return state if isinstance(state, str) else "no tokens"
        enough = state.batch / state.tpot_s.mid >= tokens_per_s
        low, high = (low, middle) if enough else (middle, high)
    return loads.steady(model, row, max(1, round(high)))
