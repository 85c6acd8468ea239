"""What is made of a simulation: the lines, the document, the files; each number against the simulation itself."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from silmark.errors import BadValue, UnknownName
from silmark.planning.table import rows_of
from silmark.report import serve_lines, serve_plot, timeline
from silmark.report.request_table import columns
from silmark.report.served import ServeSim
from silmark.serving.naming import TOOLS, as_named
from silmark.serving.records import TRANSFER
from silmark.serving.slo import Slo

VLLM = """\
Successful requests:
Failed requests:
Request rate configured (RPS):
Benchmark duration (s):
Total input tokens:
Total generated tokens:
Request throughput (req/s):
Request goodput (req/s):
Output token throughput (tok/s):
Peak output token throughput (tok/s):
Peak concurrent requests:
Total token throughput (tok/s):
Mean TTFT (ms):
Median TTFT (ms):
P99 TTFT (ms):
Mean TPOT (ms):
Median TPOT (ms):
P99 TPOT (ms):
Mean ITL (ms):
Median ITL (ms):
P99 ITL (ms):
Mean E2EL (ms):
Median E2EL (ms):
P99 E2EL (ms):
"""
"""The lines of vLLM 0.33.0's result, in its order."""


def cells(answer: ServeSim) -> dict[str, str]:
    """Label -> what stands behind it."""
    found = {}
    for line in serve_lines.lines(answer):
        if isinstance(line, str) and (match := re.fullmatch(r"(.{40}) (\S.*)", line)):
            found[match[1].strip()] = match[2]
    return found


def test_lines_are_those_of_vllm_in_its_order(answer: ServeSim) -> None:
    labels = list(cells(answer))
    theirs = VLLM.splitlines()
    assert [label for label in labels if label in theirs] == theirs
    written = [line for line in serve_lines.lines(answer) if isinstance(line, str)]
    assert "============ Serving Benchmark Result ============" in written
    assert "---- Time per Output Token (excl. 1st token) -----" in written


def test_numbers_of_the_lines(answer: ServeSim) -> None:
    found = cells(answer)
    assert found["Successful requests:"] == "3"
    assert found["Failed requests:"] == "1"
    assert found["Request rate configured (RPS):"] == "5"
    assert found["Total generated tokens:"] == "32"
    assert found["Median TTFT (ms):"] == "500.00     -20 +140%"
    assert found["P99 E2EL (ms):"] == "2498.00"
    assert found["Peak KV cache usage (%):"] == "25.00"
    assert found["Prefix cache hit rate (%):"] == f"{100 * 48 / 350:.2f}"
    assert found["Cost per million output tokens ($):"] == "-"
    assert found["P50 TTFT <= 1 s:"] == "kept, within the error bar"
    assert found["P99 E2EL <= 2.45 s:"] == "missed"


def test_without_promises_there_is_no_goodput(answer: ServeSim) -> None:
    found = cells(replace(answer, slo=Slo()))
    assert "Request goodput (req/s):" not in found
    assert not any("<=" in label for label in found)


def test_several_rates_stand_side_by_side(answer: ServeSim) -> None:
    twice = replace(answer, rates=("5", "10"), runs=answer.runs * 2)
    assert cells(twice)["Successful requests:"].split() == ["3", "3"]
    table = next(part for part in serve_lines.lines(twice, short=True) if not isinstance(part, str))
    assert table.row_count == 2


def test_what_cannot_be_says_why(answer: ServeSim) -> None:
    refused = replace(answer, engine=None, runs=(), rates=(), status="infeasible", reason="no room", notes=())
    assert list(serve_lines.lines(refused)) == ["llama-3.1-8b on 2x:h100: some.csv", "infeasible: no room"]
    assert refused.as_dict()["runs"] == []


def test_document(answer: ServeSim) -> None:
    document = answer.as_dict()
    run = json.loads(json.dumps(document, allow_nan=False))["runs"][0]
    assert run["metrics"]["ttft_s"]["p50"] == {"low": 0.4, "mid": 0.5, "high": 1.2}
    assert run["metrics"]["ttft_s"]["p99.9"]["low"] is None
    assert run["metrics"]["usd_per_request"] is None
    assert [one["kept"] for one in run["slo"]] == [True, False]
    assert run["metrics"]["goodput_requests_per_s"]["mid"] == pytest.approx(1 / 3.9)


def test_request_table(simulation: Any) -> None:
    found = columns(simulation.answered, "5")
    assert all(column.size == 4 for column in found.values())
    assert found["rate"].tolist() == ["5"] * 4
    assert found["status"].tolist() == ["done", "done", "done", "refused"]
    np.testing.assert_allclose(found["ttft_s"], [0.5, 0.25, 1.5, np.nan])
    np.testing.assert_allclose(found["tpot_s"], [0.1, np.nan, 0.1, np.nan])
    assert found["energy_j"].sum() == 10


