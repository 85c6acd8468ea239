"""What a simulation leaves behind: requests, steps and samples as rows of arrays."""

from __future__ import annotations

import numpy as np

DONE, REFUSED, LOST = 0, 1, 2
"""How a request ended: answered; can never fit; given up after a fault, or for want of room for its next token."""

ANSWERED = np.dtype(
    [
        ("name", np.int64),
        ("arrival_ns", np.int64),
        ("scheduled_ns", np.int64),
        ("first_ns", np.int64),
        ("last_ns", np.int64),
        ("prompt", np.int32),
        ("output", np.int32),
        ("cached", np.int32),
        ("preemptions", np.int32),
        ("retries", np.int32),
        ("replica", np.int32),
        ("status", np.int32),
        ("joules", np.float64),
    ],
    align=True,
)
"""One request that has left: row number in the trace; when it arrived, was first scheduled, got its first and last
token (nanoseconds from the start); tokens of prompt and answer; prompt tokens found in a prefix cache when it started;
how often it was preempted, and sent again after a fault; the replica that answered it; how it ended; its share of the
energy of the steps that it was part of.
"""

TRANSFER = np.dtype(
    [
        ("asked_ns", np.int64),
        ("start_ns", np.int64),
        ("end_ns", np.int64),
        ("name", np.int64),
        ("tokens", np.int64),
        ("source", np.int64),
        ("target", np.int64),
    ],
    align=True,
)
"""The KV of one request on its way between replicas: when it was asked for, got a port and was there; the request's row
number in the trace; tokens; from which replica to which.
"""

STEP = np.dtype(
    [
        ("start_ns", np.int64),
        ("end_ns", np.int64),
        ("count", np.int64),
        ("replica", np.int32),
        ("prefill_tokens", np.int32),
        ("decoders", np.int32),
        ("running", np.int32),
        ("waiting", np.int32),
        ("free_blocks", np.int32),
    ],
    align=True,
)
"""One step of an engine, or `count` steps of the same batch one after the other: prompt tokens and sequences that got a
token in each; requests running and waiting, and KV blocks free, at the end.
"""
