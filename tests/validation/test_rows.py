"""The reader of measured rows: units, what is dropped, and files that mean harm."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import tables

from silmark.errors import BadFile, BadValue
from silmark.validation import rows

NAME = "serving_misc"


def read(folder: Path, *cells: dict[str, str]) -> rows.Table:
    tables.put(folder, NAME, *cells)
    return rows.read(NAME, folder)


def test_units_become_seconds_and_counts_whole_numbers(tmp_path: Path) -> None:
    (row,) = read(tmp_path, {"metric": "ttft", "value": "25", "unit": "ms", "isl": "215.2", "tp": "8.0", "dp": ""}).rows
    assert row.value == pytest.approx(0.025)
    assert (row.isl, row.tp, row.dp, row.line) == (215, 8, None, 2)


def test_rates_per_device_are_marked(tmp_path: Path) -> None:
    one, two = read(tmp_path, {"unit": "tokens/s/GPU"}, {}).rows
    assert one.per_gpu
    assert not two.per_gpu


@pytest.mark.parametrize(
    "cells",
    [
        {"split": "excluded"},
        {"split": "question"},
        {"flag": "SUSPECT"},
        {"flag": "IMPOSSIBLE"},
        {"value": ""},
        {"value": "nan"},
        {"value": "inf"},
        {"value": "-1"},
        {"value": "0"},
        {"value": "1e300"},
        {"value": "9 million"},
        {"tp": "0"},
        {"tp": "-4"},
        {"tp": "1e99"},
        {"batch": "nan"},
        {"isl": "a"},
    ],
)
def test_rows_that_say_nothing_are_dropped_and_counted(tmp_path: Path, cells: dict[str, str]) -> None:
    table = read(tmp_path, {}, cells)
    assert len(table.rows) == 1
    assert sum(table.dropped.values()) == 1


def test_long_cells_are_cut(tmp_path: Path) -> None:
    (row,) = read(tmp_path, {"notes": "x" * 50_000}).rows
    assert len(row.notes) == 300


def test_ragged_rows_are_dropped(tmp_path: Path) -> None:
    whole = tables.text({}) + b"1,2,3\n" + b"," * 40 + b"\n"
    (tmp_path / f"{NAME}.csv.gz").write_bytes(gzip.compress(whole))
    table = rows.read(NAME, tmp_path)
    assert (len(table.rows), sum(table.dropped.values())) == (1, 2)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no gzip at all", "gzip"),
        (gzip.compress(tables.text({}))[:-20], "gzip"),
        (b"\x1f\x8b\x08\x00" + b"\xff" * 40, "gzip"),
        (gzip.compress(b""), "no column"),
        (gzip.compress(b"hardware,value\nH100,1\n"), "no column"),
        (gzip.compress(tables.text({}) + b"\xff\xfe\n"), "UTF-8"),
        (gzip.compress(tables.text({"notes": "x" * 200_000})), "not CSV"),
    ],
    ids=["text", "cut", "noise", "empty", "columns", "bytes", "field"],
)
def test_broken_files_are_named_with_the_problem(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / f"{NAME}.csv.gz").write_bytes(content)
    with pytest.raises(BadFile, match=problem) as caught:
        rows.read(NAME, tmp_path)
    assert NAME in str(caught.value)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with gzip.open(tmp_path / f"{NAME}.csv.gz", "wb", compresslevel=1) as packed:
        for _ in range(65):
            packed.write(bytes(1 << 20))
    with pytest.raises(BadFile, match="64 MiB"):
        rows.read(NAME, tmp_path)


def test_rows_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_ROWS", 3)
    with pytest.raises(BadFile, match="more than 3 rows"):
        read(tmp_path, {}, {}, {}, {})


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=NAME):
        rows.read(NAME, tmp_path)


@pytest.mark.parametrize("root", ["", "/nowhere/at/all"])
def test_the_expected_folder_is_said(monkeypatch: pytest.MonkeyPatch, root: str) -> None:
    monkeypatch.setenv("SILMARK_DATA", root)
    with pytest.raises(BadValue, match="measurements/public"):
        rows.folder()
