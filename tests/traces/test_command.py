"""`silmark trace`: tables and documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trace_files as files

import silmark
from silmark.report.documents_trace import TraceDocument, TracesDocument
from silmark.workloads.traces import FORMATS, GENERATORS
from silmark.workloads.traces.catalogue import entries

Run = Callable[..., Any]
Sample = Callable[[str], Path]


@pytest.mark.parametrize("name", [name for name in files.SAMPLES if name not in ("sharegpt", "jsonl")])
def test_the_document_has_its_shape(name: str, run: Run, sample: Sample) -> None:
    found = run("trace", "show", str(sample(name)), "--json")
    document = TraceDocument.model_validate_json(found.out)
    assert document.requests + sum(document.skipped.values()) == files.COUNT


def test_the_table_says_what_was_left_out(run: Run, sample: Sample) -> None:
    found = run("trace", "show", str(sample("burstgpt")))
    assert "left out: failed in the original: no response tokens" in found.out
    assert "arrivals per second" in found.out


def test_a_broken_file_ends_with_2(run: Run, own_file: Callable[..., str]) -> None:
    found = run("trace", "show", own_file("arrival,prompt,output\n0,0,0\n", "t.csv"))
    assert (found.code, found.out) == (2, "")
    assert "t.csv: line 2: prompt is not a whole number" in found.err


def test_a_duration_before_the_first_arrival(run: Run) -> None:
    found = run("trace", "show", "constant:rate=1", "--duration", "1s")
    assert (found.code, found.out) == (2, "")
    assert "at least one request" in found.err


def test_letters_of_a_token_can_be_given(sample: Sample) -> None:
    path = sample("sharegpt")
    one, other = (silmark.trace(path, rate=1, letters_per_token=each).statistics.prompt.mean for each in (2, 5))
    assert one == pytest.approx(2.5 * other, rel=0.01)


def test_the_list_has_everything(run: Run) -> None:
    document = TracesDocument.model_validate_json(run("trace", "list", "--json").out)
    assert [one.name for one in document.public] == list(entries())
    assert [one.name for one in document.formats] == list(FORMATS)
    assert [one.name for one in document.generators] == list(GENERATORS)
    table = run("trace", "list").out
    assert all(name in table for name in (*entries(), *FORMATS, *GENERATORS))


def test_public_traces_name_a_format_that_is_read() -> None:
    for one in entries().values():
        assert one.form in FORMATS
        assert one.source.address.startswith("https://")
        assert not Path(one.file).is_absolute()
        assert one.licence


def test_python_and_the_command_agree(run: Run) -> None:
    words = "sessions:rate=2,turns=1..4,prefix=100"
    assert silmark.trace(words, limit=50).as_dict() == json.loads(
        run("trace", "show", words, "--limit", "50", "--json").out
    )


def test_columns_as_a_mapping_or_in_words(sample: Sample) -> None:
    path = sample("jsonl")
    one = silmark.trace(path, trace_columns="arrival=ts,prompt=isl,output=osl")
    assert one == silmark.trace(path, trace_columns={"arrival": "ts", "prompt": "isl", "output": "osl"})