def test_parquet_in_pieces(simulation: Any, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with rows_of(tmp_path / "requests.parquet") as write:
        write(columns(simulation.answered[:3]))
        write(columns(simulation.answered[3:]))
    file = parquet.ParquetFile(tmp_path / "requests.parquet")
    assert file.metadata.num_row_groups == 2
    assert file.read().column("request").to_pylist() == [0, 1, 2, 3]


def test_no_half_of_a_file_is_left(simulation: Any, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "requests.parquet"
    with pytest.raises(BadValue), rows_of(path) as write:  # noqa: PT012
        write(columns(simulation.answered))
        raise BadValue("trace", "line 9", "a row")
    assert not path.exists()
    with pytest.raises(BadValue, match="can be written"), rows_of(tmp_path) as write:
        write(columns(simulation.answered))


def events(answer: ServeSim, tmp_path: Path) -> tuple[dict[str, Any], list[dict[str, Any]], str]:
    left_out = timeline.write(answer.runs, tmp_path / "t.json")
    document = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    return document, document["traceEvents"], left_out


def test_timeline(answer: ServeSim, tmp_path: Path) -> None:
    _, found, left_out = events(answer, tmp_path)
    assert left_out == ""
    steps = [event for event in found if event["ph"] == "X"]
    assert [(step["name"], step["pid"]) for step in steps] == [
        ("prefill", 0),
        ("decode x 2", 0),
        ("prefill + decode", 1),
    ]
    assert steps[1]["ts"] == pytest.approx(5e5)
    assert steps[1]["dur"] == pytest.approx(4e5)
    used = [event["args"]["used"] for event in found if event["name"] == "KV blocks"]
    assert used == [7, 7, 40]
    slices = [event for event in found if event.get("cat") == "request"]
    for request in (0, 1, 2):
        own = [event for event in slices if event["id"] == request]
        assert sum(event["ph"] == "b" for event in own) == sum(event["ph"] == "e" for event in own)
    assert not [event for event in slices if event["id"] == 3]  # refused


def test_a_timeline_shows_transfers_in_both_replicas(answer: ServeSim, tmp_path: Path) -> None:
    moves = np.zeros(2, dtype=TRANSFER)
    moves["asked_ns"], moves["start_ns"], moves["end_ns"] = [1_100_000_000, 0], [1_150_000_000, 0], [1_200_000_000, 1]
    moves["name"], moves["tokens"], moves["source"], moves["target"] = [2, 3], [200, 9000], [1, 1], [0, 0]
    run = replace(answer.runs[0], simulation=replace(answer.runs[0].simulation, moves=moves))
    _, found, _ = events(replace(answer, runs=(run,)), tmp_path)
    slices = [(event["pid"], event["ph"], event["name"]) for event in found if event.get("cat") == "KV transfer"]
    waits = [("b", "wait for a port"), ("e", "wait for a port")]
    whole = [
        (pid, *event)
        for pid, name in ((1, "KV to replica 0"), (0, "KV from replica 1"))
        for event in (("b", name), *waits, ("e", name))
    ]
    assert slices == whole  # the other request was not answered


def test_a_long_timeline_says_what_it_leaves_out(
    answer: ServeSim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timeline, "MOST_STEPS", 1)
    monkeypatch.setattr(timeline, "MOST_REQUESTS", 2)
    document, found, left_out = events(answer, tmp_path)
    assert left_out == "steps behind the first 1 of 4 and requests behind the first 2 of 3"
    assert document["otherData"]["left_out"] == left_out
    assert sum(event["ph"] == "X" for event in found) == 1


def test_a_timeline_shows_one_run(answer: ServeSim, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="one rate"):
        timeline.write(answer.runs * 2, tmp_path / "t.json")


@pytest.mark.parametrize("runs", [1, 2])
def test_pictures(answer: ServeSim, runs: int, tmp_path: Path) -> None:
    path = tmp_path / "picture.svg"
    serve_plot.draw(replace(answer, runs=answer.runs * runs, rates=("5",) * runs), path)
    text = path.read_text(encoding="utf-8")
    assert text.count('<g id="axes_') == (3 if runs == 1 else 2)


@pytest.mark.parametrize("tool", TOOLS)
def test_names_of_other_clients(answer: ServeSim, tool: str) -> None:
    values = answer.runs[0].values
    found = as_named(tool, values, chips=2)
    expected = {
        "vllm": ("median_ttft_ms", 500.0),
        "guidellm": ("inter_token_latency_ms.mean", 100.0),  # what vLLM calls TPOT
        "aiperf": ("request_latency.avg", 1e3 * (values["e2el_s.mean"] or 0.0)),
        "mlperf": ("99.00 percentile first token latency (ns)", 1.5e9),
        "inferencex": ("output_tput_per_gpu", 32 / 3.9 / 2),
    }[tool]
    assert found[expected[0]] == pytest.approx(expected[1])
    assert None not in found.values()


def test_guidellm_counts_the_first_token_in_its_tpot(answer: ServeSim) -> None:
    found = as_named("guidellm", answer.runs[0].values)
    assert found["time_per_output_token_ms.mean"] == pytest.approx(1e3 * (2.5 / 21 + 0.25 + 2.4 / 10) / 3)


def test_an_unknown_client() -> None:
    with pytest.raises(UnknownName, match="known ones"):
        as_named("locust", {})
