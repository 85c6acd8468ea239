"""End-to-end rows: those measured in public (`$SILMARK_DATA/measurements/public`), and questions without a value.

The tables come from outside, so they are read as strangers' files: size, number of rows and every number are
bounded. A row that cannot be read is dropped and counted, a file that cannot be read is an error.
"""

from __future__ import annotations

import csv
import gzip
import io
import math
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from silmark.calibration.rows import folder
from silmark.errors import BadFile

TABLES = (
    "trtllm_docs_throughput",
    "argonne_llm_inference_bench",
    "argonne_ttft_power_parallel",
    "inferencemax_nvidia_ttft_tpot",
    "gaudi_optimum_habana",
    "serving_misc",
    "mlperf_inference_llm",
)
MAX_BYTES = 64 << 20
"""Of an unpacked table; the largest takes 4 MB."""
MAX_ROWS = 200_000
_MAX_TEXT = 300
_COUNTS = {
    "n_devices": 100_000,
    "tp": 4096,
    "pp": 4096,
    "dp": 4096,
    "ep": 4096,
    "batch": 1_000_000,
    "concurrency": 1_000_000,
    "isl": 10_000_000,
    "osl": 10_000_000,
}
_ZEROS = ("dp", "ep")
"""Some rows write 0 where a cut is not used."""
_TEXTS = ("hardware", "model", "precision", "metric", "unit", "engine", "engine_version", "notes", "flag", "split")
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number and its conditions; a count is None where the source does not say.

    Attributes:
        value: seconds, tokens per second or watts; not a number where the row is a question.
        scale: the row's unit in these units.
        per_gpu: the rate is that of one device.
        rate: requests that arrive per second, where the table has a column for it.
    """

    table: str
    line: int
    hardware: str
    model: str
    precision: str
    metric: str
    unit: str
    engine: str
    version: str
    notes: str
    value: float
    scale: float
    per_gpu: bool
    devices: int | None
    tp: int | None
    pp: int | None
    dp: int | None
    ep: int | None
    batch: int | None
    concurrency: int | None
    isl: int | None
    osl: int | None
    rate: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one table, and why others were left out."""

    name: str
    rows: tuple[Row, ...]
    dropped: Counter[str] = field(default_factory=Counter)


def read(name: str, where: Path | None = None) -> Table:
    """One public table; rows that are flagged or not in the public split are dropped.

    Raises:
        BadFile: not a gzip file of CSV text, too large, or without the columns.
    """
    path = (where or folder()) / f"{name}.csv.gz"
    dropped: Counter[str] = Counter()
    kept: list[Row] = []
    try:
        lines = csv.DictReader(io.StringIO(unpacked(path), newline=""))
        missing = {"value", *_TEXTS, *_COUNTS} - set(lines.fieldnames or ())
        if missing:
            raise BadFile(path, f"no column {', '.join(sorted(missing))}")
        for number, cells in enumerate(lines, start=2):
            if number > MAX_ROWS:
                raise BadFile(path, f"more than {MAX_ROWS:,} rows")
            row = _row(name, number, cells)
            if isinstance(row, Row):
                kept.append(row)
            else:
                dropped[row] += 1
    except csv.Error as error:
        raise BadFile(path, f"not CSV: {error}") from None
    return Table(name, tuple(kept), dropped)


def unpacked(path: Path) -> str:
    """Text of a file, packed (`.gz`) or not, of at most MAX_BYTES; raises BadFile."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise BadFile(path, "not a whole gzip file") from None
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    if len(data) > MAX_BYTES:
        raise BadFile(path, f"larger than {MAX_BYTES >> 20} MiB unpacked; divide it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadFile(path, "not UTF-8 text") from None


def _row(table: str, line: int, cells: dict[str, str | None]) -> Row | str:
    """The row, or why it is left out."""
    if None in cells or None in cells.values():
        return "cells do not match the columns"
    if str(cells["split"]).strip() != "public" or str(cells["flag"]).strip():
        return "flagged or not public"
    row = parse({key: str(cell) for key, cell in cells.items()}, table, line)
    if isinstance(row, Row) and not 0 < row.value < 1e15:
        return "value is not a number above 0"
    return row


def parse(cells: Mapping[str, str], table: str, line: int = 0) -> Row | str:
    """A row from its cells, measured or a question, or what is wrong with it; missing columns count as empty."""
    text = {key: str(cells.get(key) or "").strip()[:_MAX_TEXT] for key in _TEXTS}
    value = _number(cells.get("value"))
    counts: dict[str, int | None] = {}
    for key, top in _COUNTS.items():
        cell = str(cells.get(key) or "").strip()
        count = _number(cell) if cell else None
        if cell and (count is None or not 0.5 <= count <= top) and not (count == 0 and key in _ZEROS):
            return f"{key} is not a number from 1 to {top:,}"
        counts[key] = None if not count else max(1, round(count))
    scale = _SECONDS.get(text["unit"], 1.0)
    return Row(
        table=table,
        line=line,
        hardware=text["hardware"],
        model=text["model"],
        precision=text["precision"],
        metric=text["metric"],
        unit=text["unit"],
        engine=text["engine"],
        version=text["engine_version"],
        notes=text["notes"],
        value=math.nan if value is None else value * scale,
        scale=scale,
        per_gpu=text["unit"].lower().endswith(("/gpu", "/chip")),
        devices=counts["n_devices"],
        tp=counts["tp"],
        pp=counts["pp"],
        dp=counts["dp"],
        ep=counts["ep"],
        batch=counts["batch"],
        concurrency=counts["concurrency"],
        isl=counts["isl"],
        osl=counts["osl"],
        rate=_number(cells.get("rate_per_s")),
    )


def _number(cell: str | None) -> float | None:
    try:
        value = float(cell or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None
