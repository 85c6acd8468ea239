"""Sweeps of a million points: of one plan, of a million, of something between; writes their times to docs/sweep.md.

    python benchmarks/sweep.py

Wall seconds are of the whole command, CPU seconds of it and of the processes that it waited for (a cluster's own are
not among them). All folders must hold the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

from silmark.api.sweep import check

HERE = Path(__file__).resolve().parent
PLANS, POINTS, ONE = (HERE / f"{name}.toml" for name in ("million_plans", "million_points", "one_plan"))
PAGE = HERE.parent / "docs" / "sweep.md"
START, END = "<!-- million:start -->", "<!-- million:end -->"
_LIBRARIES = {"local": "pyarrow", "ray": "ray", "dask": "distributed"}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the command.

    Attributes:
        label: engine and processes.
        wall_s, cpu_s: seconds.
        digest: of all files in order.
        size: bytes of all files.
    """

    label: str
    wall_s: float
    cpu_s: float
    digest: str
    size: int


def timed(grid: Path, engine: str, workers: int, folder: Path) -> Run:
    """Runs a sweep into a new folder."""
    command = [sys.executable, "-m", "silmark", "sweep", str(grid), "-o", str(folder)]
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*command, "--engine", engine, "--workers", str(workers)], check=True, capture_output=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    digest, size = hashlib.sha256(), 0
    for path in sorted(folder.glob("*.parquet")):
        digest.update(path.read_bytes())
        size += path.stat().st_size
    return Run(f"{engine}, {workers} process{'es' if workers > 1 else ''}", wall, cpu, digest.hexdigest(), size)


def shape(grid: Path) -> str:
    """How large a grid is."""
    trial = check(grid)
    return f"{trial.points:,} points of {trial.plans:,} plan{'s' if trial.plans > 1 else ''}"


def main() -> None:
    """Measures, prints, and writes the page."""
    cores = os.cpu_count() or 1
    staff = [("local", 1), *((engine, cores) for engine, library in _LIBRARIES.items() if find_spec(library))]
    with tempfile.TemporaryDirectory() as root:
        one, plans = timed(ONE, "local", 1, Path(root) / "one"), timed(PLANS, "local", cores, Path(root) / "plans")
        runs = [
            timed(POINTS, engine, count, Path(root) / f"{engine}-{count}") for engine, count in dict.fromkeys(staff)
        ]
    if len({run.digest for run in runs}) > 1:
        raise SystemExit("the engines' files differ: " + ", ".join(f"{run.label} {run.digest[:8]}" for run in runs))
    lines = [f"| {ONE.name}, {shape(ONE)} | {one.label} | {one.wall_s:.1f} s | {one.cpu_s:.1f} s |"]
    lines.append(f"| {PLANS.name}, {shape(PLANS)} | {plans.label} | {plans.wall_s:.0f} s | {plans.cpu_s:.0f} s |")
    for run in runs:
        cpu = f"{run.cpu_s:.0f} s" if run.label.startswith("local") else "-"
        lines.append(f"| {POINTS.name}, {shape(POINTS)} | {run.label} | {run.wall_s:.0f} s | {cpu} |")
    where = f"{platform.machine()} with {cores} cores, Python {platform.python_version()}"
    text = "\n".join(
        [
            "| grid | engine | wall | CPU |",
            "|---|---|---|---|",
            *lines,
            "",
            f"All engines wrote the same {runs[0].size / 1e6:.0f} MB of the last grid (SHA-256 {runs[0].digest[:12]}).",
            f"Measured {datetime.now(UTC):%Y-%m-%d} on {where}, by",
            "`python benchmarks/sweep.py`.",
        ]
    )
    print(text)
    page = PAGE.read_text(encoding="utf-8")
    head, _, rest = page.partition(START)
    PAGE.write_text(f"{head}{START}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
