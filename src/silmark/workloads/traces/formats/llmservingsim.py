"""LLMServingSim workloads: times in nanoseconds, lengths, and the prompt's own tokens.

https://github.com/casys-kaist/LLMServingSim. Tokens of a vocabulary hardly ever count up, so that most are runs of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from silmark.workloads.traces.cells import exact
from silmark.workloads.traces.formats.format import SHIFTS, Format, Reading
from silmark.workloads.traces.records import Builder, Run, by_line, tokens
from silmark.workloads.traces.rows import MAX_ID, Columns, Fault

_KEYS = ("arrival_time_ns", "input_toks", "output_toks")
_IDS = "input_tok_ids"


def read(path: Path, reading: Reading) -> Iterator[Columns]:
    """Rows with `arrival_time_ns`, `input_toks`, `output_toks` and `input_tok_ids`."""
    builder = Builder()
    for line, record in by_line(path):
        if record is None or not all(key in record for key in _KEYS):
            builder.broken(line)
        else:
            prompt = tokens(record, "input_toks")
            ids = record.get(_IDS) or None
            runs = _runs(ids, prompt) if ids is not None else []
            builder.add(
                line,
                (prompt, tokens(record, "output_toks")),
                exact(record["arrival_time_ns"], SHIFTS[reading.unit or "ns"]),
                runs or [],
                fault=Fault.IDS if runs is None else Fault.NONE,
            )
        if builder.full:
            yield builder.columns()
            builder = Builder()
    yield builder.columns()


def _runs(ids: object, prompt: int) -> list[Run] | None:
    """Runs of the tokens; None where they are not so many tokens."""
    if not isinstance(ids, list) or len(ids) != prompt or not all(type(one) is int for one in ids):
        return None
    if not 0 <= min(ids) <= max(ids) < MAX_ID:
        return None
    found = np.array(ids, dtype=np.int64)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.flatnonzero(np.diff(found) != 1) + 1])
    return list(zip(found[starts].tolist(), np.diff(starts, append=found.size).tolist(), strict=True))


FORMAT = Format("llmservingsim", "times, lengths, tokens", "jsonl", frozenset({*_KEYS, _IDS}), read)
