"""`silmark sweep` as typed: what it prints, what it refuses, and what DuckDB reads from its folder."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from silmark.cli.sweep import sweep
from silmark.report.schema import DOCUMENTS

Run = Callable[..., Any]


@pytest.fixture
def grid(small_toml: str, own_file: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return own_file(small_toml, "small.toml")


def test_it_says_what_it_did(run: Run, grid: str, tmp_path: Path) -> None:
    first = run("sweep", grid, "--workers", "1")
    assert first.code == 0
    assert first.err == ""
    points, folder = first.out.splitlines()
    assert points.startswith("384 points: ")
    assert folder.startswith("8 files in small-sweep; ")
    assert (tmp_path / "small-sweep" / "part-00007.parquet").is_file()
    assert "8 of them from before" in run("sweep", grid).out


def test_check_computes_no_folder(run: Run, grid: str, tmp_path: Path) -> None:
    said = run("sweep", grid, "--check").out.splitlines()
    assert said[0] == "384 points of 48 plans, 8 files"
    assert said[1].startswith("about ")
    assert not (tmp_path / "small-sweep").exists()


def test_json_has_the_documented_shape(run: Run, grid: str) -> None:
    DOCUMENTS["sweep-check"].model_validate_json(run("sweep", grid, "--check", "--json").out)
    answer = json.loads(run("sweep", grid, "--json", "-o", "elsewhere", "--workers", "1").out)
    DOCUMENTS["sweep"].model_validate(answer)
    assert answer["folder"] == "elsewhere"
    assert sum(answer["rows"].values()) == answer["points"]


def test_the_grid_may_name_the_folder(run: Run, small_toml: str, own_file: Callable[..., str], tmp_path: Path,
                                      monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    own_file(small_toml + '\nfolder = "named"\n', "g.toml")
    assert "in named;" in run("sweep", "g.toml", "--workers", "1").out


def test_a_person_sees_how_much_is_left(grid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    sweep(Path(grid), workers="1")
    assert "384/384" in screen.getvalue()
    assert "left" in screen.getvalue()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["missing.toml"], "missing.toml: no such file"),
        (["small.toml", "--engine", "spark"], "engine: 'spark' - expected local, ray or dask"),
        (["small.toml", "--workers", "many"], "workers: 'many' - expected a whole number"),
        (["small.toml", "--address", "x:1"], "address: 'x:1' - expected nothing"),
    ],
)
def test_what_makes_no_sense_is_a_sentence(run: Run, grid: str, words: list[str], sentence: str) -> None:
    assert grid
    refused = run("sweep", *words)
    assert (refused.code, refused.out) == (2, "")
    assert sentence in refused.err


def test_duckdb_reads_the_folder(run: Run, grid: str) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    run("sweep", grid, "--workers", "1")
    counted = duckdb.sql("SELECT status, count(*) FROM 'small-sweep/*.parquet' GROUP BY ALL").fetchall()
    assert sum(count for _, count in counted) == 384
    best = duckdb.sql("SELECT max(tokens_per_s_chip) FROM 'small-sweep/*.parquet' WHERE status = 'ok'").fetchall()
    assert best[0][0] > 0


def test_queries_of_the_page_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    page = (Path(__file__).resolve().parents[2] / "docs" / "sweep.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.toml").write_text(re.findall(r'```toml title="grid.toml"\n(.*?)```', page, flags=re.DOTALL)[0])
    run("sweep", "grid.toml")
    best, why = (duckdb.sql(query).fetchall() for query in re.findall(r"```sql\n(.*?)```", page, flags=re.DOTALL))
    assert {(row[0], row[1]) for row in best} >= {("llama-3.1-8b", "8x:nvidia-h100-sxm5-80gb")}
    assert why[0][0] == "infeasible"
    assert why[0][1].count("N") == 2
