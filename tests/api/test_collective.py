"""`silmark collective`: words to answers, documents, tables, pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import silmark
from silmark.errors import SilmarkError
from silmark.fabric import PATTERNS
from silmark.report.schema import DOCUMENTS
from silmark.systems import names

Run = Callable[..., Any]
TWO = "16x:nvidia-h100-sxm5-80gb"


def test_the_fastest_algorithm_is_taken(run: Run) -> None:
    answer = silmark.collective("all-reduce", TWO, bytes_=["1KB", 64e6, "1GiB"])
    document = answer.as_dict()
    DOCUMENTS["collective"].model_validate(document)
    assert (document["units"], document["members_per_unit"]) == (2, 8)
    for row in document["rows"]:
        times = row["algorithms_s"]
        assert row["algorithm"] == min(times, key=times.get)
        assert row["time_s"]["low"] < row["time_s"]["mid"] < row["time_s"]["high"]
        assert row["time_s"]["mid"] == pytest.approx(times[row["algorithm"]])
    assert document["rows"][0]["algorithm"] == "all_reduce_tree", "NCCL's trees for small tensors"
    assert document["rows"][2]["bytes"] == 2.0**30
    printed = run("collective", "all-reduce", "--on", TWO, "--bytes", "1KB,64MB,1GiB", "--json")
    assert json.loads(printed.out) == document


def test_buffers_count_as_nccl_tests_counts_them() -> None:
    """Of an all-to-all's buffer one part stays; bus bandwidth never exceeds the links."""
    for pattern in PATTERNS:
        found = silmark.collective(pattern, "8x:h100", bytes_=1e9).estimate
        bus = found.bus(np.array([one.mid for one in found.time]))[0]
        limit = 450e9 * (9 / 8 * 1.75 if pattern == "all-reduce" else 1.0)  # switches that add exceed it
        assert 0.5 * 450e9 < bus < limit


def test_one_chip_has_nothing_to_exchange(run: Run) -> None:
    document = silmark.collective("all-gather", "h100").as_dict()
    DOCUMENTS["collective"].model_validate(document)
    assert document["rows"][0]["time_s"] == {"low": 0.0, "mid": 0.0, "high": 0.0}
    assert "nothing to exchange" in run("collective", "all-gather", "--on", "h100").out


def test_replicas_lie_apart() -> None:
    near, far = (silmark.collective("all-reduce", "64x:h100", members=8, apart=step).estimate for step in (1, 8))
    assert (near.reach.units, far.reach.units) == (1, 8)
    assert far.time[0].mid > near.time[0].mid


def test_the_table_explains_and_draws(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "a.svg"
    printed = run("collective", "all-reduce", "--on", TWO, "--bytes", "1KB,1GB", "--explain", "--plot", str(picture))
    assert printed.code == 0
    assert "all_reduce_in_switch_tree" in printed.out
    assert "calibration.fabric.network.gpu" in printed.out
    assert "nccl-tests-290" in printed.out
    assert picture.read_text().startswith("<?xml")
    assert run("collective", "all-reduce", "--on", TWO, "--plot", str(picture)).code == 2, "one size is no picture"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("all-reduced",), "all-reduce"),
        (("all-reduce", "--bytes", "5xx"), "64MB"),
        (("all-reduce", "--bytes", "0"), "1 byte"),
        (("all-reduce", "--bytes", "1e5"), "64MB"),
        (("all-reduce", "--bytes", ",".join(["1MB"] * 101)), "1 to 100 sizes"),
        (("all-reduce", "--bytes", "1us"), "64MB"),
        (("all-reduce", "--members", "17"), "1 to 16"),
        (("all-reduce", "--members", "0"), "members"),
        (("all-reduce", "--apart", "0"), "apart"),
        (("send", "--members", "3"), "members"),
    ],
)
def test_wrong_words_get_a_sentence(run: Run, words: tuple[str, ...], said: str) -> None:
    found = run("collective", *words, "--on", TWO)
    assert found.code == 2
    assert said in found.err
    assert "Traceback" not in found.err


@settings(max_examples=150)
@given(
    st.sampled_from([*PATTERNS, "x"]),
    st.one_of(st.sampled_from(names()), st.text(max_size=6)),
    st.one_of(
        st.sampled_from(["1KB", "64MB,1GiB", 1e6]),
        st.text(max_size=12),
        st.floats(),
        st.integers(),
        st.lists(st.floats(), max_size=3),
    ),
    st.one_of(st.none(), st.integers(-2, 100)),
    st.integers(-1, 20),
)
def test_any_words_are_an_answer_or_a_sentence(
    pattern: str, on: str, sizes: Any, members: int | None, apart: int
) -> None:
    try:
        document = silmark.collective(pattern, on, bytes_=sizes, members=members, apart=apart).as_dict()
    except SilmarkError:
        return
    DOCUMENTS["collective"].model_validate(document)
    json.dumps(document, allow_nan=False)
