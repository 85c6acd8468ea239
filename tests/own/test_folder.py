"""A calibration of one's own is used where the environment names it, whole and checked, or refused in a sentence."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from silmark.errors import BadFile, BadValue
from silmark.figures import own, tables
from silmark.figures.tables import data_folder, shipped


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the packaged files, named by the environment."""
    for kind, names in own.FILES.items():
        (tmp_path / kind).mkdir()
        for name in names:
            shutil.copy(data_folder() / kind / f"{name}.toml", tmp_path / kind)
    monkeypatch.setenv("SILMARK_CALIBRATION", str(tmp_path))
    tables.packaged.cache_clear()
    yield tmp_path
    tables.packaged.cache_clear()


def change(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def test_copies_of_the_packaged_files_change_nothing(folder: Path) -> None:
    for kind in ("calibration", "corrections", "chips", "aliases"):
        assert tables.packaged(kind) == shipped(kind)


def test_files_of_ones_own_stand_in_for_the_packaged_ones_and_no_others(folder: Path) -> None:
    file = folder / "calibration" / "gpu.toml"
    head, _, tail = file.read_text(encoding="utf-8").partition("flop_share = { ")
    file.write_text(f"{head}flop_share = {{ value = 0.8, unit{tail.partition('unit')[2]}", encoding="utf-8")
    (folder / "calibration" / "wafer.toml").write_text("this is never read")
    mine = tables.packaged("calibration")
    assert mine["gpu"]["parameters"]["gemm"]["flop_share"]["value"] == 0.8
    assert mine["wafer"] == shipped("calibration")["wafer"]
    assert shipped("calibration")["gpu"]["parameters"]["gemm"]["flop_share"]["value"] != 0.8


def test_without_the_variable_nothing_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "calibration" / "gpu.toml").write_text("not TOML [")
    monkeypatch.setenv("SILMARK_CALIBRATION", "")
    assert tables.packaged("calibration") == shipped("calibration")
    monkeypatch.delenv("SILMARK_CALIBRATION")
    tables.packaged.cache_clear()
    assert tables.packaged("calibration") == shipped("calibration")
    assert own.remark() == ""


def test_a_folder_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SILMARK_CALIBRATION", str(tmp_path / "nowhere"))
    with pytest.raises(BadValue, match=r"SILMARK_CALIBRATION: .* - expected a folder that"):
        own.over("calibration", {})
    assert own.over("chips", {"a": {}}) == {"a": {}}


Edit = Callable[[Path], object]
GPU, BARS = Path("calibration/gpu.toml"), Path("calibration/operators.toml")
CURVES = Path("corrections/operators.toml")


@pytest.mark.parametrize(
    ("file", "edit", "said"),
    [
        (GPU, lambda path: path.unlink(), "no such file; write it again with `silmark calibrate measurements`"),
        (BARS, lambda path: path.write_bytes(b"\xff"), "UTF-8"),
        (GPU, lambda path: path.write_text("a = 1"), "missing; write it again"),
        (GPU, lambda path: path.write_text("parameters = 1"), "parameters: expected a table"),
        (GPU, lambda path: change(path, "[parameters.gemm]", "[parameters.gemm]\nmore = 1"), "gemm.more: unknown"),
        (GPU, lambda path: change(path, "draw = { value = ", "draw = { value = -"), "gemm.draw: .*out of range"),
        (GPU, lambda path: change(path, 'unit = "1"', 'unit = "GB"'), "unit of 1"),
        (GPU, lambda path: change(path, "[factors.gemm.order]", '[factors.gemm.order]\n"new" = 1'), "gemm.order: not"),
        (GPU, lambda path: change(path, '"ada" = [', '"ada" = ["x", '), "factors.gemm.ada: expected"),
        (GPU, lambda path: change(path, '"ada" = [', '"ada" = [1.0, '), "factors.gemm.ada: expected"),
        (GPU, lambda path: change(path, '"ada" = [', '"ada" = [-1.0, '), "factors.gemm.ada: expected"),
        (CURVES, lambda path: path.write_text("curves = 3"), "curves: expected a table"),
        (CURVES, lambda path: path.write_text("[curves]\na = [1, 2, 3]"), "curves.a: expected pairs"),
        (CURVES, lambda path: path.write_text("[curves]\na = [2, 0, 1, 0]"), "curves.a: expected pairs"),
        (CURVES, lambda path: path.write_text("[curves]\na = [nan, 0]"), "curves.a: expected pairs"),
        (CURVES, lambda path: path.write_text("[curves]\na = []"), "curves.a: expected pairs"),
        (BARS, lambda path: change(path, '"q10" =', '"q11" ='), "expected q10 and q90"),
        (BARS, lambda path: change(path, '"q10" = ', '"q10" = 1e9 #'), "expected q10 and q90"),
    ],
    # A function's text holds its address, and workers that run tests side by side must agree on all names.
    ids=lambda part: "edit" if callable(part) else str(part),
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused_in_a_sentence(folder: Path, file: Path, edit: Edit, said: str) -> None:
    edit(folder / file)
    with pytest.raises(BadFile, match=said) as refused:
        tables.packaged(file.parts[0])
    assert str(folder / file) in str(refused.value)


def test_packaged_files_are_never_written_from_ones_own(folder: Path, run) -> None:
    for words in (("calibrate", "gpu"), ("validate", "--write")):
        ran = run(*words)
        assert ran.code == 2
        assert "nothing while packaged files are written" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("calibrate", "gpu", "-o", "x"), "output: 'x' - expected none: only measurements takes it"),
        (("calibrate", "gpu", "--most", "5"), "most: '5' - expected none"),
        (("calibrate", "measurements"), "expected a folder to write"),
        (("calibrate", "measurements", "-o", "mine", "--most", "-1"), "most: -1"),
        (("calibrate", "measurements", "-o", "no/such/place"), "expected a folder inside an existing one"),
        (("calibrate", "measurements", "-o", "mine", "--rows", "nowhere"), "nowhere: no such folder"),
        (("calibrate", "mesurements"), "measurements"),
    ],
    ids=str,
)
def test_wrong_words_are_answered_with_the_right_ones(
    words: tuple[str, ...], said: str, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(*words)
    assert ran.code == 2
    assert said in ran.err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_where_a_table_is_broken(run, tmp_path: Path) -> None:
    place = tmp_path / "tables" / "h100_sxm" / "gemm" / "vllm" / "1.0" / "gemm_perf.txt"
    place.parent.mkdir(parents=True)
    place.write_text("m,n,k\n1,2,3\n")
    ran = run("calibrate", "measurements", "-o", str(tmp_path / "mine"), "--rows", str(tmp_path / "tables"))
    assert ran.code == 2
    assert f"{place}: gemm_dtype: no such column" in ran.err
    assert not (tmp_path / "mine").exists()
