"""`silmark calibrate measurements`: a calibration of the user's own, from the tables of an installed aiconfigurator.

Rows become rows of the public operator tables (`calibration.perf_rows`), coefficients are fitted to them
(`calibration.own`), and the curves and error bars of operators are learned from what those coefficients leave. All
files are written at once, to a folder of the user's; answers rest on it only where SILMARK_CALIBRATION names it.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from silmark import fabric
from silmark.calibration import fabric as collectives
from silmark.calibration import gpu_gemm, gpu_moe, own, perf_files, perf_rows, rows
from silmark.chips import catalog, coefficients
from silmark.chips.mechanisms import gpu_kernels
from silmark.errors import BadFile, BadValue, fitting
from silmark.figures.own import FILES
from silmark.figures.tables import OWN_CALIBRATION, data_folder, shipped
from silmark.formats import Precision
from silmark.systems import spec
from silmark.systems.catalog import usual
from silmark.validation.operators import accuracy, bars
from silmark.validation.operators.columns import Columns
from silmark.validation.operators.kinds import KINDS

_ATTENDED = ("bfloat16", "float16", "fp8")
_SPREAD = re.compile(r"balanced|power_law_\d+(\.\d+)?")
_GPU = "nvidia"
Tables = dict[str, tuple[rows.Row, ...]]


def run(folder: Path, given: Path | None = None, most: int = perf_rows.MOST) -> Iterator[str]:
    """Fits and writes everything; yields lines about what was read, fitted and written.

    Args:
        folder: where to write; made if its parent is there.
        given: tables in place of the installed package's.
        most: rows that a fit takes of one file, 0 for all.

    Raises:
        MissingExtra: neither tables nor scipy are installed.
        BadFile, BadValue: a table or the folder cannot be used.
    """
    if not folder.resolve().parent.is_dir() or (folder.exists() and not folder.is_dir()):
        raise BadValue("output", str(folder), "a folder inside an existing one")
    source = perf_files.data_folder(given)
    tables = yield from _read(source, most)
    usable, refused = _usable(tables)
    for why, count in refused.most_common():
        yield f"{count:,} rows left out of the fits: {why}"
    if not any(usable.values()):
        raise BadFile(source, "no row of a chip, format and operator that the GPU model fits")
    data = f"{source}, at most {most or 'all'} rows of a file; errors are ln(predicted / measured)"
    with tempfile.TemporaryDirectory(prefix="silmark-") as made:
        staged = Path(made)
        for kind in FILES:
            (staged / kind).mkdir()
        with fitting("fitting", "measurements"), rows.instead(usable):
            yield from own.write_gpu(staged / "calibration" / "gpu.toml", data)
            yield from own.write_fabric(staged / "calibration" / "fabric.toml", data)
        yield from _operators(staged, tables, data)
        yield from _moved(staged, folder)
    yield f"set {OWN_CALIBRATION}={folder} to use it; without it the packaged calibration is used"


def _read(source: Path, most: int) -> Generator[str, None, Tables]:
    """Reads the newest release of every table; returns rows by public table."""
    found: dict[str, list[rows.Row]] = {}
    unknown: Counter[str] = Counter()
    for file in perf_files.newest(source, perf_rows.KINDS):
        if file.system not in rows.CHIPS:
            unknown[file.system] += 1
            continue
        done = perf_rows.read(file, most)
        found.setdefault(perf_rows.KINDS[file.name].table, []).extend(done.rows)
        left_out = "".join(f"; {count:,} left out: {why}" for why, count in done.dropped.most_common())
        what = f"{file.system} {file.library} {file.version} {file.name}"
        yield f"{what}: {len(done.rows):,} of {done.total:,} rows{left_out}"
    for system, count in unknown.items():
        yield f"{system}: {count:,} tables left out: Silmark has no such chip"
    return {name: tuple(some) for name, some in found.items()}


def _usable(tables: Tables) -> tuple[Tables, Counter[str]]:
    """Rows that the fits can take, and why others are left out."""
    refused: Counter[str] = Counter()
    kept: Tables = {}
    for name, some in tables.items():
        fit = []
        for row in some:
            why = _refusal(name, row)
            if why:
                refused[why] += 1
            else:
                fit.append(row)
        kept[name] = tuple(fit)
    return kept, refused


def _refusal(name: str, row: rows.Row) -> str:
    """Why a fit cannot take a row, empty if it can."""
    chip = catalog.load(rows.CHIPS[row["system"]])
    if chip.vendor.lower() != _GPU:
        return f"{row['system']}: coefficients are fitted to NVIDIA's chips"
    if "attn_dtype" in row:
        known = row["attn_dtype"] in _ATTENDED and row["kv_cache_dtype"] in _ATTENDED
        return "" if known else f"attention in {row['attn_dtype']} over {row['kv_cache_dtype']}"
    if "op" in row:
        return _collective_refusal(row)
    routed = "moe_dtype" in row
    dtype = row["moe_dtype"] if routed else row["gemm_dtype"]
    if dtype not in (gpu_moe.FORMATS_OF if routed else gpu_gemm.FORMATS_OF):
        return f"{dtype}: a format that the fit does not know"
    precision = gpu_moe.FORMATS_OF[dtype] if routed else Precision.of(gpu_gemm.FORMATS_OF[dtype])
    if precision.compute not in chip.formats:
        return f"{dtype} on {row['system']}, which does not multiply in it"
    if "distribution" in row and not _SPREAD.fullmatch(row["distribution"]):
        return f"experts chosen by {row['distribution']}"
    return ""


def _collective_refusal(row: rows.Row) -> str:
    system = usual(catalog.load(rows.CHIPS[row["system"]]))
    if row["op"] not in collectives.PATTERN or row["dtype"] not in collectives.BYTES:
        return f"{row['op']} of {row['dtype']}"
    if not 2 <= int(row["num_gpus"]) <= system.chips:
        return f"collectives of {row['num_gpus']} chips, a unit of {row['system']} has {system.chips}"
    return "" if system.topology == "switch" else f"{row['system']}: collectives are fitted on switches"


def _operators(staged: Path, tables: Tables, data: str) -> Iterator[str]:
    """Writes curves and quantiles of what the coefficients just fitted leave."""
    with _using(staged):
        kinds = {kind.table: kind for kind in KINDS}
        parts = [accuracy.table_of(kinds[name], _columns(some)) for name, some in tables.items() if some]
        found = accuracy.measured(parts)
        said = accuracy.judge(found)
        known = shipped("calibration")[bars.FILE]["residuals"]
        frame = accuracy.Frame(own.COMMAND, data, _foreign("curves"), _foreign("measured"), known)
        accuracy.write(found, said, staged, frame)
    for one in said:
        yield f"{one.kind}, {one.evidence}: median error {one.error:.1%} over {one.rows:,} rows"


def _columns(some: Sequence[rows.Row]) -> Columns:
    return Columns({name: [row[name] for row in some] for name in some[0]})


def _foreign(what: str) -> dict[str, Any]:
    """Packaged curves or conditions of chips other than GPUs; those of GPUs belong to the packaged coefficients."""
    table: dict[str, Any] = shipped("corrections")[bars.FILE][what]
    owners = {name: name.partition(" @ ")[2] for name in table}
    families = {owner: catalog.load(owner).family for owner in set(owners.values()) if owner}
    return {name: table[name] for name, owner in owners.items() if owner and families[owner] != "gpu"}


@contextmanager
def _using(staged: Path) -> Iterator[None]:
    """Mechanisms inside of this block rest on the coefficients of a folder, which gets packaged curves for now."""
    before = os.environ.get(OWN_CALIBRATION)
    for kind in FILES:
        shutil.copy(data_folder() / kind / f"{bars.FILE}.toml", staged / kind)
    os.environ[OWN_CALIBRATION] = str(staged)
    _forget()
    try:
        yield
    finally:
        if before is None:
            del os.environ[OWN_CALIBRATION]
        else:
            os.environ[OWN_CALIBRATION] = before
        _forget()


def _forget() -> None:
    """Drops what was read from calibration files."""
    bars.forget()
    accuracy.forget()
    fabric.forget()
    for kept in (coefficients.load, gpu_kernels.factors, spec.reached):
        kept.cache_clear()


def _moved(staged: Path, folder: Path) -> Iterator[str]:
    """Puts the files in place, whole ones only."""
    for kind, names in FILES.items():
        for name in names:
            target = folder / kind / f"{name}.toml"
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                scratch = target.with_suffix(f".{os.getpid()}")
                scratch.write_bytes((staged / kind / f"{name}.toml").read_bytes())
                scratch.replace(target)
            except OSError as error:
                raise BadFile(target, error.strerror or "cannot be written") from None
            yield f"wrote {target}"
