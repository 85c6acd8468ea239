"""The folder of a sweep: kept where it is whole, mended where it is not, never mixed, never somebody else's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import silmark
from silmark.api.sweep import prepare
from silmark.errors import SilmarkError
from silmark.figures.tables import data_folder
from silmark.models import load


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


@pytest.fixture
def swept(small: dict[str, Any], tmp_path: Path) -> Path:
    silmark.sweep(small, tmp_path / "s", workers=1)
    return tmp_path / "s"


def test_a_second_run_computes_nothing(small: dict[str, Any], swept: Path) -> None:
    done = silmark.sweep(small, swept)
    assert done.kept == done.files == len(files(swept))
    assert sum(done.counts.values()) == done.points


def cut_off(folder: Path) -> None:
    path = folder / "part-00001.parquet"
    path.write_bytes(path.read_bytes()[:-7])


def one_bit(folder: Path) -> None:
    path = folder / "part-00001.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def gone(folder: Path) -> None:
    (folder / "part-00001.parquet").unlink()


def line_cut_off(folder: Path) -> None:
    """As a kill in the middle of writing leaves it; the order of lines is that in which files were ready."""
    path = folder / "_done.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + lines[-1][:20])


def strange_lines(folder: Path) -> None:
    path = folder / "_done.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    strange = ["[]\n", "3\n", '{"shard": -1, "sha256": "", "rows": {}}\n', '{"shard": "0"}\n', "[" * 100_000 + "\n"]
    path.write_text("".join([*strange, *lines[1:]]))


@pytest.mark.parametrize("harm", [cut_off, one_bit, gone, line_cut_off, strange_lines])
def test_what_is_not_whole_is_computed_again(harm: Callable[[Path], None], small: dict[str, Any], swept: Path) -> None:
    before = files(swept)
    harm(swept)
    (swept / ".part-00001.parquet.1234").write_bytes(b"half")
    done = silmark.sweep(small, swept)
    assert not list(swept.glob(".part*"))
    assert done.kept == done.files - 1
    assert files(swept) == before
    assert silmark.sweep(small, swept).kept == done.files


@pytest.mark.parametrize(
    "change",
    [{"batch": [1, 2]}, {"results": {"rows_per_file": 51}}, {"results": {"columns": ["batch"]}}, {"grid": [{"tp": 1}]}],
)  # fmt: skip
def test_another_grid_is_refused(change: dict[str, Any], small: dict[str, Any], swept: Path) -> None:
    before = files(swept)
    with pytest.raises(SilmarkError, match=r"another grid.*--output.*--fresh"):
        silmark.sweep(small | change, swept)
    assert files(swept) == before


def test_another_version_is_refused_and_fresh_starts_anew(small: dict[str, Any], swept: Path) -> None:
    before = files(swept)
    manifest = swept / "_manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"package": "0" * 64}))
    with pytest.raises(SilmarkError, match="another version"):
        silmark.sweep(small, swept)
    (swept / "notes.txt").write_text("mine")
    assert silmark.sweep(small, swept, fresh=True).kept == 0
    assert files(swept) == before
    assert (swept / "notes.txt").read_text() == "mine"


def test_a_chip_file_that_changed_is_another_grid(h100_toml: str, own_file: Callable[..., str], tmp_path: Path) -> None:
    chip = own_file(h100_toml.replace("nvidia-h100-sxm5-80gb", "mine"))
    grid = {"models": "llama-3.1-8b", "on": f"1x:{chip}", "batch": 1, "prompt": 64, "output": 64}
    silmark.sweep(grid, tmp_path / "s")
    Path(chip).write_text(
        h100_toml.replace("nvidia-h100-sxm5-80gb", "mine").replace('status = "shipping"', 'status = "announced"')
    )
    with pytest.raises(SilmarkError, match="other chip, system or model files"):
        silmark.sweep(grid, tmp_path / "s")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 200_000, b'{"schema": "other"}', b"\xff\xfe"])
def test_a_strange_manifest_is_a_sentence(content: bytes, small: dict[str, Any], swept: Path) -> None:
    (swept / "_manifest.json").write_bytes(content)
    with pytest.raises(SilmarkError, match="not the manifest of a sweep"):
        silmark.sweep(small, swept)


@pytest.mark.parametrize("fresh", [False, True])
def test_somebody_elses_folder_is_left_alone(fresh: bool, small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(SilmarkError, match="holds other files"):
        silmark.sweep(small, tmp_path, fresh=fresh)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_folder_does_not_ask_where_a_model_lies(tmp_path: Path) -> None:
    config = data_folder() / "models" / "llama-3.1-8b.json"
    seen = []
    for place in ("here", "there"):
        path = tmp_path / place / "tiny" / "config.json"
        path.parent.mkdir(parents=True)
        path.write_bytes(config.read_bytes())
        work = prepare({"models": "llama-3.1-8b", "on": "1x:h100", "batch": 1, "prompt": 64, "output": 64})
        seen.append(replace(work, models={"llama-3.1-8b": load(str(path))}).identity())
    assert seen[0] == seen[1]


def test_a_file_is_no_folder(small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    with pytest.raises(SilmarkError, match="not a folder"):
        silmark.sweep(small, tmp_path / "s")


def test_the_watch_sees_every_point(small: dict[str, Any], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    done = silmark.sweep(small, tmp_path / "s", workers=1, watch=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, done.points)
    assert seen[-1] == (done.points, done.points)
    assert seen == sorted(seen)
    assert len(seen) == done.files + 1
