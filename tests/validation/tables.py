"""Synthetic tables of the shape of the measured ones."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

COLUMNS = (
    *("source", "source_path", "licence", "vendor", "hardware", "n_devices", "model", "precision"),
    *("tp", "pp", "dp", "ep", "batch", "concurrency", "isl", "osl", "metric", "value", "unit"),
    *("engine", "engine_version", "notes", "flag", "split", "split_reason"),
)
PLAIN = {
    "hardware": "H100-SXM-80GB",
    "n_devices": "1",
    "model": "Llama 3.1 8B",
    "precision": "fp16",
    "tp": "1",
    "batch": "8",
    "isl": "512",
    "osl": "128",
    "metric": "output_throughput",
    "value": "900.0",
    "unit": "tokens/s",
    "engine": "TensorRT-LLM",
    "split": "public",
}


def text(*rows: dict[str, str]) -> bytes:
    """CSV text of rows that differ from a plain one by what is given."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows({**PLAIN, **row} for row in rows)
    return out.getvalue().encode()


def put(folder: Path, name: str, *rows: dict[str, str]) -> None:
    """Writes one packed table."""
    (folder / f"{name}.csv.gz").write_bytes(gzip.compress(text(*rows)))
