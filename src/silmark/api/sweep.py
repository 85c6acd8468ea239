"""A sweep over a grid: names to values, then every point into a folder of Parquet files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, cast

from silmark import __version__, models, systems
from silmark.api import question
from silmark.api.question import Count
from silmark.api.single import asked_plan
from silmark.api.slo import slo as promises
from silmark.api.trace import opened
from silmark.errors import BadFile, SilmarkError
from silmark.mapping import Plan
from silmark.models import Model
from silmark.planning import sweep as sweeps
from silmark.planning.sweep import Cut, Done, Grid, Trial, Work, Workers
from silmark.planning.sweep.grid import Serving, Value
from silmark.serving.fleets import members
from silmark.serving.replica import Replica
from silmark.serving.run import Run, Sending, run
from silmark.systems import Target
from silmark.workloads.traces import catalogue

GridLike = str | Path | Mapping[str, Any]
_BUILT = "the grid"


def sweep(
    grid: GridLike,
    output: str | Path | None = None,
    *,
    engine: str = "local",
    workers: Count | None = None,
    address: str = "",
    fresh: bool = False,
    watch: sweeps.Watch | None = None,
) -> Done:
    """Evaluates every point of a grid into a folder of Parquet files; what a stopped run left there is kept.

    Args:
        grid: path of a TOML file, or the same as a mapping.
        output: folder; where neither it nor the grid names one, the file's name with `-sweep` behind it.
        engine: local, ray or dask; the files are the same to the last bit.
        workers: processes on this machine, one per core unless given.
        address: of a running Ray or Dask cluster.
        fresh: throw away what is in the folder.
        watch: called with the points that are done and all points.

    Raises:
        SilmarkError: a grid or folder that makes no sense, an extra that is not installed.
    """
    count = None if workers is None else question.whole("workers", workers)
    staff = Workers(engine, count, address)
    work = prepare(grid)
    return sweeps.run(work, folder(grid, work.grid, output), staff, fresh=fresh, watch=watch)


def check(grid: GridLike) -> Trial:
    """What a sweep would take: its points, plans and files, and about how long, from a few of its plans."""
    return sweeps.trial(prepare(grid))


def prepare(grid: GridLike) -> Work:
    """Reads a grid and loads all that it names."""
    where, found = (
        (_BUILT, sweeps.parse(_BUILT, grid)) if isinstance(grid, Mapping) else (grid, sweeps.read(Path(grid)))
    )
    loaded: dict[str, dict[str, Any]] = {"models": {}, "on": {}}
    for axis, load in (("models", _decoder), ("on", systems.target), ("precision", question.known_format)):
        for name in cast("list[str]", found.values(axis)):
            try:
                loaded.setdefault(axis, {})[name] = load(name)
            except SilmarkError as error:
                raise BadFile(where, str(error), axis) from None
    known = {"auto", "main", "sram", *(tier for target in loaded["on"].values() for tier in target.tiers())}
    strange = next((tier for tier in found.values("kv_in") if tier not in known), None)
    if strange is not None:
        raise BadFile(
            where, f"{str(strange)[:40]!r} is in none of the systems; known are {', '.join(sorted(known))}", "kv_in"
        )
    serve = None
    if found.serving is not None:
        serving = _serving(where, found.serving)
        found, serve = replace(found, serving=serving), partial(send, serving)
    return Work(found, loaded["models"], loaded["on"], __version__, lay, serve)


def send(asked: Serving, found: Replica, rate: Value) -> tuple[Run, bool | None]:
    """Sends a grid's trace to the servers of a plan."""
    promised = promises(asked.slo or None)
    trace = opened(asked.trace, rate=None if rate == "trace" else float(rate), limit=asked.limit, seed=asked.seed)
    done = run(members(found), trace, promised, Sending(seed=asked.seed, draws=0))
    return done, not promised.missed(done.values) if promised.limits else None


def _serving(where: str | Path, asked: Serving) -> Serving:
    """What is sent, with the digest of its file; raises BadFile."""
    try:
        promises(asked.slo or None)
        opened(asked.trace, rate=1.0, limit=asked.limit, seed=asked.seed)
        entry = catalogue.entries().get(asked.trace)
        path = Path(asked.trace) if entry is None else catalogue.path(entry)
    except SilmarkError as error:
        raise BadFile(where, str(error), "serving") from None
    if not path.is_file():
        return asked
    with path.open("rb") as stream:
        return replace(asked, digest=hashlib.file_digest(stream, "sha256").hexdigest())


def folder(grid: GridLike, found: Grid, output: str | Path | None) -> Path:
    """Where the results go."""
    named = "sweep" if isinstance(grid, Mapping) else f"{Path(grid).stem}-sweep"
    return Path(output or found.folder or named)


def lay(model: Model, target: Target, cut: Cut) -> Plan:
    """The plan of a cut, as `silmark estimate` would lay it."""
    ways = tuple(cut.sizes[name] for name in ("tp", "pp", "dp", "ep", "cp"))
    plan = asked_plan(model, target, ways, cut.precision, (cut.weights_in, cut.kv_in))
    return replace(plan, attention=cast("Literal['heads', 'batch']", cut.attention))


def _decoder(name: str) -> Model:
    model = models.load(name)
    if model.kind != "decoder":
        raise SilmarkError(f"{model.name} makes no tokens; a sweep takes models that do")
    return model
