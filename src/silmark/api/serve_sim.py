"""A request trace on a virtual server: what its users would see, what it would draw and cost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Unpack

import numpy as np
from numpy.typing import NDArray

from silmark.api import question
from silmark.api.fleet import led
from silmark.api.question import Count
from silmark.api.serving_words import ServingWords, bring_up, draws_of, fleet_words, load_words, prefill_pool
from silmark.api.slo import slo as promises
from silmark.api.trace import opened
from silmark.errors import BadValue
from silmark.figures.own import remark
from silmark.mapping import Infeasible, Plan
from silmark.report.served import ServeSim
from silmark.serving.fleets import Members, pools_of
from silmark.serving.replica import Replica
from silmark.serving.run import Run, Sending, fleet_notes, run
from silmark.serving.slo import Slo
from silmark.workloads.requests import Trace

Rate = str | float
Left = Callable[[str, NDArray[np.void]], None]
"""Told of the rate of a run, as typed, and of requests of it that left, of dtype `serving.records.ANSWERED`."""
Watch = Callable[[int, int | None], None]
"""Told now and then: requests answered so far in the run under way, and in all if that is known."""

_MOST_RATES = 100
_COMPILING_S = 15
"""Seconds of one core that the first run on a machine spends on it."""
_log = logging.getLogger(__name__)


def serve_sim(
    model: str,
    on: str,
    trace: str | Path | Trace,
    *,
    rate: Rate | Sequence[Rate] | None = None,
    slo: str | None = None,
    max_concurrency: Count | None = None,
    seed: Count = 0,
    draws: Count | Literal["auto"] = "auto",
    timeline: bool = False,
    keep: bool = True,
    left: Left | None = None,
    watch: Watch | None = None,
    **words: Unpack[ServingWords],
) -> ServeSim:
    """What users of a server would see.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`.
        on: `8x:nvidia-h100-sxm5-80gb`, a system's id, or a `.toml` file.
        trace: a file, a name such as `azure-conv`, a generator such as `poisson:rate=5,prompt=1024,output=256`, or a
            trace already opened.
        rate: requests per second in place of the trace's own, "2x" or "inf"; several ("1,2,4") are one run each.
        slo: promises such as `ttft:1s,tpot:50ms@p99`; goodput counts requests that keep all of them.
        max_concurrency: most requests in flight; the others wait at the client.
        seed: of all chances.
        draws: passes for the error bars of what users see, each on step times that may be the truth; 0 for none,
            "auto" for 16 of a trace that is short.
        timeline: keep every step.
        keep: keep the requests that left (`runs[0].simulation.answered`); without, memory does not grow with the trace.
        left: told of the requests that left, piece by piece, each with the rate that it was sent at.
        watch: told how far it is.
        words: of the engine and its plan (`EngineWords`) and of the trace (`silmark.api.trace.opened`).

    Raises:
        SilmarkError: a name that is unknown, a value that makes no sense, a trace that cannot be read.
    """
    promised, rates, load = promises(slo), _rates(rate), load_words(words)
    sending = Sending(
        seed=question.whole("seed", seed, least=0),
        limit=0 if max_concurrency is None else question.whole("max-concurrency", max_concurrency),
        timeline=timeline,
        keep=keep,
        draws=None if draws == "auto" else draws_of(draws),
    )
    loaded, target, plan, found = bring_up(model, on, words)
    fleet, lead = fleet_words(words), led(words)
    traces = [_opened(trace, one, load | {"seed": sending.seed}) for one in rates]
    said = {"model": loaded.name, "on": target.name} | _said(trace, rates, sending, promised, load | fleet)
    said["maturity"] = words.get("maturity", "own")
    helper = prefill_pool(model, words)
    if isinstance(found, Infeasible):
        return _refused(said, promised, plan, found)
    if isinstance(helper, Infeasible):
        return _refused(said, promised, plan, helper)
    _announce()
    members = Members(pools_of(found, helper), lead)
    runs = tuple(
        _run(members, one, promised, sending if left is None else replace(sending, left=partial(left, at)), watch)
        for one, at in zip(traces, rates, strict=True)
    )
    return ServeSim(
        said,
        promised,
        found.as_dict(),
        members.chips,
        tuple(rates),
        runs,
        notes=(*_notes(found, runs, traces), *fleet_notes(members, runs[0], promised)),
        figures=found.figures | dict(runs[0].figures),
    )


def _refused(said: Mapping[str, Any], promised: Slo, plan: Plan, why: Infeasible) -> ServeSim:
    """There is no such server."""
    status: Literal["cannot-run", "infeasible"] = "cannot-run" if why.cannot else "infeasible"
    return ServeSim(dict(said), promised, None, plan.chips, status=status, reason=why.reason)


def _said(
    trace: str | Path | Trace, rates: Sequence[str], sending: Sending, promised: Slo, more: Mapping[str, Any]
) -> dict[str, Any]:
    """What was asked of the load, after defaults."""
    return {
        "trace": str(trace) if isinstance(trace, str | Path) else trace.name,
        "rate": ",".join(rates) or None,
        **{key: str(value) for key, value in more.items()},
        "max_concurrency": sending.limit or None,
        "slo": str(promised) or None,
        "seed": sending.seed,
    }


def _run(found: Members, trace: Trace, promised: Slo, sending: Sending, watch: Watch | None) -> Run:
    """One rate, with its progress."""
    told = None if watch is None else lambda answered, _: watch(answered, trace.size)
    done = run(found, trace, promised, sending, told)
    if not any(done.values[f"requests.{ended}"] for ended in ("completed", "refused", "lost")):
        raise BadValue("trace", trace.name, "at least one request; with --duration, one that arrives before it")
    return done


def _announce() -> None:
    """Says why the first run on a machine takes a while."""
    from silmark.serving.jit import is_warm  # noqa: PLC0415 - numba takes half a second to import

    if not is_warm():
        _log.info("compiling the simulator for this machine, once, about %d s", _COMPILING_S)


def _notes(found: Replica, runs: Sequence[Run], traces: Sequence[Trace]) -> Iterator[str]:
    """What a reader must know."""
    yield from dict.fromkeys(note for trace in traces for note in getattr(trace, "notes", ()))
    skipped: Mapping[str, int] = getattr(traces[0], "skipped", {})
    for reason, count in skipped.items():
        yield f"rows of the trace that were left out: {count:,} ({reason})"
    refused = runs[0].values["requests.refused"]
    if refused:
        most = found.options.max_model_len
        yield f"refused requests: {refused:,.0f} (prompts that leave no room within max_model_len, {most:,} tokens)"
    if not runs[0].values["requests.completed"]:
        yield "no request was answered: there is nothing to measure"
    if not runs[0].draws:
        yield "no error bars of times: --draws 16 sends the trace as often again, on step times that may be the truth"
    if remark():
        yield remark()


def _opened(trace: str | Path | Trace, rate: str, load: dict[str, Any]) -> Trace:
    """The trace as it is sent; raises SilmarkError."""
    if isinstance(trace, str | Path):
        return opened(trace, rate=rate or None, **load)
    if rate or set(load) > {"seed"}:
        raise BadValue("trace", trace.name, "a trace by name: one that is open is sent as it is")
    return trace


def _rates(rate: Rate | Sequence[Rate] | None) -> list[str]:
    """Rates asked for, as words; one empty word for the trace's own. Raises BadValue."""
    if rate is None:
        return [""]
    parts = rate.split(",") if isinstance(rate, str) else [rate] if isinstance(rate, int | float) else [*rate]
    words = [str(part).strip() for part in parts]
    if not 1 <= len(words) <= _MOST_RATES or not all(words):
        raise BadValue("rate", rate, f"1 to {_MOST_RATES} rates, such as 1,2,4,8")
    return words
