"""Whoever computes, and however often it is stopped: the files are the same to the last bit."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet as pq

import silmark
from silmark.api.sweep import prepare
from silmark.errors import SilmarkError
from silmark.planning.sweep import Workers
from silmark.planning.sweep.table import make


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def absent(library: str) -> bool:
    return find_spec(library) is None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # clusters' own
@pytest.mark.parametrize(
    "engine",
    [
        "local",
        pytest.param("ray", marks=pytest.mark.skipif(absent("ray"), reason="needs silmark[ray]")),
        pytest.param("dask", marks=pytest.mark.skipif(absent("distributed"), reason="needs silmark[dask]")),
    ],
)
def test_all_engines_write_the_same_bits(engine: str, small: dict[str, Any], tmp_path: Path) -> None:
    grid = small | {"chunk": ["auto", 512]}
    silmark.sweep(grid, tmp_path / "alone", workers=1)
    done = silmark.sweep(grid, tmp_path / engine, engine=engine, workers=2)
    assert files(tmp_path / engine) == files(tmp_path / "alone")
    table: pa.Table = pq.read_table(tmp_path / engine)
    assert table.equals(pq.read_table(tmp_path / "alone"))
    assert table.num_rows == done.points


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "engine",
    [
        pytest.param("ray", marks=pytest.mark.skipif(absent("ray"), reason="needs silmark[ray]")),
        pytest.param("dask", marks=pytest.mark.skipif(absent("distributed"), reason="needs silmark[dask]")),
    ],
)
def test_a_cluster_that_is_not_there_is_a_sentence(engine: str, small: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SilmarkError, match=f"address: .*a running {engine.capitalize()}"):
        silmark.sweep(small, tmp_path / "s", engine=engine, address="127.0.0.1:1")


@pytest.mark.parametrize(("engine", "library"), [("ray", "ray"), ("dask", "distributed")])
def test_an_engine_that_is_not_installed_is_named(
    engine: str, library: str, small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SilmarkError, match=rf"pip install 'silmark\[{engine}\]'"):
        silmark.sweep(small, tmp_path / "s", engine=engine)


def test_pyarrow_that_is_not_installed_is_named(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SilmarkError, match=r"pip install 'silmark\[sweep\]'"):
        silmark.sweep(small, tmp_path / "s")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    "words", [{"engine": "spark"}, {"count": 0}, {"address": "here:1"}, {"engine": "ray", "address": "a:1", "count": 2}]
)
def test_workers_that_make_no_sense_are_refused(words: dict[str, Any]) -> None:
    with pytest.raises(SilmarkError, match="expected"):
        Workers(**words)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_lacks_a_figure_is_a_sentence_from_a_worker_too(
    workers: int, h100_toml: str, own_file: Callable[..., str], tmp_path: Path
) -> None:
    poor = re.sub(r"^launch = .*\n", "", h100_toml, flags=re.MULTILINE)
    assert poor != h100_toml
    grid = {"models": "llama-3.1-8b", "on": f"1x:{own_file(poor)}", "batch": [1, 2], "prompt": 64, "output": 64}
    with pytest.raises(SilmarkError, match=r"compute.launch: missing"):
        silmark.sweep(grid | {"results": {"rows_per_file": 1}}, tmp_path / "s", workers=workers)


def test_a_worker_of_another_version_is_refused(small: dict[str, Any]) -> None:
    with pytest.raises(SilmarkError, match="another version of Silmark"):
        make(prepare(small), 0, "0" * 64)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT], ids=lambda stop: stop.name)
def test_a_run_that_is_stopped_goes_on_to_the_same_bits(
    stop: signal.Signals, workers: str, small_toml: str, own_file: Callable[..., str], tmp_path: Path
) -> None:
    grid = own_file(small_toml.replace("rows_per_file = 50", "rows_per_file = 3"), "grid.toml")
    silmark.sweep(grid, tmp_path / "whole", workers=1)
    whole = files(tmp_path / "whole")
    command = [sys.executable, "-m", "silmark", "sweep", grid, "-o", str(tmp_path / "s"), "--workers", workers]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while running.poll() is None and len(files(tmp_path / "s")) < 4:
        time.sleep(0.01)
    running.send_signal(stop)
    said = running.communicate()[1]
    there = files(tmp_path / "s")
    assert 4 <= len(there) < len(whole), "stopped too late to show anything"
    assert all(there[name] == whole[name] for name in there)
    if stop == signal.SIGINT:
        assert (running.returncode, said.count("goes on from there")) == (130, 1)
        assert "Traceback" not in said
    done = silmark.sweep(grid, tmp_path / "s", workers=1)
    assert len(there) - 1 <= done.kept <= len(there)
    assert files(tmp_path / "s") == whole
