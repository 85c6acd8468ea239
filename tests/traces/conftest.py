"""Writes samples as files, and reads traces whole."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from trace_files import SAMPLES

from silmark.workloads.requests import Requests, Trace
from silmark.workloads.traces.rows import joined


@pytest.fixture
def sample(tmp_path: Path) -> Callable[[str], Path]:
    """The sample of a format as a file."""

    def write(name: str) -> Path:
        file, text = SAMPLES[name]
        path = tmp_path / file
        path.write_bytes(text().encode())
        return path

    return write


@pytest.fixture(scope="session")
def whole() -> Callable[[Trace], Requests]:
    """All requests of a trace in one piece."""
    return lambda trace: joined(list(trace.chunks()))
