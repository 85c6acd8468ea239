"""Runs a sweep: hands out the shards that a folder lacks, and keeps what comes back."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from silmark.planning.sweep import engines
from silmark.planning.sweep.engines import Workers
from silmark.planning.sweep.evaluate import STATUSES, Compiler, Piece, evaluate_stretch
from silmark.planning.sweep.grid import Grid, Stretch
from silmark.planning.sweep.store import open_folder
from silmark.planning.sweep.table import arrow, encode
from silmark.planning.sweep.work import Work

SCHEMA = "silmark.sweep/1"
CHECK_SCHEMA = "silmark.sweep-check/1"
_SAMPLED_PLANS = 48
_SAMPLED_POINTS = 4096
_SAMPLED_SERVERS = 4
_GOLDEN = (math.sqrt(5) - 1) / 2

Watch = Callable[[int, int], None]
"""Is told how many points are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Done:
    """A sweep whose folder is complete.

    Attributes:
        folder: Parquet files, readable together.
        points: rows of all of them, `counts` by status.
        files: Parquet files, of which `kept` were there before.
        seconds: this run took.
    """

    folder: Path
    points: int
    counts: dict[str, int]
    files: int
    kept: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.sweep/1."""
        return {
            "schema": SCHEMA,
            "folder": str(self.folder),
            "points": self.points,
            "rows": dict(self.counts),
            "files": self.files,
            "files_kept": self.kept,
            "seconds": self.seconds,
        }


@dataclass(frozen=True, slots=True)
class Trial:
    """What a sweep would take, from a few plans of it.

    Attributes:
        points, plans, files: of the whole grid.
        cpu_seconds: of one core like this one.
        size_bytes: of all files.
    """

    points: int
    plans: int
    files: int
    cpu_seconds: float
    size_bytes: float

    def as_dict(self) -> dict[str, Any]:
        """The document of silmark.sweep-check/1."""
        return {"schema": CHECK_SCHEMA, **asdict(self)}


def run(work: Work, folder: Path, workers: Workers, *, fresh: bool = False, watch: Watch | None = None) -> Done:
    """Fills a folder with the files that it lacks.

    Args:
        work: the sweep.
        folder: made if it is not there; what a run of the same sweep left in it is kept.
        workers: who evaluates.
        fresh: throw away what is there.
        watch: told of the progress.

    Raises:
        SilmarkError: the folder holds something else, an extra is missing, a cluster cannot be reached.
    """
    arrow()
    start, grid = time.monotonic(), work.grid
    store = open_folder(folder, work, fresh)
    kept = len(store.lines)
    points = sum(_rows(grid, shard) for shard in store.lines)
    tell = watch or _silent
    tell(points, grid.points)
    missing = [shard for shard in range(grid.shards) if shard not in store.lines]
    if missing:
        with closing(engines.parts(work, missing, workers)) as parts:
            for part in parts:
                store.keep(part)
                points += _rows(grid, part.shard)
                tell(points, grid.points)
    store.tidy()
    counts: Counter[str] = Counter(dict.fromkeys(STATUSES, 0))
    for line in store.lines.values():
        counts.update(line.counts)
    return Done(folder, grid.points, dict(counts), grid.shards, kept, time.monotonic() - start)


def _rows(grid: Grid, shard: int) -> int:
    return min(grid.points, (shard + 1) * grid.rows_per_file) - shard * grid.rows_per_file


def _silent(done: int, total: int) -> None:
    del done, total


def trial(work: Work) -> Trial:
    """Evaluates a few plans, spread over the grid, and says what all would take."""
    grid, stretches = work.grid, list(_sample(work.grid))
    encode(grid, [evaluate_stretch(Compiler(work), stretch) for stretch in stretches])  # loads what is loaded once
    compiling = evaluating = 0.0
    pieces: list[Piece] = []
    for stretch in stretches:
        compiler = Compiler(work)
        first, again = _seconds(compiler, stretch, pieces), _seconds(compiler, stretch, [])
        compiling += max(0.0, first - again)
        evaluating += again
    (frame, framing), (size, writing) = _written(grid, []), _written(grid, pieces)
    evaluating += max(0.0, writing - framing)
    rows = sum(piece.rows for piece in pieces)
    compiled = sum(block.plans / (len(block.axes["chunk"]) * len(block.axes["dp"])) for block in grid.blocks)
    return Trial(
        points=grid.points,
        plans=grid.plans,
        files=grid.shards,
        cpu_seconds=compiling * compiled / len(stretches) + evaluating * grid.points / rows,
        size_bytes=frame * grid.shards + (size - frame) * grid.points / rows,
    )


def _seconds(compiler: Compiler, stretch: Stretch, pieces: list[Piece]) -> float:
    start = time.process_time()
    pieces.append(evaluate_stretch(compiler, stretch))
    return time.process_time() - start


def _written(grid: Grid, pieces: list[Piece]) -> tuple[int, float]:
    """Bytes of a file with these rows, and the seconds that it takes."""
    start = time.process_time()
    return len(encode(grid, pieces)), time.process_time() - start


def _sample(grid: Grid) -> Iterator[Stretch]:
    """The first points of plans spread over the grid by the golden ratio, which falls in with no axis."""
    sampled = _SAMPLED_PLANS if grid.serving is None else _SAMPLED_SERVERS
    wanted = sorted({int(grid.plans * (at * _GOLDEN % 1.0)) for at in range(sampled)})
    before = 0
    for block in grid.blocks:
        for plan in (number - before for number in wanted if before <= number < before + block.plans):
            yield Stretch(block, plan, 0, min(block.points_each, _SAMPLED_POINTS if grid.serving is None else 1), 0)
        before += block.plans
