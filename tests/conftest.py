"""What all tests share: a cache folder of their own, and the command line run inside this process."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from silmark.figures.tables import data_folder
from silmark.serving.kept import compiled_folder

if "NUMBA_CACHE_DIR" not in os.environ:  # what takes minutes to compile is kept from one run to the next
    os.environ["NUMBA_CACHE_DIR"] = str(compiled_folder())
_CACHE = tempfile.TemporaryDirectory(prefix="silmark-tests-")
os.environ["SILMARK_CACHE"] = _CACHE.name  # before any test module loads a chip
os.environ["SILMARK_HOME"] = _CACHE.name  # the user's own measurement of the host must not decide a test

_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
settings.register_profile("same", _PATIENT, derandomize=True, database=None)
settings.register_profile("fresh", _PATIENT, print_blob=True)
settings.load_profile("same")  # whether a change passes must not depend on luck; `make explore` draws fresh examples


_CORES = {
    "led": ("fleets", "pool"),
    "others": ("sglang", "trtllm", "test_policies", "told_apart"),
    "vllm": ("serving", "replay", "traffic"),
}
"""Variants of the core (two of them under `others`), and what the names of tests that need them have in common."""


class _ByCore(LoadScopeScheduling):  # type: ignore[misc]
    """Gives functions of tests to processes one by one, but those that need the same variant of the core to the same.

    Each takes up to half a minute to compile on a fresh machine; without this every process compiles all of them.
    """

    def _split_scope(self, nodeid: str) -> str:
        function = nodeid.partition("[")[0]
        return next((core for core, words in _CORES.items() if any(word in nodeid for word in words)), function)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """How tests are shared out among processes (`pytest -n`)."""
    return _ByCore(config, log)


def pytest_unconfigure() -> None:
    _CACHE.cleanup()


@dataclass(frozen=True)
class Ran:
    """What a run of the command left behind."""

    code: int
    out: str
    err: str


def _run(*words: str) -> Ran:
    from silmark.cli import main  # noqa: PLC0415 - collecting tests does not need the parser

    out, err, code = io.StringIO(), io.StringIO(), 0
    argv = mock.patch.object(sys, "argv", ["silmark", *words])
    with argv, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    return Ran(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def run() -> Callable[..., Ran]:
    """Runs `silmark` with the given words, its streams captured; other exceptions than its exit come through."""
    return _run


@pytest.fixture(scope="session")
def h100_toml() -> str:
    """Text of the H100's file, to be changed."""
    return (data_folder() / "chips" / "nvidia-h100-sxm5-80gb.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def hgx_toml() -> str:
    """Text of the file of a node of eight H100, to be changed."""
    return (data_folder() / "systems" / "hgx-h100-8.toml").read_text(encoding="utf-8")


@pytest.fixture
def own_file(tmp_path: Path) -> Callable[..., str]:
    """Writes a file of the user's own and returns its path."""

    def write(content: str | bytes, name: str = "mine.toml") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests that need measured rows skip where SILMARK_DATA leads to none."""
    root = os.environ.get("SILMARK_DATA", "")
    if item.get_closest_marker("data") and not (root and (Path(root) / "measurements" / "public").is_dir()):
        pytest.skip("SILMARK_DATA does not name a folder with measurements/public")
