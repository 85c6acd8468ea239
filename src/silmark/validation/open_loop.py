"""Servers whose requests arrive at a rate that is held, whatever they answer.

Tables state a rate and mean lengths; arrivals are taken as a Poisson process and lengths as lognormal around their
means (`data/assumptions/arrivals.toml`), no prompt shares its beginning with another. The error bar holds what the
lengths' spread, an error of the engine's speed and the server's own time per request would change, each simulated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from silmark.figures import Interval, assumptions
from silmark.figures.figure import quadrature
from silmark.graph import Array
from silmark.serving.arguments import EngineArgs
from silmark.serving.replica import Replica
from silmark.validation import simulated
from silmark.validation.rows import Row
from silmark.validation.simulated import Seen
from silmark.workloads import traces
from silmark.workloads.requests import Requests
from silmark.workloads.traces.rows import joined

_HELD = re.compile(r"held (\d{1,6}) s\b")
_SETTINGS = {
    "max_num_seqs": re.compile(r"\bmax_num_seqs=(\d{1,6})\b"),
    "max_num_batched_tokens": re.compile(r"\bmax_num_batched_tokens=(\d{1,7})\b"),
    "max_model_len": re.compile(r"\bmax_model_len=(\d{1,8})\b"),
}
_SHARE = re.compile(r"\bgpu_memory_utilization=(0\.\d{1,4})\b")
_LONGEST_S = 3600.0
_MOST = 500_000
"""Requests of a stage that are simulated at most."""
_STATISTICS: dict[str, Callable[[Array], float]] = {
    "mean": lambda seconds: float(np.mean(seconds)),
    "p50": lambda seconds: float(np.percentile(seconds, 50)),
    "p90": lambda seconds: float(np.percentile(seconds, 90)),
    "p95": lambda seconds: float(np.percentile(seconds, 95)),
    "p99": lambda seconds: float(np.percentile(seconds, 99)),
}
_KINDS = ("ttft", "e2e", "itl", "tpot")


def is_open_loop(row: Row) -> bool:
    """Whether the row states a rate, and that it is held for a time."""
    return row.rate is not None and bool(_HELD.search(row.notes))


@dataclass(frozen=True, slots=True)
class Simulated:
    """A stage of load: as it is most likely, and with one thing different each.

    Attributes:
        engine: who answered.
        likely: the most likely run.
        groups: runs with other step times, and with other lengths.
        server_s: seconds per request of the server around the engine, low, likely and high.
    """

    engine: Replica
    likely: Seen
    groups: tuple[tuple[Seen, ...], ...]
    server_s: tuple[float, float, float]

    def interval(self, kind: str, statistic: Callable[[Array], float]) -> Interval:
        """One number, in seconds."""
        low_s, server_s, high_s = self.server_s if kind in ("ttft", "e2e") else (0.0, 0.0, 0.0)

        def value(seen: Seen, more: float = server_s) -> float:
            return seen.between if kind in ("itl", "tpot") else statistic(getattr(seen, kind)) + more

        mid = value(self.likely)
        others = [[value(run) for run in group] for group in self.groups]
        others.append([value(self.likely, low_s), value(self.likely, high_s)])
        low = quadrature(math.log(mid / min(mid, *some)) for some in others)
        high = quadrature(math.log(max(mid, *some) / mid) for some in others)
        return Interval.around(mid, low, high)


def held_rate(row: Row) -> tuple[Interval, str, str] | str:
    """A row's number in seconds with its error bar, its grade and where it comes from; or why there is none."""
    kind, _, what = row.metric.partition("_")
    if kind not in _KINDS or what not in _STATISTICS or (kind in ("itl", "tpot") and what != "mean"):
        return f"metric {row.metric!r} is not predicted where requests arrive at a rate"
    stage = _stage(replace(row, metric="", unit="", line=0, value=0.0, scale=1.0))
    if isinstance(stage, str):
        return stage
    model = stage.engine.step_model
    said = f"simulated: {stage.engine.engine}, Poisson arrivals, lognormal lengths of the stated means"
    return stage.interval(kind, _STATISTICS[what]), simulated.grade_of(model), said


@lru_cache(maxsize=64)
def _stage(row: Row) -> Simulated | str:
    """All runs of a stage of load."""
    if row.isl is None or row.osl is None or not row.rate or row.rate <= 0:
        return "rate or lengths are not stated"
    if row.rate * _seconds(row) > _MOST:
        return f"more than {_MOST:,} requests arrive while the rate is held"
    engine = simulated.engine(row, _args(row))
    if isinstance(engine, str):
        return engine
    known = assumptions("arrivals")
    error, spread, server = simulated.speed(engine.step_model), known["length.spread"], known["server.request"]
    longest = engine.options.max_model_len
    if row.isl + row.osl > longest:
        return f"its requests are longer than the engine's longest, {longest:,} tokens"
    likely = _requests(row, spread.value, longest)
    if not likely.rows.size:
        return "no request arrives while the rate is held"
    return Simulated(
        engine,
        simulated.serve(engine, likely),
        (
            tuple(simulated.serve(engine, likely, factor) for factor in (error.low, error.high)),
            tuple(simulated.serve(engine, _requests(row, some, longest)) for some in (spread.low, spread.high)),
        ),
        (server.low, server.value, server.high),
    )


def _args(row: Row) -> EngineArgs:
    """What the row says that the engine was told."""
    stated = {name: pattern.search(row.notes) for name, pattern in _SETTINGS.items()}
    share = _SHARE.search(row.notes)
    return EngineArgs(
        version=row.version,
        gpu_memory_utilization=float(share[1]) if share else None,
        max_num_seqs=_count(stated["max_num_seqs"]),
        max_num_batched_tokens=_count(stated["max_num_batched_tokens"]),
        max_model_len=_count(stated["max_model_len"]),
    )


def _count(found: re.Match[str] | None) -> int | None:
    return int(found[1]) if found else None


def _seconds(row: Row) -> float:
    """How long the rate is held."""
    held = _HELD.search(row.notes)
    return min(float(held[1]), _LONGEST_S) if held else _LONGEST_S


def _requests(row: Row, spread: float, longest: int) -> Requests:
    """What arrives while the rate is held; answers end where the engine's longest request does."""
    words = ",".join(f"{name}=lognormal:{mean}:{spread}" for name, mean in (("prompt", row.isl), ("output", row.osl)))
    trace = traces.open(f"poisson:rate={row.rate:g},seed=1,{words}", traces.Asked(duration_s=_seconds(row)))
    found = joined(list(trace.chunks()))
    rows = found.rows.copy()
    rows["prompt"] = np.minimum(rows["prompt"], longest - 1)
    rows["output"] = np.minimum(rows["output"], longest - rows["prompt"])
    return replace(found, rows=rows)
