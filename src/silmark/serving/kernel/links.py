"""How long KV takes to move, and whose port it waits for."""

from __future__ import annotations

import numpy as np

from silmark.serving.jit import inner
from silmark.serving.kernel.logs import log_transfer
from silmark.serving.kernel.state import State


@inner
def _body(state: State, kind: int, tokens: int) -> float:
    """Nanoseconds of the KV of so many tokens, between the powers of two of the table."""
    if tokens <= 0:
        return 0.0
    table = state.links.body_ns
    place = min(int(np.log2(float(tokens))), table.shape[1] - 2)
    lower, upper = table[kind, place], table[kind, place + 1]
    return float(lower + (upper - lower) * (tokens / (1 << place) - 1.0))


@inner
def move(state: State, request: int, source: int, target: int, first: int, end: int) -> int:
    """Sends the KV of tokens `first` to `end` of a request from one replica to another. Returns when it is there.

    A port serves one transfer at a time; the slower of both sets the pace.
    """
    rules, one, other = state.rules[0], state.engines[source], state.engines[target]
    now = state.totals[0]["now"]
    start = max(now, one["port_ns"], other["port_ns"])
    sends = _body(state, one["kind"], end) - _body(state, one["kind"], first)
    takes = _body(state, other["kind"], end) - _body(state, other["kind"], first)
    body = max(sends * one["port"], takes * other["port"])
    one["port_ns"] = start + int(body)
    other["port_ns"] = one["port_ns"]
    latency = max(state.links.latency_ns[one["kind"]], state.links.latency_ns[other["kind"]])
    there = max(start + int(body) + latency, now + 1)
    rules["transfers"] += 1
    rules["transfer_ns"] += there - start
    rules["transfer_wait_ns"] += start - now
    log_transfer(state, request, source, target, end - first, start, there)
    return int(there)
