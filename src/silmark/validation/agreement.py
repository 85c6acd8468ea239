"""Simulated against measured servers, request by request.

vLLM 0.19 with Llama-3.1-8B on one RTX 4090 (LLMServingSim, MIT): 300 ShareGPT requests with their token ids at 10 per
second, more than the card can take, so that requests queue for minutes and are preempted. Nothing of it was fitted.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from silmark.calibration.rows import folder
from silmark.errors import BadFile
from silmark.graph import Array
from silmark.validation import simulated, timelines
from silmark.validation.grid import Grid
from silmark.validation.rows import unpacked
from silmark.workloads import traces
from silmark.workloads.requests import Requests
from silmark.workloads.traces.rows import joined

TABLE = "serving_requests_llmservingsim"
_IDS = ("traces", "llmservingsim", "sharegpt-llama-3.1-8b-300-sps10.jsonl")
_NUMBERS = ("input_tokens", "output_tokens", "arrival_s", "first_token_s", "last_token_s")


@dataclass(frozen=True, slots=True)
class Agreement:
    """One time of a server's requests, simulated over measured.

    Attributes:
        server: chip and model.
        what: ttft_s, e2e_s or tpot_s.
        requests: how many were answered.
        mean, p50, p99: ratio of the means, medians and 99 % quantiles.
        error: median |simulated / measured - 1| of single requests.
    """

    server: str
    what: str
    requests: int
    mean: float
    p50: float
    p99: float
    error: float


def public() -> list[Agreement]:
    """All servers of the public table; raises BadValue or BadFile where SILMARK_DATA does not hold it."""
    path = folder() / f"{TABLE}.csv.gz"
    servers: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    try:
        for row in csv.DictReader(io.StringIO(unpacked(path), newline=""), strict=True):
            servers.setdefault((row["hardware"], row["model"]), []).append(row)
        return [one for rows in servers.values() for one in _server(rows)]
    except (csv.Error, KeyError, ValueError, TypeError) as error:
        raise BadFile(path, f"not a table of served requests: {error}") from None


def grid(found: Sequence[Agreement]) -> Grid:
    """As a table."""
    rows = tuple(
        (
            one.server,
            one.what,
            str(one.requests),
            *(f"{x:.3f}" for x in (one.mean, one.p50, one.p99)),
            f"{one.error:.1%}",
        )
        for one in found
    )
    header = ("server", "time", "requests", "mean", "median", "p99", "median error")
    return Grid("Simulated over measured servers", header, rows, 2)


def _server(rows: Sequence[Mapping[str, str]]) -> list[Agreement]:
    """Simulates one server's requests."""
    numbers = {name: np.array([float(row[name]) for row in rows]) for name in _NUMBERS}
    found = timelines.engine(rows[0])
    if isinstance(found, str):
        raise ValueError(found)
    seen = simulated.serve(found, _with_ids(numbers))
    at = seen.name
    sent, output = numbers["arrival_s"][at], numbers["output_tokens"][at]
    first, last = numbers["first_token_s"][at] - sent, numbers["last_token_s"][at] - sent
    pairs = {
        "ttft_s": (seen.ttft, first),
        "e2e_s": (seen.e2e, last),
        "tpot_s": tuple(
            (end - start) / np.maximum(1, output - 1) for start, end in ((seen.ttft, seen.e2e), (first, last))
        ),
    }
    name = f"{rows[0]['hardware']} {rows[0]['model']}"
    return [_compare(name, what, *pair) for what, pair in pairs.items()]


def _compare(server: str, what: str, ours: Array, theirs: Array) -> Agreement:
    mean, (p50, p99) = ours.mean() / theirs.mean(), np.percentile(ours, (50, 99)) / np.percentile(theirs, (50, 99))
    error = np.median(np.abs(ours / theirs - 1.0))
    return Agreement(server, what, ours.size, float(mean), float(p50), float(p99), float(error))


def _with_ids(numbers: Mapping[str, Array]) -> Requests:
    """Requests with the tokens of their prompts, where the traces lie beside the tables."""
    plain = timelines.requests(numbers)
    path = folder().parents[1].joinpath(*_IDS)
    if not path.is_file():
        return plain
    known = joined(list(traces.open(path).chunks()))
    same = known.rows.size == plain.rows.size and np.array_equal(known.rows["prompt"], plain.rows["prompt"])
    return replace(known, rows=plain.rows) if same else plain
