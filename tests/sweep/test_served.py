"""Sweeps whose points are simulations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import silmark
from silmark.errors import BadFile
from silmark.planning.sweep.columns import columns_of
from silmark.planning.sweep.grid_file import parse

TRACE = "poisson:prompt=256,output=32,requests=60"
GRID: dict[str, Any] = {
    "models": "llama-3.1-8b",
    "on": "1x:h100",
    "rate": [2, 20.5, "trace"],
    "serving": {"trace": f"{TRACE},rate=4", "slo": "ttft:1s"},
}


@pytest.mark.slow
def test_rows_are_those_of_serve_sim(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    done = silmark.sweep(GRID, tmp_path / "out", workers=1)
    rows = parquet.read_table(tmp_path / "out").to_pylist()
    assert done.counts == {"ok": 3, "infeasible": 0, "cannot-run": 0}
    assert [row["rate_per_s"] for row in rows] == [2.0, 20.5, None]
    (run,) = silmark.serve_sim("llama-3.1-8b", "1x:h100", TRACE, rate=20.5, slo="ttft:1s", draws=0).runs
    assert rows[1]["ttft_s_p99"] == run.values["ttft_s.p99"]
    assert rows[1]["usd_per_mtok"] == run.values["usd_per_million_output_tokens"]
    assert [row["slo_kept"] for row in rows] == [1, 1, 1]
    assert rows[0]["tpot_s_p50"] < rows[1]["tpot_s_p50"]


@pytest.mark.slow
def test_what_does_not_fit_has_a_reason(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    silmark.sweep(GRID | {"models": "llama-3.1-70b"}, tmp_path / "out", workers=1)
    rows = parquet.read_table(tmp_path / "out").to_pylist()
    assert [row["status"] for row in rows] == ["infeasible"] * 3
    assert all("weights" in row["reason"] for row in rows)


def test_points_of_a_kind_have_its_columns() -> None:
    grid = parse("g", GRID)
    assert grid.columns == columns_of("served")
    assert grid.blocks[0].loads(0, 3) == [("vllm", 2), ("vllm", 20.5), ("vllm", "trace")]
    assert grid.points == 3


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"batch": 1}, "axis"),
        ({"rate": 0}, "rate"),
        ({"rate": "fast"}, "rate"),
        ({"rate": float("nan")}, "rate"),
        ({"policy": "best"}, "policy"),
        ({"serving": {}}, "serving"),
        ({"serving": {"trace": 3}}, "serving.trace"),
        ({"serving": {"trace": TRACE, "limit": 0}}, "serving.limit"),
        ({"serving": {"trace": TRACE, "seed": True}}, "serving.seed"),
        ({"results": {"columns": ["batch_max"]}}, "results.columns"),
    ],
)
def test_mistakes_name_the_key(wrong: dict[str, Any], key: str) -> None:
    with pytest.raises(BadFile, match=key):
        parse("g", GRID | wrong)


def test_a_trace_that_is_none_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="serving"):
        silmark.sweep(GRID | {"serving": {"trace": "no-such-trace"}}, tmp_path / "out")
