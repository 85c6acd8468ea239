"""Azure LLM inference traces of 2023 and 2024: a time of 100 ns and two lengths per request.

https://github.com/Azure/AzurePublicDataset: Splitwise (ISCA 2024), DynamoLLM (HPCA 2025).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from silmark.workloads.traces.cells import fixed, timestamps
from silmark.workloads.traces.formats.format import Format, Reading
from silmark.workloads.traces.formats.tables import tables
from silmark.workloads.traces.rows import Columns

_WANTED = {"arrival": "TIMESTAMP", "prompt": "ContextTokens", "output": "GeneratedTokens"}


def read(path: Path, _: Reading) -> Iterator[Columns]:
    """Rows of `TIMESTAMP,ContextTokens,GeneratedTokens`."""
    for table, cells in tables(path, _WANTED):
        yield Columns(
            table.lines,
            timestamps(cells["arrival"]),
            fixed(cells["prompt"], 0),
            fixed(cells["output"], 0),
            table.fault,
        )


FORMAT = Format("azure", "times, lengths", "csv", frozenset(name.lower() for name in _WANTED.values()), read)
