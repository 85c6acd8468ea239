"""Broken files and rows: a sentence with the line, or left out and counted; never in silence."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trace_files as files

from silmark.errors import SilmarkError
from silmark.workloads import traces
from silmark.workloads.requests import Requests, Trace
from silmark.workloads.traces import Asked
from silmark.workloads.traces.rows import CHUNK

Sample = Callable[[str], Path]
Whole = Callable[[Trace], Requests]
HEADER = "arrival,prompt,output\n"
FINE = "0,10,20\n1,11,21\n"
PROMPT = "prompt is not a whole number of tokens from 1 to 10,000,000"
OUTPUT = "output is not a whole number of tokens from 1 to 10,000,000"
EARLIER = "arrives before the row above it"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2,-5,20", PROMPT),
        ("2,0,20", PROMPT),
        ("2,10.5,20", PROMPT),
        ("2,10,0", OUTPUT),
        ("2,10,-1", OUTPUT),
        ("2,10,1000000000000", OUTPUT),
        ("2,10," + "9" * 60, OUTPUT),
        ("2,ten,20", PROMPT),
        ("2,,20", PROMPT),
        ("nan,10,20", "arrival is not a time"),
        ("inf,10,20", "arrival is not a time"),
        (",10,20", "arrival is not a time"),
        ("4e8,10,20", "arrival is more than ten years after the first; are the times in another unit?"),
        ("0.5,10,20", EARLIER),
        ("-1,10,20", EARLIER),
        ("2,10", "not a row of this format"),
        ("2,10,20,30", "not a row of this format"),
        ("\N{SNOWMAN}", "not a row of this format"),
    ],
)
def test_a_broken_row(row: str, reason: str, tmp_path: Path, whole: Whole) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{HEADER}{FINE}\n{row}\n3,12,22\n", encoding="utf-8")
    with pytest.raises(SilmarkError, match=r"t\.csv: line 5: ") as refused:
        whole(traces.open(path))
    assert reason in str(refused.value)
    trace = traces.open(path, Asked(bad_rows="skip"))
    assert whole(trace).rows["prompt"].tolist() == [10, 11, 12]
    assert trace.skipped == {reason: 1}


@pytest.mark.parametrize("cell", ["high", "1.5", "3000000000", "-3000000000", "nan"])
def test_a_broken_priority(cell: str, tmp_path: Path, whole: Whole) -> None:
    table, records = tmp_path / "t.csv", tmp_path / "t.jsonl"
    table.write_text(f"prompt,output,priority\n1,1,\n1,1,-7\n1,1,{cell}\n")
    records.write_text(
        '{"prompt": 1, "output": 1, "priority": null}\n{"prompt": 1, "output": 1, "priority": -7}\n'
        f'{{"prompt": 1, "output": 1, "priority": "{cell}"}}\n'
    )
    for path in (table, records):
        trace = traces.open(path, Asked(rate="1", bad_rows="skip"))
        assert whole(trace).rows["priority"].tolist() == [0, -7]
        assert trace.skipped == {"priority is not a whole number of 32 bits": 1}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("{", "not a row of this format"),
        ("[1]", "not a row of this format"),
        ('{"timestamp": 2000}', "not a row of this format"),
        ('{"timestamp": 2000, "input_length": 10, "output_length": 5, "hash_ids": [1, 2]}', "ids of tokens"),
        ('{"timestamp": 2000, "input_length": 10, "output_length": 5, "hash_ids": [-1]}', "ids of tokens"),
        ('{"timestamp": 2000, "input_length": 10, "output_length": 5, "hash_ids": ["a"]}', "ids of tokens"),
        ('{"timestamp": 2000, "input_length": 10, "output_length": 5, "hash_ids": [1e400]}', "ids of tokens"),
        ('{"timestamp": NaN, "input_length": 10, "output_length": 5}', "arrival is not a time"),
        ('{"timestamp": 1e999999999, "input_length": 10, "output_length": 5}', "arrival is not a time"),
        ('{"timestamp": true, "input_length": 10, "output_length": 5}', "arrival is not a time"),
        ('{"timestamp": 2000, "input_length": null, "output_length": 5}', PROMPT),
        ('{"timestamp": 2000, "input_length": %s, "output_length": 5}' % ("9" * 5000), "not a row of this format"),
        ("[" * 100_000, "not a row of this format"),
    ],
)
def test_a_broken_record(row: str, reason: str, tmp_path: Path, whole: Whole) -> None:
    fine = '{"timestamp": 0, "input_length": 600, "output_length": 5, "hash_ids": [1, 2]}\n'
    path = tmp_path / "t.jsonl"
    path.write_text(f"{fine}{row}\n", encoding="utf-8")
    with pytest.raises(SilmarkError, match=r"t\.jsonl: line 2: ") as refused:
        whole(traces.open(path))
    assert reason in str(refused.value)
    trace = traces.open(path, Asked(bad_rows="skip"))
    assert whole(trace).rows["prompt"].tolist() == [600]
    assert sum(trace.skipped.values()) == 1


def test_the_first_rows_are_named_and_the_rest_counted(tmp_path: Path, whole: Whole) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "".join(f"{at},0,1\n" for at in range(10)))
    with pytest.raises(SilmarkError, match=r"line 2: .*; line 3: .*; line 4: .*; and 7 more soon after"):
        whole(traces.open(path))


def test_prompts_longer_than_the_context(sample: Sample, whole: Whole) -> None:
    most = 3000
    trace = traces.open(sample("azure"), Asked(context=most, bad_rows="skip"))
    fit = [p for p, o in zip(files.PROMPTS, files.OUTPUTS, strict=True) if p + o <= most]
    assert whole(trace).rows["prompt"].tolist() == fit
    assert trace.skipped == {"prompt and output exceed the context": files.COUNT - len(fit)}


def test_every_reading_counts_anew(tmp_path: Path, whole: Whole) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + FINE + "2,0,1\n")
    trace = traces.open(path, Asked(bad_rows="skip"))
    for _ in range(2):
        whole(trace)
        assert trace.skipped == {PROMPT: 1}


def test_rows_are_sorted_in_where_asked(tmp_path: Path, whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("silmark.workloads.traces.lines.BLOCK", 1 << 16)
    places = np.arange(3 * CHUNK) + np.random.default_rng(1).integers(0, CHUNK // 2, 3 * CHUNK)
    times = np.argsort(np.argsort(places, kind="stable"), kind="stable")
    path = tmp_path / "t.csv"
    path.write_text("arrival_ns,prompt,output\n" + "".join(f"{at},{at % 1000 + 1},1\n" for at in times))
    rows = whole(traces.open(path, Asked(unsorted="sort"))).rows
    assert (rows["arrival_ns"] == np.arange(3 * CHUNK)).all()
    assert (rows["prompt"] == np.arange(3 * CHUNK) % 1000 + 1).all()


def test_a_row_too_far_from_its_place_is_refused_or_counted(
    tmp_path: Path, whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("silmark.workloads.traces.lines.BLOCK", 1 << 16)
    path = tmp_path / "t.csv"
    path.write_text("arrival_ns,prompt,output\n" + "".join(f"{at + 5},1,1\n" for at in range(3 * CHUNK)) + "0,1,1\n")
    with pytest.raises(SilmarkError, match="1 rows arrive before one that stands 65,536 rows above"):
        whole(traces.open(path, Asked(unsorted="sort")))
    trace = traces.open(path, Asked(unsorted="sort", bad_rows="skip"))
    assert whole(trace).rows.size == 3 * CHUNK
    assert trace.skipped == {EARLIER: 1}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "an empty file"),
        (b"\n \n", "an empty file"),
        (HEADER.encode(), "holds no requests"),
        (b"TIMESTAMP,ContextTokens,GeneratedTokens\n", "holds no requests"),
        (b"a,b,c,d,prompt,output\n1,2\n", "line 2: not a row of this format"),
        (b"[]", "holds no requests"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "a binary file"),
        (HEADER.encode() + b"0,1,1\n" * 50_000 + b"\0", "a binary file"),
        (b"PK\x03\x04abc", "a zip archive; unpack it first"),
        (b"\x1f\x8b\x08damaged", "a damaged gzip file"),
        pytest.param(gzip.compress(HEADER.encode() * 100)[:-10], "a damaged gzip file", id="cut"),
        pytest.param(gzip.compress(HEADER.encode() + b"0" * (1 << 26)), "a line of more than 16 MiB", id="bomb"),
        (b"when,in,out\n0,1,2\n", "no column for prompt and output among when, in, out"),
        (b"PAR1 and no more", "not a whole Parquet file"),
        (b"[1, 2, 3]", "not a row of this format"),
        (b'[{"conversations": 3}]', "not a row of this format"),
        (b'[{"conversations": [{"value": "a"}, {"value": "b"}]}, {"conversations": [', "one that breaks off"),
        (b'{"a": 1}\n', "no column for prompt and output among a"),
        (b"[" + b"[" * 100_000, "not a JSON array"),
    ],
)
def test_a_broken_file(content: bytes, sentence: str, tmp_path: Path, whole: Whole) -> None:
    if content.startswith(b"PAR1"):
        pytest.importorskip("pyarrow")
    path = tmp_path / "trace"
    path.write_bytes(content)
    asked = Asked(rate="1") if content[:1] in (b"[", b"a") else None
    with pytest.raises(SilmarkError) as refused:
        whole(traces.open(path, asked))
    assert sentence in str(refused.value)
    assert str(path)[:20] in str(refused.value)


@pytest.mark.slow
@pytest.mark.parametrize("begin", [HEADER, "["])
def test_a_bomb_of_blank_lines_is_refused_in_little_memory(begin: str, tmp_path: Path, whole: Whole) -> None:
    path = tmp_path / "t.gz"
    with gzip.open(path, "wb", compresslevel=6) as stream:
        stream.write(begin.encode())
        for _ in range(300):
            stream.write(b"\n" * (1 << 20))
    tracemalloc.start()
    with pytest.raises(SilmarkError, match="unpacks to more than 500 times its size"):
        whole(traces.open(path, Asked(rate="1")))
    assert tracemalloc.get_traced_memory()[1] < 200 << 20
    tracemalloc.stop()


@pytest.mark.slow
def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    line = "2023-11-16 18:15:46.6805900,374,44\n"
    with path.open("w") as stream:
        stream.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        for _ in range(20):
            stream.write(line * 100_000)
    assert path.stat().st_size > 60 << 20
    tracemalloc.start()
    found = sum(piece.rows.size for piece in traces.open(path).chunks())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == 2_000_000
    assert peak < 48 << 20


def test_a_sharegpt_file_is_read_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: Whole) -> None:
    path = tmp_path / "s.json"
    path.write_text(files.sharegpt(), encoding="utf-8")
    asked = Asked(rate="1", count=len)
    expected = whole(traces.open(path, asked)).rows
    monkeypatch.setattr("silmark.workloads.traces.lines.BLOCK", 777)
    assert (whole(traces.open(path, asked)).rows == expected).all()


@pytest.mark.parametrize("name", files.SAMPLES)
def test_small_blocks_change_nothing(name: str, sample: Sample, whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"arrival": "ts", "prompt": "isl", "output": "osl"} if name == "jsonl" else {}
    asked = Asked(columns=columns, rate="3")
    expected = whole(traces.open(sample(name), asked))
    monkeypatch.setattr("silmark.workloads.traces.lines.BLOCK", 100)
    monkeypatch.setattr("silmark.workloads.traces.records.CHUNK", 7)
    found = whole(traces.open(sample(name), asked))
    assert (found.rows == expected.rows).all()
    assert (found.segments == expected.segments).all()
    assert (found.bounds == expected.bounds).all()


@pytest.mark.parametrize(
    ("spec", "asked", "sentence"),
    [
        ("nothing-here", Asked(), "unknown trace 'nothing-here'"),
        ("azure-con", Asked(), "did you mean azure-conv"),
        ("./nothing.csv", Asked(), "no such file"),
        (".", Asked(), "not a regular file"),
        ("/dev/zero", Asked(), "not a regular file"),
        ("x\0y", Asked(), "unknown trace"),
        ("azure-conv", Asked(), "SILMARK_DATA is not set): get it from https://github.com/Azure/AzurePublicDataset"),
        ("poisson:", Asked(), "poisson: rate: '' - expected requests per second"),
        ("poisson:rate=0", Asked(), "from 1e-06 to 1,000,000 requests per second"),
        ("poisson:rate=1e9", Asked(), "from 1e-06 to 1,000,000"),
        ("poisson:rate=-1", Asked(), "expected a rate"),
        ("poisson:rate=1,rate=2", Asked(), "once"),
        ("poisson:rate=1,speed=2", Asked(), "unknown parameter 'speed'"),
        ("poisson:rate=1,prompt=0", Asked(), "a whole number from 1"),
        ("poisson:rate=1,prompt=9..2", Asked(), "the smaller number first"),
        ("poisson:rate=1,prompt=1e400", Asked(), "expected tokens, such as"),
        ("poisson:rate=1,prompt=lognormal:5:99", Asked(), "coefficient of variation"),
        ("poisson:rate=1,prefix=9999999", Asked(), "at most 10,000,000 tokens with its prefix"),
        ("poisson:rate=1,prefix=99999999", Asked(), "at most 10,000,000 tokens"),
        ("sessions:rate=1,prefix=9999,prefixes=999999999999", Asked(), "of all beginnings together"),
        ("constant:rate=0.000001,requests=20000", Asked(), "a trace of at most 280 years"),
        ("users:users=2,think=999999h", Asked(), "at most 100 days"),
        ("gamma:rate=1", Asked(), "burstiness"),
        ("gamma:rate=1,burstiness=0", Asked(), "a number above 0"),
        ("ramp:from=1,to=inf", Asked(), "finite rates"),
        ("users:users=0", Asked(), "a whole number from 1"),
        ("users:users=1,requests=100000", Asked(), "65,536 requests of each"),
        ("sessions:rate=1,turns=70000", Asked(), "65,536 turns"),
        ("poisson:rate=1", Asked(arrivals="gamma"), "a file for --arrivals"),
        ("poisson:rate=1", Asked(limit=0), "limit: 0"),
        ("poisson:rate=1", Asked(repeat=10**9), "from 1 to 100,000 copies"),
        ("poisson:rate=1", Asked(bad_rows="eat"), "refuse or skip"),
        ("poisson:rate=1", Asked(turns="none"), "first or all"),
    ],
)
def test_questions_that_make_no_sense(
    spec: str, asked: Asked, sentence: str, whole: Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SILMARK_DATA", raising=False)
    with pytest.raises(SilmarkError) as refused:
        whole(traces.open(spec, asked))
    assert sentence in str(refused.value)


def test_a_sessions_prompt_that_grows_too_long(whole: Whole) -> None:
    with pytest.raises(SilmarkError, match="whose last prompt has at most 10,000,000 tokens"):
        whole(traces.open("sessions:rate=1,turns=1000,prompt=10000,output=10000"))


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (Asked(), "expected requests per second: c.csv states no times of arrival"),
        (Asked(rate="2x"), "expected requests per second: c.csv states no times of arrival"),
        (Asked(rate="0"), "expected a rate"),
        (Asked(rate="1e9"), "from 1e-06 to 1,000,000"),
        (Asked(rate="fast"), "expected a rate"),
    ],
)
def test_a_file_without_times_needs_a_rate(asked: Asked, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("prompt,output\n1,2\n")
    with pytest.raises(SilmarkError) as refused:
        traces.open(path, asked)
    assert sentence in str(refused.value)
