"""The highest rate of requests that systems bear under promises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack

from silmark.api import question
from silmark.api.fleet import led
from silmark.api.question import Count
from silmark.api.serving_words import ServingWords, bring_up, draws_of, fleet_words, load_words, prefill_pool
from silmark.api.slo import slo as promises
from silmark.api.trace import opened
from silmark.errors import BadValue
from silmark.figures.own import remark
from silmark.mapping import Infeasible, Plan
from silmark.report.capacity import Borne, Capacities
from silmark.serving.capacity import capacity as highest
from silmark.serving.draws import USUAL
from silmark.serving.fleets import Members, pools_of
from silmark.serving.load import Load
from silmark.serving.run import summed
from silmark.systems import Target
from silmark.workloads.traces import GENERATORS, Stream

Watch = Callable[[str, float], None]
"""Told of every run: the system, and the requests per second that are sent."""

_MOST_SYSTEMS = 100
_USUAL_REQUESTS = 5_000
"""Requests of a generated trace where nothing says how many: fifty lie beyond the 99th percentile."""
_CLOSED = ("users",)


def capacity(
    model: str,
    on: str | Sequence[str],
    trace: str | Path | Stream,
    *,
    slo: str,
    draws: Count = USUAL,
    seed: Count = 0,
    watch: Watch | None = None,
    **words: Unpack[ServingWords],
) -> Capacities:
    """The highest rate at which each system keeps its promises.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`.
        on: systems, as in `estimate`; several as a list or with commas between them.
        trace: whose requests are sent at one rate after the other, as in `serve_sim`.
        slo: promises such as `ttft:1s,tpot:50ms@p99`; the percentile is that of the requests that must keep each.
        draws: possible truths about the step times, behind the error bar; 0 for none.
        seed: of all chances.
        watch: told of every run.
        words: of the engine and its plan, of the fleet and of the trace, as in `serve_sim`; a pool that only prefills
            stands beside each of the systems.

    Raises:
        SilmarkError: a name that is unknown, a value that makes no sense, a trace that cannot be read.
    """
    promised, load = promises(slo), load_words(words)
    lead = led(words)
    if "rate" in load:
        raise BadValue("rate", load["rate"], "nothing: the rate is what is looked for")
    chance, count = question.whole("seed", seed, least=0), draws_of(draws)
    systems, helper = [bring_up(model, name, words) for name in _names(on)], prefill_pool(model, words)
    held = Load.held(_opened(trace, load | {"seed": chance}))
    rows = []
    for _, target, plan, found in systems:
        if isinstance(found, Infeasible):
            rows.append(_refused(target, plan, found))
            continue
        if isinstance(helper, Infeasible):
            rows.append(_refused(target, plan, helper))
            continue
        members = Members(pools_of(found, helper), lead)
        best = highest(members, held, promised, count, chance, _told(watch, target.name))
        rows.append(Borne(target, members.chips, "ok", "", found, best, summed(members, best.simulation, promised)))
    fleet = fleet_words(words)
    said = {
        "model": systems[0][0].name,
        "on": [target.name for _, target, _, _ in systems],
        "trace": str(trace) if isinstance(trace, str | Path) else trace.name,
        "requests": held.requests,
        **{key: str(value) for key, value in (load | fleet).items()},
        "slo": str(promised),
        "policy": words.get("policy", "vllm"),
        "precision": words.get("precision", "default"),
        "maturity": words.get("maturity", "own"),
        "draws": count,
        "seed": chance,
    }
    notes = [*held.stream.notes, *([remark()] if remark() else [])]
    if fleet:
        notes.insert(0, "fleet: " + ", ".join(f"{key.replace('_', '-')} {value}" for key, value in fleet.items()))
    return Capacities(said, promised, tuple(rows), tuple(notes))


def _refused(target: Target, plan: Plan, why: Infeasible) -> Borne:
    return Borne(target, plan.chips, "cannot-run" if why.cannot else "infeasible", why.reason)


def _told(watch: Watch | None, name: str) -> Callable[[float], None] | None:
    return None if watch is None else lambda rate: watch(name, rate)


def _opened(trace: str | Path | Stream, load: dict[str, Any]) -> Stream:
    """The trace at its own rate, at any rate where it is generated; raises SilmarkError."""
    if isinstance(trace, Stream):
        return trace
    word, _, words = str(trace).partition(":")
    if isinstance(trace, Path) or word not in GENERATORS:
        return opened(trace, **load)
    if word in _CLOSED:
        raise BadValue("trace", trace, "requests that come at a rate: users of a closed loop wait for their answers")
    said: dict[str, Any] = {} if "rate=" in words else {"rate": "1"}
    if "requests=" not in words and "sessions=" not in words and not {"limit", "duration"} & set(load):
        said["limit"] = _USUAL_REQUESTS
    return opened(trace, **said, **load)


def _names(on: str | Sequence[str]) -> list[str]:
    """The systems asked for; raises BadValue."""
    names = [part.strip() for part in on.split(",")] if isinstance(on, str) else list(on)
    if not 1 <= len(names) <= _MOST_SYSTEMS or not all(names) or len(set(names)) < len(names):
        raise BadValue("on", str(on), f"1 to {_MOST_SYSTEMS} systems, each once, such as 8x:h100,8x:mi300x")
    return names
