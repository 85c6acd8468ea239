"""The cache of parsed files: same tables cold and warm, robust against whatever lies in its folder, no answers."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from silmark import api
from silmark.figures import tables

KINDS = ("assumptions", "calibration", "chips", "models", "systems")


def fresh(kind: str) -> dict[str, dict[str, Any]]:
    """The tables of a folder as a new process would get them."""
    return tables.packaged.__wrapped__(kind)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    chosen = tmp_path / "cache"
    monkeypatch.setenv("SILMARK_CACHE", str(chosen))
    return chosen


def parsed(kind: str) -> dict[str, dict[str, Any]]:
    files = (tables.data_folder() / kind).glob("*.toml")
    return {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in files}


@pytest.mark.parametrize("kind", KINDS)
def test_cold_and_warm_are_the_files(kind: str, folder: Path) -> None:
    cold = fresh(kind)
    assert [path.name for path in folder.iterdir()] == [f"{kind}.json"]
    warm = fresh(kind)
    assert cold == warm == parsed(kind)
    assert list(cold) == sorted(cold)


def test_the_warm_read_parses_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cold = fresh("chips")

    def fail(path: Path) -> dict[str, Any]:
        raise AssertionError(path)

    monkeypatch.setattr(tables, "read_toml", fail)
    assert fresh("chips") == cold
    assert folder.is_dir()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe\x00", b"[]", b"null", b"5", b'{"signature": "x"}', b'{"tables": {}}', b"[" * 200_000],
    ids=["empty", "cut", "binary", "list", "null", "number", "no tables", "no signature", "deep"],
)
def test_a_corrupted_file_is_ignored_and_replaced(content: bytes, folder: Path) -> None:
    folder.mkdir()
    (folder / "systems.json").write_bytes(content)
    assert fresh("systems") == parsed("systems")
    assert json.loads((folder / "systems.json").read_text())["tables"] == parsed("systems")


def test_a_cut_or_outdated_file_is_ignored(folder: Path) -> None:
    expected = fresh("systems")
    kept = folder / "systems.json"
    text = kept.read_text()
    kept.write_text(text[: len(text) // 2])
    assert fresh("systems") == expected
    old = json.loads(text)
    kept.write_text(json.dumps({"signature": old["signature"] + "x", "tables": {"wrong": {}}}))
    assert fresh("systems") == expected
    kept.write_text(json.dumps({"signature": old["signature"], "tables": 5}))
    assert fresh("systems") == expected


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = parsed("systems")
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("SILMARK_CACHE", str(tmp_path / "file"))
    assert fresh("systems") == expected
    monkeypatch.setenv("SILMARK_CACHE", str(tmp_path / "file" / "below"))
    assert fresh("systems") == expected
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    monkeypatch.setenv("SILMARK_CACHE", str(closed))
    assert fresh("systems") == expected
    if os.getuid() != 0:
        assert list(closed.iterdir()) == []


def test_no_home_folder_costs_only_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """`expanduser` raises RuntimeError for a user without an entry in the system's list, as in many containers."""

    def homeless(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("SILMARK_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert fresh("systems") == parsed("systems")


def test_the_folder_is_chosen_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SILMARK_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fresh("systems")
    assert (tmp_path / "silmark" / "systems.json").is_file()


def test_answers_are_never_kept(folder: Path) -> None:
    tables.packaged.cache_clear()
    api.compare("llama-3.1-8b", chips="h100,groq")
    tables.packaged.cache_clear()
    names = {path.stem for path in folder.iterdir()}
    assert names <= {path.name for path in tables.data_folder().iterdir() if path.is_dir()}
    for name in names:
        kept = json.loads((folder / f"{name}.json").read_text())
        assert set(kept) == {"signature", "tables"}
        assert kept["tables"] == parsed(name)
