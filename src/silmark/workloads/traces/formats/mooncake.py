"""Mooncake traces (FAST 2025): times in milliseconds, lengths, and an id for every 512 tokens of the prompt.

https://github.com/kvcache-ai/Mooncake. The last id of a prompt stands for a block that is only partly filled.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from silmark.workloads.traces.formats.format import SHIFTS, Format, Reading
from silmark.workloads.traces.formats.hashed import Hashed, rows
from silmark.workloads.traces.rows import Columns

BLOCK = 512
_KEYS = Hashed("timestamp", "input_length", "output_length", "hash_ids")


def read(path: Path, reading: Reading) -> Iterator[Columns]:
    """Rows of `{"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1, ...]}`."""
    return rows(path, _KEYS, SHIFTS[reading.unit or "ms"], BLOCK)


FORMAT = Format("mooncake", "times, lengths, prefixes", "jsonl", frozenset(_KEYS), read, block=BLOCK)
