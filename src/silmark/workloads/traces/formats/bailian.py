"""Qwen-Bailian traces: times in seconds, lengths, the chat that a request goes on with, an id for every 16 tokens.

https://github.com/alibaba-edu/qwen-bailian-usagetraces-anon.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from silmark.workloads.traces.formats.format import SHIFTS, Format, Reading
from silmark.workloads.traces.formats.hashed import Hashed, rows
from silmark.workloads.traces.rows import Columns

BLOCK = 16
_KEYS = Hashed("timestamp", "input_length", "output_length", "hash_ids")
_CHAT, _PARENT = "chat_id", "parent_chat_id"


def read(path: Path, reading: Reading) -> Iterator[Columns]:
    """Rows with `chat_id`, `parent_chat_id` (-1 for the first of a chat), `timestamp`, lengths and `hash_ids`."""
    return rows(path, _KEYS, SHIFTS[reading.unit or "s"], BLOCK, (_CHAT, _PARENT))


FORMAT = Format(
    "bailian",
    "times, lengths, prefixes, sessions",
    "jsonl",
    frozenset({*_KEYS, _CHAT, _PARENT}),
    read,
    block=BLOCK,
)
