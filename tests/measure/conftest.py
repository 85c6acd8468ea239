"""A user's folder of its own, and rows of a known machine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from silmark.chips import host

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty folder for the user's calibration; `host` is read again before and after."""
    folder = tmp_path / "home"
    monkeypatch.setenv("SILMARK_HOME", str(folder))
    host.host.cache_clear()
    yield folder
    host.host.cache_clear()
