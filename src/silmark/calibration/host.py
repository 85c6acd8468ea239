"""Fits `host`, the user's own processor, on rows of `silmark measure` and writes the user's calibration file.

Peaks, bandwidths and the launch are read off the rows; `calibration.host_fit` fits the ratios of the cpu family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from silmark.calibration import points
from silmark.calibration.host_fit import FITTED, batched, parameters, residuals
from silmark.calibration.measure import rows as table
from silmark.chips import Chip, host
from silmark.errors import BadFile
from silmark.figures import Figure, Grade
from silmark.figures.tables import read_toml

LEAST_ROWS = 8
"""Products of one format that a fit needs."""
_LARGE = 2.0
"""Copies above this many last-level caches measure the main memory, and those below half of one the cache."""


def run(path: Path) -> Path:
    """Fits the rows of a file and writes the user's calibration; returns where it lies.

    Raises:
        BadFile: rows that are not of this machine's processor, too few of them, or a folder that cannot be written.
    """
    measured = check(path)
    chip, leaves = facts(measured)
    batches = [b for kind in FITTED for b in batched(measured, kind)]
    values, entries = parameters(chip, batches)
    tables = {f"residuals.{k.replace(' ', '_')}": v for k, v in residuals(chip, batches, measured, values).items()}
    head: dict[str, str | int] = {
        "family": "host",
        "machine": host.machine(),
        "threads": int(measured[0]["threads"]),
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"silmark calibrate host --rows {path.name}",
        "data": f"{path.name}, measured {measured[0]['date']} with {measured[0]['library_versions']}",
        "rows": len(measured),
    }
    target = host.own_file()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        points.write(target, head, {**leaves, **entries}, tables)
    except OSError as error:
        raise BadFile(target, f"{error.strerror or 'cannot be written'}; set SILMARK_HOME to another folder") from None
    host.host.cache_clear()
    return target


def summary() -> list[tuple[str, Mapping[str, float]]]:
    """Residuals by kind and format, as the user's calibration file holds them."""
    residual = read_toml(host.own_file()).get("residuals", {})
    return [(str(label).replace("_", " "), row) for label, row in residual.items()]


def check(path: Path) -> list[dict[str, str]]:
    """Rows of a file that describe this machine's processor."""
    found = [row for row in table.read(path) if not row["flag"]]
    foreign = [row for row in found if row["system"] != "cpu" or row["device"] != host.machine()]
    if foreign:
        name = foreign[0]["device"]
        raise BadFile(path, f"measured on {name!r}, not on this processor ({host.machine()}); measure again", "device")
    if len({row["threads"] for row in found}) > 1:
        raise BadFile(path, "rows of several thread counts; measure with one", "threads")
    products: dict[str, int] = {}
    for row in found:
        if row["kind"] == "gemm":
            products[row["gemm_dtype"]] = products.get(row["gemm_dtype"], 0) + 1
    if max(products.values(), default=0) < LEAST_ROWS:
        most = max(products.values(), default=0)
        raise BadFile(
            path, f"{most} undisturbed products of one format, {LEAST_ROWS} are needed; raise --budget", "gemm"
        )
    return found


def facts(measured: Sequence[table.Row]) -> tuple[Chip, dict[str, points.Leaf]]:
    """The host with what the rows say directly, and the same as entries of the calibration file."""
    leaves: dict[str, points.Leaf] = {}

    def put(key: str, best: float, usual: float, unit: str, note: str) -> None:
        low, high = sorted((best, usual))
        leaves[f"chip.{key}"] = points.leaf(best, low, high, unit, source=host.SOURCE, grade="measured", note=note)

    for dtype in dict.fromkeys(table.dtype(row) for row in measured if row["kind"] == "gemm"):
        own = [row for row in measured if row["kind"] == "gemm" and table.dtype(row) == dtype]
        top = min(own, key=lambda row: float(row["best_us"]) / table.flops(table.point(row)))
        work = table.flops(table.point(top)) * 1e6
        note = f"best product: m, n, k = {top['m']}, {top['n']}, {top['k']}; the library's ceiling, not the silicon's"
        put(f"peak.{dtype}", work / float(top["best_us"]), work / float(top["time_us"]), "FLOP/s", note)
    copies = [(float(r["bytes"]), float(r["best_us"]), float(r["time_us"])) for r in measured if r["kind"] == "copy"]
    cache = host.cache_bytes()
    for key, some, note in (
        ("memory.main.bandwidth", [c for c in copies if c[0] > _LARGE * cache], "copies beyond the cache"),
        ("memory.cache.bandwidth", [c for c in copies if c[0] < cache / 2], "copies within it"),
    ):
        if some:
            best, usual = (max(2e6 * c[0] / c[i] for c in some) for i in (1, 2))
            put(key, best, usual, "B/s", f"{note}, reads and writes")
    for row in measured:
        if row["kind"] == "launch":
            put("compute.launch", float(row["best_us"]) * 1e-6, float(row["time_us"]) * 1e-6, "s", "one-element add")
    threads = float(measured[0]["threads"])
    put("compute.units", threads, threads, "1", "threads of the measurement")
    put("software.maturity", 1.0, 1.0, "1", "measured on this stack")
    return _with(host.guess(), {key.removeprefix("chip."): leaf for key, leaf in leaves.items()}), leaves


def _with(chip: Chip, leaves: Mapping[str, points.Leaf]) -> Chip:
    figures = dict(chip.figures)
    for key, leaf in leaves.items():
        value, low, high = (float(leaf[name]) for name in ("value", "low", "high"))
        figures[key] = Figure(key, value, low, high, str(leaf["unit"]), host.SOURCE, Grade.MEASURED)
    return replace(chip, evidence="measured", figures=figures)
