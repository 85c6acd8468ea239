"""Requests of simulated runs as columns, unit in the name: what `--parquet` writes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.serving.metrics import Times
from silmark.serving.records import DONE

_STATUS = np.array(["done", "refused", "lost"])
"""In the order of the numbers in `serving.records`."""


def columns(answered: NDArray[np.void], rate: str = "") -> dict[str, NDArray[Any]]:
    """One row per request; times of requests that were not answered are NaN.

    Args:
        answered: of dtype ANSWERED.
        rate: what was asked for as the rate; empty for the trace's own.
    """
    times = Times.of(answered)
    done = answered["status"] == DONE
    seconds = {
        "arrival_s": times.sent,
        "queue_s": np.where(done, times.queue, np.nan),
        "ttft_s": np.where(done, times.ttft, np.nan),
        "tpot_s": np.where(done & (times.output > 1), times.tpot, np.nan),
        "e2el_s": np.where(done, times.e2el, np.nan),
    }
    return {
        "rate": np.full(answered.size, rate or "trace"),
        "request": answered["name"],
        **seconds,
        "prompt_tokens": answered["prompt"],
        "output_tokens": answered["output"],
        "cached_tokens": answered["cached"],
        "preemptions": answered["preemptions"],
        "retries": answered["retries"],
        "replica": answered["replica"],
        "status": _STATUS[answered["status"]],
        "energy_j": answered["joules"],
    }
