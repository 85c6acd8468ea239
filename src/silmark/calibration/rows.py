"""Measured rows that fits read: `$SILMARK_DATA/measurements/public/*.csv.gz`, never anything else there."""

from __future__ import annotations

import csv
import gzip
import os
from functools import cache
from pathlib import Path

import numpy as np

from silmark.errors import BadFile, BadValue
from silmark.graph import Array

CHIPS = {
    "a100_sxm": "nvidia-a100-sxm4-80gb",
    "h100_sxm": "nvidia-h100-sxm5-80gb",
    "b200_sxm": "nvidia-b200-sxm-180gb",
    "a100": "nvidia-a100-sxm4-80gb",
    "a40": "nvidia-a40-48gb",
    "A100": "nvidia-a100-sxm4-80gb",
    "RTX4090": "nvidia-rtx-4090-24gb",
    "H20": "nvidia-h20-96gb",
}
"""Hardware as the operator tables name it -> id of the chip."""
END_TO_END = {
    "A100-SXM-80GB": "nvidia-a100-sxm4-80gb",
    # The table does not say which. On one card Llama-2-7B in fp16 stops gaining throughput at 16 sequences of 2048
    # tokens (17 GB of cache) and loses half of it at 16 of 4096 (34 GB): 13.5 GB of weights leave room for that in
    # 80 GB, not in 40.
    "A100-40GB/80GB(ALCF)": "nvidia-a100-sxm4-40gb",
    "H100-SXM-80GB": "nvidia-h100-sxm5-80gb",
    "H200-SXM-141GB": "nvidia-h200-sxm-141gb",
    "L40S-48GB": "nvidia-l40s-48gb",
    "B200-180GB": "nvidia-b200-sxm-180gb",
    "RTX4090": "nvidia-rtx-4090-24gb",
    # Two of them hold 140 GB of weights in the table, so a device is the package of 128 GB.
    "MI250": "amd-mi250-128gb",
    "MI300X-192GB": "amd-mi300x-192gb",
    "Intel Max 1550 (PVC)": "intel-max-1550-128gb",
    "Gaudi1": "intel-gaudi-1-32gb",
    "Gaudi2": "intel-gaudi-2-96gb",
}
"""The same for the end-to-end tables."""

Row = dict[str, str]


def folder() -> Path:
    """The folder of the public tables; raises BadValue if SILMARK_DATA is not set."""
    root = os.environ.get("SILMARK_DATA")
    if not root:
        raise BadValue("SILMARK_DATA", "", "the folder that holds measurements/public; set it in the environment")
    return Path(root) / "measurements" / "public"


@cache
def table(name: str) -> tuple[Row, ...]:
    """Rows of one public table, flagged and unsplit ones left out."""
    path = folder() / f"{name}.csv.gz"
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    return tuple(row for row in rows if row.get("split") == "public" and row.get("flag", "") != "IMPOSSIBLE")


def numbers(rows: list[Row], column: str) -> Array:
    """One column as numbers, 0 where empty."""
    return np.array([float(row[column] or 0.0) for row in rows])


def grouped(rows: list[Row], *keys: str) -> dict[tuple[str, ...], list[Row]]:
    """Rows by the values of some columns, in the order of first appearance."""
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    return groups
