"""Each format: recognised by its content, and read to the last nanosecond and token."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import trace_files as files
from hypothesis import given
from hypothesis import strategies as st

from silmark.workloads import traces
from silmark.workloads.requests import Requests, Trace
from silmark.workloads.traces import Asked, formats
from silmark.workloads.traces.cells import Cells, exact_time, fixed, timestamps
from silmark.workloads.traces.rows import UNREAD

Sample = Callable[[str], Path]
Whole = Callable[[Trace], Requests]
NAMED = Asked(columns={"arrival": "ts", "prompt": "isl", "output": "osl"})


@pytest.mark.parametrize("name", files.SAMPLES)
def test_a_file_says_itself_what_it_is(name: str, sample: Sample) -> None:
    assert formats.recognised(sample(name)).name == name


@pytest.mark.parametrize(
    ("name", "step_ns"),
    [("azure", 100), ("mooncake", 10**6), ("bailian", 10**6), ("llmservingsim", 1), ("csv", 1), ("jsonl", 1)],
)
def test_times_and_lengths_are_those_of_the_file(name: str, step_ns: int, sample: Sample, whole: Whole) -> None:
    rows = whole(traces.open(sample(name), NAMED if name == "jsonl" else None)).rows
    assert rows["arrival_ns"].tolist() == files.since_first(step_ns)
    assert rows["prompt"].tolist() == files.PROMPTS
    assert rows["output"].tolist() == files.OUTPUTS
    assert (rows["delay_ns"] == -1).all()


def test_a_packed_file_is_the_same_trace(sample: Sample, whole: Whole, tmp_path: Path) -> None:
    packed = tmp_path / "a.csv.gz"
    packed.write_bytes(gzip.compress(files.azure().encode()))
    assert (whole(traces.open(packed)).rows == whole(traces.open(sample("azure"))).rows).all()


def test_failed_requests_of_burstgpt_are_left_out_and_counted(sample: Sample, whole: Whole) -> None:
    trace = traces.open(sample("burstgpt"))
    rows = whole(trace).rows
    assert rows["prompt"].tolist() == [one for at, one in enumerate(files.PROMPTS) if at % 10 != 9]
    assert trace.skipped == {"failed in the original: no response tokens": 5}
    assert rows["session"][:5].tolist() == [-1, 0, -1, 0, -1]
    only = traces.open(sample("burstgpt"), Asked(vllm_filter=True))
    assert whole(only).rows["prompt"].tolist() == [
        one for at, one in enumerate(files.PROMPTS) if at % 10 != 9 and at % 3 == 0
    ]


@pytest.mark.parametrize(("name", "size"), [("mooncake", 512), ("bailian", 16)])
def test_ids_of_blocks_become_runs_that_cover_the_prompt(name: str, size: int, sample: Sample, whole: Whole) -> None:
    found = whole(traces.open(sample(name)))
    lengths = [found.segments["length"][a:b].sum() for a, b in zip(found.bounds, found.bounds[1:], strict=False)]
    assert lengths == files.PROMPTS
    first = found.segments[found.bounds[:-1]]
    assert (first["start"] == 0).all()
    # Two shared blocks are one run; what comes behind them belongs to one request alone.
    assert (first["length"] <= 2 * size).all()
    own = np.delete(found.segments, found.bounds[:-1])
    own.sort(order="start")
    assert (own["start"][1:] >= (own["start"] + own["length"])[:-1]).all()


def test_chats_are_sessions(sample: Sample, whole: Whole) -> None:
    assert whole(traces.open(sample("bailian"))).rows["session"].tolist() == [at // 2 * 2 for at in range(files.COUNT)]


def test_real_tokens_become_runs(sample: Sample, whole: Whole) -> None:
    found = whole(traces.open(sample("llmservingsim")))
    prompt = files.PROMPTS[0]
    assert prompt > 5
    assert found.segments[: found.bounds[1]].tolist()[:3] == [(7, 3), (7, 1), (1000, 1)]
    assert found.bounds[1] == prompt - 2


def test_conversations_become_their_first_turn_or_all(sample: Sample, whole: Whole) -> None:
    path = sample("sharegpt")
    count: Asked = Asked(rate="1", count=len)
    trace = traces.open(path, count)
    rows = whole(trace).rows
    kept = [at for at in range(files.COUNT) if at % 4]
    assert rows["prompt"].tolist() == [files.PROMPTS[at] for at in kept]
    assert trace.skipped == {"conversation without a question and an answer": files.COUNT - len(kept)}
    every = whole(traces.open(path, Asked(rate="1", count=len, turns="all", think_s=2.5)))
    following = np.flatnonzero(every.rows["delay_ns"] >= 0)
    assert set(every.rows["delay_ns"][following]) == {2_500_000_000}
    for row in following:
        before, here = every.rows[row - 1], every.rows[row]
        assert here["session"] == before["session"]
        assert here["prompt"] == before["prompt"] + before["output"] + 40
        # All that was said before, the answer included, is the beginning of this prompt.
        (start, length), (then, _) = every.segments[row], every.segments[row - 1]
        assert start == then
        assert before["made"] == start + before["prompt"]
        assert length == here["prompt"]


def test_vllms_filter_of_conversations(sample: Sample, whole: Whole) -> None:
    rows = whole(traces.open(sample("sharegpt"), Asked(rate="1", count=len, vllm_filter=True))).rows
    pairs = [(files.PROMPTS[at], files.OUTPUTS[at]) for at in range(files.COUNT) if at % 4]
    assert rows["prompt"].tolist() == [p for p, o in pairs if 4 <= p <= 1024 and o >= 4 and p + o <= 2048]


def test_letters_stand_for_tokens_where_nobody_counts(sample: Sample, whole: Whole) -> None:
    rows = whole(traces.open(sample("sharegpt"), Asked(rate="1"))).rows
    assert rows["prompt"][0] == round(files.PROMPTS[1] / 3.3)


def test_columns_by_their_usual_names(sample: Sample, whole: Whole) -> None:
    rows = whole(traces.open(sample("csv"))).rows
    assert rows["priority"].tolist() == [at % 3 for at in range(files.COUNT)]
    ann = rows["session"][0]
    assert ann >= 0
    assert rows["session"].tolist() == [-1 if at % 5 else ann for at in range(files.COUNT)]


@pytest.mark.parametrize(("unit", "factor"), [("s", 10**9), ("ms", 10**6), ("us", 10**3), ("ns", 1)])
def test_units_of_times(unit: str, factor: int, tmp_path: Path, whole: Whole) -> None:
    path = tmp_path / "t.csv"
    path.write_text("when,prompt,output\n3,1,1\n10,1,1\n")
    rows = whole(traces.open(path, Asked(columns={"arrival": "when"}, unit=unit))).rows
    assert rows["arrival_ns"].tolist() == [0, 7 * factor]


def test_dates_in_a_plain_table(tmp_path: Path, whole: Whole) -> None:
    path = tmp_path / "t.csv"
    path.write_text("timestamp,prompt,output\n2024-02-28T23:59:59Z,1,1\n2024-03-01 01:00:00.5+01:00,1,1\n")
    assert whole(traces.open(path)).rows["arrival_ns"].tolist() == [0, 86_401_500_000_000]


def test_parquet_is_the_same_trace(sample: Sample, whole: Whole, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # noqa: PLC0415

    columns = {"prompt": files.PROMPTS, "output": files.OUTPUTS}
    plain = whole(traces.open(sample("csv"))).rows
    for arrival in (
        {"arrival_ns": files.ARRIVALS_NS},
        {"arrival_s": [one / 1e9 for one in files.ARRIVALS_NS]},
        {"timestamp": pa.array(files.ARRIVALS_NS, pa.timestamp("ns"))},
    ):
        path = tmp_path / "t.parquet"
        parquet.write_table(pa.table({**columns, **arrival}), path)
        rows = whole(traces.open(path)).rows
        for name in ("arrival_ns", "prompt", "output"):
            assert rows[name].tolist() == plain[name].tolist()


def cells(texts: list[str]) -> Cells:
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([len(one) + 1 for one in encoded]) - 1
    data = np.frombuffer(b",".join(encoded) + b",", dtype=np.uint8)
    return Cells(data, ends - [len(one) for one in encoded], ends)


decimals = st.decimals(0, 10**7, places=9).map(lambda one: format(one.normalize(), "f"))


@given(st.lists(st.one_of(decimals, st.integers(-(10**9), 10**9).map(str), st.floats(0, 1e6).map(str)), min_size=1))
def test_numbers_are_exact(texts: list[str]) -> None:
    expected = [int(Decimal(text).scaleb(9)) for text in texts]
    assert fixed(cells(texts), 9).tolist() == expected


@given(st.lists(st.text("0123456789.eE+-: nafi", max_size=25), min_size=1))
def test_what_is_no_number_is_not_read_as_one(texts: list[str]) -> None:
    for text, found in zip(texts, fixed(cells(texts), 0).tolist(), strict=True):
        try:
            number = Decimal(text.strip())
            whole_number = number.is_finite() and number == number.to_integral_value() and abs(number) < 10**18
        except ArithmeticError:
            whole_number = False
        assert found == (int(number) if whole_number else UNREAD), text


@given(st.lists(st.tuples(st.datetimes(), st.integers(0, 9999999), st.sampled_from(["", "Z", "+00:00"])), min_size=1))
def test_dates_by_arrays_are_those_one_by_one(moments: list[tuple[object, int, str]]) -> None:
    texts = [f"{moment:%Y-%m-%d %H:%M:%S}.{part:07d}{zone}".rjust(27, "0") for moment, part, zone in moments]
    assert timestamps(cells(texts)).tolist() == [exact_time(text) for text in texts]
