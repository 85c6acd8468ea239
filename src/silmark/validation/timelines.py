"""Timelines: tables with a line per request, its arrival and lengths; one simulation per server.

The answer has `ttft_s` and `e2e_s` of every request, from its arrival. Where the table states no KV blocks, the
engine's own count is taken. Engines that share experts run in step and count as one of their joint size. Prompts are
taken to have nothing in common: the tables hold lengths only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from silmark.errors import SilmarkError
from silmark.figures import assumptions
from silmark.figures.tables import packaged
from silmark.graph import Array
from silmark.serving.arguments import EngineArgs
from silmark.serving.replica import Replica
from silmark.validation import simulated
from silmark.validation.operators.table import Table
from silmark.validation.rows import parse
from silmark.workloads.requests import REQUEST, Requests

COLUMNS = frozenset({"request_id", "arrival_s", "input_tokens", "output_tokens"})
_SERVER = (
    "hardware", "model", "engine", "engine_version", "tp", "max_num_seqs", "max_num_batched_tokens", "kv_blocks",
    "block_size",
)  # fmt: skip
_LIMITS = {"arrival_s": (0.0, 1e7), "input_tokens": (1.0, 1e7), "output_tokens": (1.0, 1e7)}
"""Numbers of a request that are taken, from and to."""
_MOST = 1 << 30


class Line(NamedTuple):
    """One request's answer; numbers are empty where there is none."""

    row_id: str
    ttft_s: str
    e2e_s: str
    ttft_low_s: str
    ttft_high_s: str
    e2e_low_s: str
    e2e_high_s: str
    grade: str
    why: str

    @property
    def mid(self) -> str:
        """The first of its numbers."""
        return self.ttft_s


@dataclass(frozen=True, slots=True)
class Answers:
    """Seconds of every request of a server, each the likely ones and their bounds; NaN where it was refused."""

    ttft: tuple[Array, Array, Array]
    e2e: tuple[Array, Array, Array]


def predict(asked: Table) -> list[Line]:
    """Answers every row, in order."""
    count, columns = len(asked.ids), asked.columns
    cells = {name: columns.text(name) if name in columns.names else [""] * count for name in _SERVER}
    numbers = {name: _numbers(columns.text(name), *limits) for name, limits in _LIMITS.items()}
    whole = ~np.isnan(np.stack(list(numbers.values()))).any(axis=0)
    lines = {
        int(at): _nothing(asked.ids[at], "arrival or lengths are not numbers in range") for at in np.flatnonzero(~whole)
    }
    servers: dict[tuple[str, ...], list[int]] = {}
    for at in np.flatnonzero(whole).tolist():
        servers.setdefault(tuple(cells[name][at] for name in _SERVER), []).append(at)
    for server, places in servers.items():
        some = {name: column[places] for name, column in numbers.items()}
        stated = dict(zip(_SERVER, server, strict=True))
        lines |= dict(zip(places, _served(stated, some, [asked.ids[at] for at in places]), strict=True))
    return [lines[at] for at in range(count)]


def engine(server: Mapping[str, str]) -> Replica | str:
    """The engine of a server's cells, or why it is not known."""
    beside = packaged("aliases").get("runs", {}).get(f"{server['hardware']} {server['model']}", {})
    tp, dp = _count(server["tp"]) or 1, int(beside.get("dp", 1))
    ways = {"tp": str(tp), "dp": str(dp), "ep": beside.get("ep", ""), "n_devices": str(tp * dp)}
    row = parse({**server, **ways, "precision": "bf16"}, "timelines")
    if isinstance(row, str):
        return row
    args = EngineArgs(
        version=row.version,
        usage="llm",
        max_num_seqs=_count(server["max_num_seqs"]),
        max_num_batched_tokens=_count(server["max_num_batched_tokens"]),
        block_size=_count(server["block_size"]),
        num_gpu_blocks=_count(server["kv_blocks"]),
    )
    return simulated.engine(row, args)


def requests(numbers: Mapping[str, Array]) -> Requests:
    """Requests in the order of the rows, which must be that of their arrivals."""
    rows = np.zeros(numbers["arrival_s"].size, dtype=REQUEST)
    rows["arrival_ns"] = np.rint(numbers["arrival_s"] * 1e9)
    rows["prompt"], rows["output"] = numbers["input_tokens"], numbers["output_tokens"]
    for name in ("delay_ns", "session", "made"):
        rows[name] = -1
    return Requests.unshared(rows)


def _served(server: Mapping[str, str], numbers: Mapping[str, Array], ids: Sequence[str]) -> Iterator[Line]:
    """Answers of one server's requests."""
    try:
        found = engine(server)
    except SilmarkError as problem:
        found = str(problem)
    if isinstance(found, str):
        yield from (_nothing(row, found) for row in ids)
        return
    answers = _answers(found, numbers)
    worst = simulated.grade_of(found.step_model)
    said = f"simulated: {found.engine}, {found.options.num_blocks} KV blocks of {found.options.block_size} tokens"
    for at, row in enumerate(ids):
        if np.isnan(answers.ttft[0][at]):
            yield _nothing(row, "longer than the engine's longest request")
        else:
            columns = (answers.ttft[0], answers.e2e[0], *answers.ttft[1:], *answers.e2e[1:])
            yield Line._make((row, *(f"{column[at]:.6g}" for column in columns), worst, said))


def _answers(found: Replica, numbers: Mapping[str, Array]) -> Answers:
    """Simulates the server as it is most likely, faster and slower."""
    order = np.argsort(numbers["arrival_s"], kind="stable")
    sent = requests({name: column[order] for name, column in numbers.items()})
    error, server = simulated.speed(found.step_model), assumptions("arrivals")["server.request"]
    runs = [simulated.serve(found, sent, factor) for factor in (error.value, error.low, error.high)]
    likely, *others = [(_back(run.name, run.ttft, order), _back(run.name, run.e2e, order)) for run in runs]
    kinds = []
    for kind in (0, 1):
        every = np.stack([likely[kind], *(other[kind] for other in others)])
        kinds.append((likely[kind], every.min(axis=0), every.max(axis=0) + server.high))
    return Answers(kinds[0], kinds[1])


def _back(name: NDArray[np.int64], seconds: Array, order: NDArray[np.intp]) -> Array:
    """Numbers of answered requests at the places of their rows."""
    found = np.full(order.size, np.nan)
    found[order[name]] = seconds
    return found


def _numbers(cells: Sequence[str], low: float, high: float) -> Array:
    """Numbers of cells; NaN where a cell is none, or out of range."""
    found = np.full(len(cells), np.nan)
    for at, cell in enumerate(cells):
        try:
            number = float(cell)
        except ValueError:
            continue
        found[at] = number if low <= number <= high else np.nan
    return found


def _count(cell: str) -> int | None:
    """A whole number of a cell, None where there is none."""
    number = _numbers([cell], 1, _MOST)[0]
    return None if np.isnan(number) else round(float(number))


def _nothing(row: str, why: str) -> Line:
    return Line._make((row, *[""] * (len(Line._fields) - 2), why))
