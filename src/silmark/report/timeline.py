"""A simulated run as Chrome's trace JSON, which ui.perfetto.dev and chrome://tracing open.

One process per replica: a track of its steps with what each batch held, counters of KV blocks and of running and
waiting requests, and one asynchronous slice per request, cut into its wait, its prompt and its answer. KV that moves
between replicas is a slice in both of them. Times are microseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from silmark.errors import BadValue
from silmark.serving.records import DONE
from silmark.serving.run import Run

if TYPE_CHECKING:  # the core imports numba, half a second
    from silmark.serving.simulate import Simulation

MOST_STEPS, MOST_REQUESTS = 60_000, 20_000
"""What a file may hold: about 40 MB, which Perfetto opens in seconds."""
_US = 1e-3
_Event = dict[str, Any]


def write(runs: Sequence[Run], path: Path) -> str:
    """Writes the file; returns what was left out, empty for nothing.

    Raises:
        BadValue: several runs, or a file that cannot be written.
    """
    if len(runs) != 1:
        raise BadValue("timeline", str(path), "one rate: a timeline shows one run")
    found = runs[0].simulation
    steps, answered = found.steps[:MOST_STEPS], _first_sent(found)
    left_out = _left_out(found, steps, answered)
    head = {"displayTimeUnit": "ms", "otherData": {"simulator": "silmark", "left_out": left_out}}
    try:
        with path.open("w", encoding="utf-8") as file:
            file.write(json.dumps(head)[:-1] + ', "traceEvents": [')
            for number, event in enumerate(_events(found, steps, answered)):
                file.write((",\n" if number else "\n") + json.dumps(event))
            file.write("\n]}\n")
    except OSError as error:
        raise BadValue("timeline", str(path), f"a file that can be written ({error.strerror})") from None
    return left_out


def _first_sent(found: Simulation) -> NDArray[np.void]:
    """The answered requests that were sent first."""
    done = found.answered[found.answered["status"] == DONE]
    return np.asarray(done[np.argsort(done["arrival_ns"], kind="stable")][:MOST_REQUESTS])


def _left_out(found: Simulation, steps: NDArray[np.void], answered: NDArray[np.void]) -> str:
    parts, steps_run = [], int(found.steps_run.sum())
    if steps_run > int(steps["count"].sum()):
        parts.append(f"steps behind the first {int(steps['count'].sum()):,} of {steps_run:,}")
    done = int(np.count_nonzero(found.answered["status"] == DONE))
    if done > answered.size:
        parts.append(f"requests behind the first {answered.size:,} of {done:,}")
    return " and ".join(parts)


def _events(found: Simulation, steps: NDArray[np.void], answered: NDArray[np.void]) -> Iterator[_Event]:
    for replica in range(len(found.fleet.replicas)):
        yield {"ph": "M", "pid": replica, "name": "process_name", "args": {"name": f"replica {replica}"}}
        yield {"ph": "M", "pid": replica, "tid": 0, "name": "thread_name", "args": {"name": "steps"}}
    blocks = [found.fleet.kinds[kind].num_blocks - 1 for kind in found.fleet.replicas]
    for step in _rows(steps):
        yield _slice(step)
        at = {"ph": "C", "pid": step["replica"], "ts": step["end_ns"] * _US}
        yield at | {"name": "KV blocks", "args": {"used": blocks[step["replica"]] - step["free_blocks"]}}
        yield at | {"name": "requests", "args": {"running": step["running"], "waiting": step["waiting"]}}
    for request in _rows(answered):
        yield from _request(request)
    shown = set(answered["name"].tolist())
    for transfer in _rows(found.moves):
        if transfer["name"] in shown:
            yield from _transfer(transfer)


def _rows(array: NDArray[np.void]) -> Iterator[dict[str, Any]]:
    """Rows as dictionaries of Python's numbers."""
    names = array.dtype.names or ()
    return (dict(zip(names, row, strict=True)) for row in array.tolist())


def _slice(step: dict[str, Any]) -> _Event:
    """One step, or a run of equal ones."""
    kinds = [word for word, there in (("prefill", step["prefill_tokens"]), ("decode", step["decoders"])) if there]
    times = f" x {step['count']}" if step["count"] > 1 else ""
    return {
        "ph": "X",
        "pid": step["replica"],
        "tid": 0,
        "name": (" + ".join(kinds) or "step") + times,
        "ts": step["start_ns"] * _US,
        "dur": (step["end_ns"] - step["start_ns"]) * _US,
        "args": {key: step[key] for key in ("count", "prefill_tokens", "decoders", "running", "waiting")},
    }


def _request(request: dict[str, Any]) -> Iterator[_Event]:
    """One request: an outer slice with its numbers, and its phases inside."""
    shared = {"cat": "request", "pid": request["replica"], "tid": 0, "id": request["name"]}
    said = {key: request[key] for key in ("prompt", "output", "cached", "preemptions")}
    stages = ("arrival_ns", "scheduled_ns", "first_ns", "last_ns")
    moments = [request[stage] * _US for stage in stages]
    name = f"request {request['name']}"
    yield shared | {"ph": "b", "name": name, "ts": moments[0], "args": said}
    for phase, start, end in zip(("queue", "prefill", "decode"), moments[:-1], moments[1:], strict=True):
        if end > start:
            yield shared | {"ph": "b", "name": phase, "ts": start}
            yield shared | {"ph": "e", "name": phase, "ts": end}
    yield shared | {"ph": "e", "name": name, "ts": moments[-1]}


def _transfer(transfer: dict[str, Any]) -> Iterator[_Event]:
    """KV on its way: as the replica that sends it and the one that takes it see it, with the wait for a free port."""
    asked, start, end = (transfer[moment] * _US for moment in ("asked_ns", "start_ns", "end_ns"))
    source, target = transfer["source"], transfer["target"]
    for here, name in ((source, f"KV to replica {target}"), (target, f"KV from replica {source}")):
        shared = {"cat": "KV transfer", "pid": here, "tid": 0, "id": f"KV {transfer['name']}"}
        said = {"request": transfer["name"], "tokens": transfer["tokens"]}
        yield shared | {"ph": "b", "name": name, "ts": asked, "args": said}
        if start > asked:
            yield shared | {"ph": "b", "name": "wait for a port", "ts": asked}
            yield shared | {"ph": "e", "name": "wait for a port", "ts": start}
        yield shared | {"ph": "e", "name": name, "ts": end}
