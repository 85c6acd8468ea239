"""ShareGPT: conversations in words, without times; tokens are counted by a tokenizer or taken from the letters.

`vllm bench` takes the first question and answer of every conversation of at least two messages, and of those only the
ones that `--filter vllm` leaves: at least 4 tokens each, a prompt of at most 1,024, both of at most 2,048.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from silmark.workloads.traces.formats.format import Format, Reading
from silmark.workloads.traces.records import ALONE, Builder, Record, Ties, in_array
from silmark.workloads.traces.rows import Columns, Fault

_SHORTEST, _LONGEST_PROMPT, _LONGEST = 4, 1024, 2048
"""vllm/benchmarks/datasets, is_valid_sequence (vLLM 0.33.0)."""
_MAX_MESSAGES = 10_000


def read(path: Path, reading: Reading) -> Iterator[Columns]:
    """Conversations of `[{"conversations": [{"from": "human", "value": "..."}, ...]}, ...]`."""
    builder, given, session = Builder(), 0, 0
    for line, record in in_array(path):
        messages = _messages(record)
        if messages is None:
            builder.broken(line)
        elif len(messages) < 2 or not all(messages[:2]):
            builder.broken(line, Fault.SHORT)
        else:
            lengths = [reading.count(text) for text in messages[: None if reading.turns == "all" else 2]]
            given = _turns(builder, line, lengths, reading, session, given)
            session += 1
        if builder.full:
            yield builder.columns(timed=False)
            builder = Builder()
    yield builder.columns(timed=False)


def _messages(record: Record | None) -> list[str] | None:
    """Texts of a conversation; None where the record is none."""
    found = None if record is None else record.get("conversations")
    if not isinstance(found, list) or len(found) > _MAX_MESSAGES:
        return None
    texts = [one["value"] for one in found if isinstance(one, dict) and isinstance(one.get("value"), str)]
    return texts if len(texts) == len(found) else None


def _turns(builder: Builder, line: int, lengths: list[int], reading: Reading, session: int, given: int) -> int:
    """Rows of one conversation: each prompt holds all that was said before it. Returns the first id still unused."""
    pause, said = round(reading.think_s * 1e9), 0
    for turn in range(0, len(lengths) - 1, 2):
        new, answer = lengths[turn : turn + 2]
        if not new or not answer:
            break
        prompt = said + new
        if reading.vllm_filter and not _taken(prompt, answer):
            builder.broken(line, Fault.FILTERED)
            break
        ties = Ties(session, pause if turn else -1, given + prompt) if reading.turns == "all" else ALONE
        builder.add(line, (prompt, answer), runs=[(given, prompt)] if reading.turns == "all" else [], ties=ties)
        said = prompt + answer
    return given + said


def _taken(prompt: int, answer: int) -> bool:
    """Whether `vllm bench` takes a question and its answer."""
    return min(prompt, answer) >= _SHORTEST and prompt <= _LONGEST_PROMPT and prompt + answer <= _LONGEST


FORMAT = Format(
    "sharegpt",
    "words, turns; no times",
    "json",
    frozenset({"conversations"}),
    read,
    timed=lambda _path, _reading: False,
)
