"""Parquet tables give the rows that CSV text gives, and hostile ones an error of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import site_packages

from silmark.calibration import parquet, perf_rows
from silmark.calibration.perf_files import PerfFile
from silmark.errors import BadFile

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'silmark[measurements]'")
pq = pytest.importorskip("pyarrow.parquet")


def put(path: Path, columns: dict[str, Any]) -> PerfFile:
    pq.write_table(pa.table(columns), path, compression="zstd")
    return PerfFile(path, "h100_sxm", "vllm", "1.0", path.stem)


def columns(cells: list[Any]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in cells] for name in cells[0]}


def test_rows_are_those_of_the_text(tmp_path: Path) -> None:
    for name, cells in (
        ("gemm_perf", site_packages.gemm("h100_sxm", count=30)),
        ("generation_attention_perf", site_packages.attention("h100_sxm", "generation")),
        ("nccl_perf", site_packages.nccl("h100_sxm")),
    ):
        text = PerfFile(site_packages.put(tmp_path / f"{name}.txt", cells), "h100_sxm", "vllm", "1.0", name)
        packed = put(tmp_path / f"{name}.parquet", columns(list(cells)))
        assert perf_rows.read(packed).rows == perf_rows.read(text).rows


def test_empty_cells_take_the_defaults(tmp_path: Path) -> None:
    cells = columns(list(site_packages.attention("h100_sxm", "context")))
    cells["window_size"] = [None, float("nan"), *[128.0] * (len(cells["m" if "m" in cells else "isl"]) - 2)]
    read = perf_rows.read(put(tmp_path / "context_attention_perf.parquet", cells))
    assert [row["window_size"] for row in read.rows][:3] == ["0", "0", "128"]
    assert not read.dropped


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ([[1, 2]] * 3, "m: holds list"),
        ([b"1"] * 3, "m: holds binary"),
        ([True] * 3, "m: holds bool"),
        (["x" * 500] * 3, "m: a word of more than 400 letters"),
        (["one"] * 3, "m is not a whole number"),
        ([None] * 3, "m is not a whole number"),
    ],
    ids=["list", "bytes", "bool", "long", "words", "empty"],
)
def test_columns_of_other_kinds_are_refused(column: list[Any], said: str, tmp_path: Path) -> None:
    cells = {**columns(list(site_packages.gemm("h100_sxm", count=3, dtypes=["fp8"]))), "m": column}
    with pytest.raises(BadFile, match=said):
        perf_rows.read(put(tmp_path / "gemm_perf.parquet", cells))


def test_missing_columns_and_damage_are_named(tmp_path: Path) -> None:
    file = put(tmp_path / "gemm_perf.parquet", {"m": [1], "n": [2]})
    with pytest.raises(BadFile, match="gemm_dtype: no such column"):
        perf_rows.read(file)
    whole = file.path.read_bytes()
    for content in (whole[:-9], whole[:40], b"PAR1" + bytes(60) + b"PAR1", whole[: len(whole) // 2] + bytes(200)):
        file.path.write_bytes(content)
        with pytest.raises(BadFile, match="not a whole parquet file"):
            perf_rows.read(file)


def test_stated_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = columns(list(site_packages.gemm("h100_sxm", count=9, dtypes=["fp8"])))
    file = put(tmp_path / "gemm_perf.parquet", cells)
    with pytest.raises(BadFile, match="more than 8 rows"):
        parquet.read(file.path, ["m"], 8)
    monkeypatch.setattr(parquet, "MAX_UNPACKED", 10)
    with pytest.raises(BadFile, match="GiB unpacked"):
        parquet.read(file.path, ["m"], 100)
