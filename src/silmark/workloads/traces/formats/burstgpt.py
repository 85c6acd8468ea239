"""BurstGPT: what users of one university asked ChatGPT and GPT-4 over months; https://github.com/HPMLL/BurstGPT.

Rows without response tokens are requests that failed; they are left out and counted. `vllm bench` also keeps the rows
of GPT-4 alone, which `--filter vllm` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from silmark.workloads.traces.cells import fixed
from silmark.workloads.traces.formats.format import Format, Reading
from silmark.workloads.traces.formats.tables import equal, header, sessions, tables
from silmark.workloads.traces.rows import Columns, Fault

_WANTED = {"arrival": "Timestamp", "model": "Model", "prompt": "Request tokens", "output": "Response tokens"}
_SESSION = "Session ID"
"""Later files have it; it is empty for calls of the interface for programs."""


def read(path: Path, reading: Reading) -> Iterator[Columns]:
    """Rows of `Timestamp,[Session ID,Elapsed time,]Model,Request tokens,Response tokens,...`."""
    known = {name.lower() for name in header(path)}
    for table, cells in tables(path, _WANTED | ({"session": _SESSION} if _SESSION.lower() in known else {})):
        found = Columns(
            table.lines,
            fixed(cells["arrival"], 9),
            fixed(cells["prompt"], 0),
            fixed(cells["output"], 0),
            table.fault,
            session=sessions(cells["session"]) if "session" in cells else None,
        )
        found.blame(found.output == 0, Fault.FAILED)
        if reading.vllm_filter:
            found.blame(np.logical_not(equal(cells["model"], b"GPT-4")), Fault.FILTERED)
        yield found


FORMAT = Format(
    "burstgpt", "times, lengths, sessions", "csv", frozenset(name.lower() for name in _WANTED.values()), read
)
