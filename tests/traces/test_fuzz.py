"""Random bytes, and samples with something changed: requests or a sentence, never another exception."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trace_files as files
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.errors import SilmarkError
from silmark.workloads import traces
from silmark.workloads.requests import Trace
from silmark.workloads.traces import FORMATS, Asked
from silmark.workloads.workload import MAX_TOKENS


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
    )


def read(path: Path, asked: Asked) -> None:
    """What is read is what the rest of the package relies on."""
    try:
        trace: Trace = traces.open(path, asked)
        pieces = list(trace.chunks())
    except SilmarkError:
        return
    last = 0
    for piece in pieces:
        rows, bounds = piece.rows, piece.bounds
        assert rows.size
        for tokens in (rows["prompt"], rows["output"]):
            assert ((tokens >= 1) & (tokens <= MAX_TOKENS)).all()
        stated = rows["arrival_ns"][rows["delay_ns"] < 0]
        assert (np.diff(stated, prepend=last) >= 0).all()
        last = int(stated[-1]) if stated.size else last
        assert bounds.size == rows.size + 1
        assert bounds[0] == 0
        assert bounds[-1] == piece.segments.size
        assert (np.diff(bounds) >= 0).all()
        assert (piece.segments["length"] > 0).all()
        assert (piece.segments["start"] >= 0).all()
        for row in np.flatnonzero(np.diff(bounds)):
            assert piece.segments["length"][bounds[row] : bounds[row + 1]].sum() == rows["prompt"][row]
    traces.statistics(trace)


asked = st.builds(
    Asked,
    format=st.sampled_from(["", "", "", *FORMATS]),
    rate=st.sampled_from(["", "5", "2x", "inf"]),
    bad_rows=st.sampled_from(["refuse", "skip", "skip"]),
    unsorted=st.sampled_from(["refuse", "sort"]),
    context=st.sampled_from([None, 2000]),
    turns=st.sampled_from(["first", "all"]),
    vllm_filter=st.booleans(),
    copies=st.sampled_from([1, 1, 4]),
    repeat=st.sampled_from([1, 1, 3]),
)
noise = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [b"", b"-1", b"1e999", b"NaN", b"null", b"[]", b"{}", b'"', b",", b"\n", b"\r", b"9" * 40, b"\xff\xfe", b"\0",
         b"1e-999", b"\xef\xbb\xbf", b"true", b"-0.0", b"0x10", b"[[", b"1_0", b" 7 ", b"\xd9\xa3",
         b"2023-02-30 00:00:00"]
    ),
)  # fmt: skip


@bounded(150)
@given(content=st.binary(max_size=300), asked=asked)
def test_random_bytes(content: bytes, asked: Asked, tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(content)
    if not content.startswith(b"PAR1"):
        read(path, asked)


@pytest.mark.parametrize("name", files.SAMPLES)
@bounded(80)
@given(data=st.data(), asked=asked)
def test_samples_with_something_changed(name: str, data: st.DataObject, asked: Asked, tmp_path: Path) -> None:
    text = b"\n".join(files.SAMPLES[name][1]().encode()[:4000].split(b"\n")[:-1])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        text = text[:at] + data.draw(noise) + text[at + data.draw(st.integers(0, 12)) :]
    path = tmp_path / "t"
    path.write_bytes(text)
    read(path, asked)


@bounded(40)
@given(data=st.data(), asked=asked)
def test_parquet_with_something_changed(data: st.DataObject, asked: Asked, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # noqa: PLC0415

    numbers = data.draw(
        st.sampled_from(
            [
                [1, 2, None],
                [1.5, float("nan"), 2.0],
                [2**62, -1, 3],
                ["a", "b", "c"],
                [True, False, True],
                [[1], [2], [3]],
            ]
        )
    )
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"arrival": [0, 1, 2], "prompt": numbers, "output": [1, 2, 3]}), path)
    raw = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw))
    read(path, asked)


words = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["5", "0", "-1", "inf", "nan", "1e400", "1..9", "9~0.5", "lognormal:9:1", "3s", "²", "a=b", ",", ":"]
    ),
)


@bounded(200)
@given(
    kind=st.sampled_from([*traces.GENERATORS, "nothing"]),
    given_=st.dictionaries(
        st.one_of(st.sampled_from([p for g in traces.GENERATORS.values() for p in g.parameters]), words),
        words,
        max_size=4,
    ),
)
def test_words_of_generators(kind: str, given_: dict[str, str]) -> None:
    spec = f"{kind}:" + ",".join(f"{name}={value}" for name, value in given_.items())
    try:
        next(iter(traces.open(spec, Asked(limit=50)).chunks()), None)
    except SilmarkError:
        return


OPTIONS = ("trace-format", "trace-columns", "time-unit", "rate", "arrivals", "burstiness", "duration", "limit",
           "copies", "repeat", "lengths", "bad-rows", "unsorted", "context", "filter", "turns", "think",
           "letters-per-token", "seed", "block-size")  # fmt: skip


@pytest.mark.slow
@bounded(120)
@given(options=st.dictionaries(st.sampled_from(OPTIONS), words, min_size=1, max_size=2))
def test_options_of_the_command(options: dict[str, str], run: Callable[..., object], tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(files.azure())
    found = run("trace", "show", str(path), "--json", *(f"--{name}={value}" for name, value in options.items()))
    assert found.code in (0, 2)  # type: ignore[attr-defined]
    assert "Traceback" not in found.err  # type: ignore[attr-defined]
