"""Simulated against measured servers with so many users at once: vLLM's loaded servers of InferenceMAX.

Each user sends a request when the one before it is answered, ten in all; lengths lie evenly between 80 and 100 % of the
stated ones. The rows were not used to fit any time of a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from silmark.serving.arguments import EngineArgs
from silmark.validation import rows, simulated
from silmark.validation.grid import Grid
from silmark.validation.rows import Row
from silmark.workloads import traces
from silmark.workloads.traces.rows import joined

TABLE = "inferencemax_nvidia_ttft_tpot"
_SHORTEST = 0.8
_PER_USER = 10
_MOST_USERS = 64
_METRICS = ("ttft", "tpot")


@dataclass(frozen=True, slots=True)
class Loops:
    """Rows of one chip, model and metric.

    Attributes:
        ratio: median of simulated over measured.
        error: median |simulated / measured - 1|.
    """

    hardware: str
    model: str
    metric: str
    rows: int
    ratio: float
    error: float


def public(where: Path | None = None) -> list[Loops]:
    """All dense models of the public table that ran on one pool of vLLM."""
    runs: dict[tuple[str, ...], list[Row]] = {}
    for row in rows.read(TABLE, where).rows:
        if row.engine.lower() == "vllm" and row.metric in _METRICS and "mode=agg" in row.notes and row.ep in (None, 1):
            users, lengths = row.concurrency or 0, (row.isl, row.osl)
            if 0 < users <= _MOST_USERS and None not in lengths:
                key = (row.hardware, row.model, *map(str, (row.precision, row.tp, row.dp, users, *lengths)))
                runs.setdefault(key, []).append(row)
    ratios: dict[tuple[str, str, str], list[float]] = {}
    for (hardware, model, *_), measured in runs.items():
        for metric, ratio in _ratios(measured):
            ratios.setdefault((hardware, model, metric), []).append(ratio)
    return [
        Loops(*key, len(some), float(np.median(some)), float(np.median(np.abs(np.array(some) - 1.0))))
        for key, some in sorted(ratios.items())
    ]


def grid(found: Sequence[Loops]) -> Grid:
    """As a table."""
    cells = tuple((o.hardware, o.model, o.metric, str(o.rows), f"{o.ratio:.3f}", f"{o.error:.1%}") for o in found)
    header = ("chip", "model", "time", "rows", "simulated over measured", "median error")
    return Grid("Simulated over measured closed loops, vLLM", header, cells, 3)


def _ratios(measured: Sequence[Row]) -> Iterable[tuple[str, float]]:
    """Simulated over measured for rows of one run; none where it cannot be simulated."""
    row = measured[0]
    users, prompt, output = (float(x or 1) for x in (row.concurrency, row.isl, row.osl))
    engine = simulated.engine(row, EngineArgs(version=row.version, max_model_len=round(1.1 * (prompt + output))))
    if isinstance(engine, str):
        return
    each = -(-users // engine.count)
    words = ",".join(
        f"{name}={round(_SHORTEST * most)}..{round(most)}" for name, most in (("prompt", prompt), ("output", output))
    )
    trace = traces.open(f"users:users={each:g},requests={each * _PER_USER:g},{words}")
    seen = simulated.serve(engine, joined(list(trace.chunks())))
    ours = {"ttft": float(np.mean(seen.ttft)), "tpot": seen.between}
    for one in measured:
        yield one.metric, ours[one.metric] / one.value
