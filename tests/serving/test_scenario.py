"""Files of scenarios: what is wrong with them is said with scenario, key and remedy."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.api.replay import replay_scenarios
from silmark.errors import BadFile, SilmarkError
from silmark.serving.scenario import parse, read

REQUEST = {"id": "a", "arrive_step": 0, "segments": [[0, 20]], "out": 3}
PLAIN = {"max_num_seqs": 2, "max_num_batched_tokens": 64, "block_size": 16, "num_blocks": 4, "requests": [REQUEST]}


def _with(path: str, value: Any) -> dict[str, Any]:
    changed = json.loads(json.dumps(PLAIN))
    *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
    at = changed
    for part in way:
        at = at[part]
    at[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("num_blocks", 0, "s.num_blocks: Input should be greater than or equal to 2"),
        ("num_blocks", "9", "s.num_blocks: Input should be a valid integer"),
        ("num_blocks", 2, "expected num_blocks of at least 3"),
        ("num_blocks", 1 << 40, "less than or equal"),
        ("blocks", 9, "s.blocks: unknown key; known are max_num_seqs"),
        ("policy", "lifo", "s.policy: Input should be 'fcfs' or 'priority'"),
        ("watermark", float("nan"), "s.watermark"),
        ("max_num_seqs", 65, "s.max_num_seqs: expected at most max_num_batched_tokens"),
        ("prefix_caching", 1, "s.prefix_caching: Input should be a valid boolean"),
        ("requests", [], "s.requests"),
        ("requests", [REQUEST, REQUEST], "an id of its own"),
        ("requests.0.tokens", 1, "s.requests.0.tokens: unknown key; known are id, arrive_step"),
        ("requests.0.segments", [[5, 5]], "s.requests.0.segments: expected [start, stop) with start below stop"),
        ("requests.0.segments", [[0, 1 << 39]], "expected less than max_model_len"),
        ("requests.0.out", 0, "s.requests.0.out"),
    ],
)
def test_what_is_wrong_is_named(path: str, value: Any, says: str) -> None:
    with pytest.raises(BadFile) as caught:
        parse(_with(path, value), "f.json", "s")
    assert str(caught.value).startswith("f.json: ")
    assert says in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"{", b"\x1f\x8b\x08", b"[" * 100_000, b'{"s": 1}'])
def test_what_is_no_file_of_scenarios_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "in.json"
    path.write_bytes(content)
    with pytest.raises(SilmarkError):
        read(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "in.json.gz"
    path.write_bytes(gzip.compress(b" " * (1 << 28) + b"{}", 1))
    with pytest.raises(BadFile, match="256 MiB"):
        read(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=300)
@given(st.sampled_from([*PLAIN, "watermark", "policy", "requests.0.segments", "requests.0.out", "requests.0"]), JSON)
def test_any_value_in_any_place_is_an_error_with_a_name_or_fine(path: str, value: Any) -> None:
    try:
        scenario = parse(_with(path, value), "f.json", "s")
    except BadFile:
        pass
    else:
        assert scenario.requests.rows.size == 1


def test_steps_are_written(tmp_path: Path) -> None:
    source, target = tmp_path / "in.json.gz", tmp_path / "out.json.gz"
    source.write_bytes(gzip.compress(json.dumps({"s": {"config": PLAIN}}).encode()))
    assert replay_scenarios(source, target) == {"s": 3}
    steps = json.loads(gzip.decompress(target.read_bytes()))["s"]
    assert [step["sched"] for step in steps] == [{"a": 20}, {"a": 1}, {"a": 1}]
    assert steps[-1]["finished"] == ["a"]


def test_a_request_that_can_never_start_is_named(tmp_path: Path) -> None:
    source = tmp_path / "in.json"
    whole = PLAIN | {"enable_chunked_prefill": False, "max_num_scheduled_tokens": 10}
    source.write_text(json.dumps({"s": whole}))
    with pytest.raises(BadFile, match=r"s: scenario: .*'a'.* never can"):
        replay_scenarios(source, tmp_path / "out.json")
