"""Tables of a package: found in either layout, the newest release of each, and read with care."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import site_packages
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.calibration import perf_files, perf_rows
from silmark.calibration.perf_files import PerfFile
from silmark.errors import BadFile, MissingExtra, SilmarkError

GEMM = {"kernel_source": "k", "gemm_dtype": "fp8", "m": 3, "n": 256, "k": 512, "latency": 0.25}
ATTENTION = {
    "kernel_source": "k", "attn_dtype": "bfloat16", "kv_cache_dtype": "fp8", "batch_size": 2, "num_heads": 8,
    "num_key_value_heads": 1, "head_dim": 64, "latency": 0.5,
}  # fmt: skip


def table(tmp_path: Path, name: str, *cells: dict[str, Any]) -> PerfFile:
    path = site_packages.put(tmp_path / f"{name}.txt", cells)
    return PerfFile(path, "h100_sxm", "vllm", "1.0", name)


def test_rows_take_the_public_tables_names_and_units(tmp_path: Path) -> None:
    (row,) = perf_rows.read(table(tmp_path, "gemm_perf", GEMM)).rows
    assert row == {
        "system": "h100_sxm", "engine": "vllm", "kernel_source": "k", "gemm_dtype": "fp8", "m": "3", "n": "256",
        "k": "512", "time_us": "250.0", "split": "public", "flag": "",
    }  # fmt: skip


def test_a_decoding_kernel_sees_prompt_and_step(tmp_path: Path) -> None:
    (row,) = perf_rows.read(table(tmp_path, "generation_attention_perf", {**ATTENTION, "isl": 7, "step": 100})).rows
    assert (row["kv_len"], row["window_size"], row["time_us"]) == ("107", "0", "500.0")
    assert "kv_prefix_len" not in row


def test_an_all_reduce_of_an_engine_has_its_kernel_as_implementation(tmp_path: Path) -> None:
    cells = {"kernel_source": "vLLM_custom_graph", "allreduce_dtype": "bfloat16", "num_gpus": 4, "message_size": 64}
    (row,) = perf_rows.read(table(tmp_path, "custom_allreduce_perf", {**cells, "latency": 0.01})).rows
    assert (row["op"], row["impl"], row["library"], row["message_elements"]) == (
        "all_reduce", "vLLM_custom_graph", "vllm", "64",
    )  # fmt: skip


def test_every_table_gets_the_columns_that_its_public_kind_is_recognised_by(tmp_path: Path) -> None:
    from silmark.validation.operators.kinds import recognise  # noqa: PLC0415

    data = site_packages.install(tmp_path, ["h100_sxm"])
    found = {}
    for file in perf_files.newest(data, perf_rows.KINDS):
        done = perf_rows.read(file)
        kind = recognise(frozenset(done.rows[0]))
        found[file.name] = kind.table if kind else None
        assert done.total == len(done.rows)
        assert not done.dropped
    assert found == {name: perf_rows.KINDS[name].table for name in found}
    assert len(found) == 5


def test_thinning_keeps_the_ends_and_every_dtype(tmp_path: Path) -> None:
    cells = [{**GEMM, "gemm_dtype": dtype, "m": m} for m in range(1, 301) for dtype in ("bfloat16", "fp8")]
    done = perf_rows.read(table(tmp_path, "gemm_perf", *cells), most=20)
    assert (len(done.rows), done.total) == (20, 600)
    by = {dtype: [int(row["m"]) for row in done.rows if row["gemm_dtype"] == dtype] for dtype in ("bfloat16", "fp8")}
    assert {len(sizes) for sizes in by.values()} == {10}
    assert min(by["fp8"]) == 1
    assert max(by["fp8"]) > 250
    assert len(perf_rows.read(table(tmp_path, "gemm_perf", *cells), most=0).rows) == 600


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"latency": 0}, "latency"), ({"latency": "nan"}, "latency"), ({"latency": -1}, "latency"),
        ({"latency": 1e9}, "latency"), ({"m": 0}, "m is"), ({"m": 1.5}, "m is"), ({"n": "1e30"}, "n is"),
        ({"k": "x"}, "k is"), ({"gemm_dtype": ""}, "gemm_dtype"), ({"kernel_source": "x" * 121}, "kernel_source"),
    ],
    ids=str,
)  # fmt: skip
def test_a_bad_row_is_left_out_and_told(broken: dict[str, Any], why: str, tmp_path: Path) -> None:
    done = perf_rows.read(table(tmp_path, "gemm_perf", GEMM, {**GEMM, **broken}, GEMM))
    assert len(done.rows) == 2
    assert list(done.dropped.values()) == [1]
    assert why in next(iter(done.dropped))


def test_a_table_of_bad_rows_is_refused_with_file_column_and_count(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match=r"gemm_perf\.txt: 2 of 3 rows do not fit: latency .* not a table of gemm_perf"):
        perf_rows.read(table(tmp_path, "gemm_perf", GEMM, *[{**GEMM, "latency": 0}] * 2))


def test_odd_letters_of_a_kernel_cannot_break_a_calibration_file(tmp_path: Path) -> None:
    (row,) = perf_rows.read(table(tmp_path, "gemm_perf", {**GEMM, "kernel_source": 'a"b\\c @ d|e\x7f'})).rows
    assert row["kernel_source"] == "a_b_c _ d_e_"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "first line"),
        (b"m,m\n1,1\n", "first line"),
        (b"m,n,k\n1,2,3\n", "gemm_dtype: no such column"),
        (b"m,n\n1,2,3\n", "line 2: 3 cells"),
        (b"\xff\xfe", "UTF-8"),
        (b'm,n\n"1,2\n', "not CSV"),
    ],
)
def test_a_file_that_is_no_table_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "gemm_perf.txt"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=said):
        perf_rows.read(PerfFile(path, "h100_sxm", "vllm", "1.0", "gemm_perf"))


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = table(tmp_path, "gemm_perf", *[GEMM] * 5)
    monkeypatch.setattr(perf_rows, "MAX_ROWS", 4)
    with pytest.raises(BadFile, match="more than 4 rows"):
        perf_rows.read(file)
    monkeypatch.setattr(perf_rows, "MAX_BYTES", 0)
    with pytest.raises(BadFile, match="larger than 0 MiB"):
        perf_rows.read(file)


@settings(max_examples=60)
@given(content=st.one_of(st.binary(max_size=300), st.text(alphabet=',\n"\0 mnk1e-.', max_size=200).map(str.encode)))
def test_whatever_a_file_holds_the_error_is_ours(content: bytes, tmp_path: Path) -> None:
    for ending in ("txt", "parquet"):
        path = tmp_path / f"gemm_perf.{ending}"
        path.write_bytes(content)
        with pytest.raises(SilmarkError):
            perf_rows.read(PerfFile(path, "h100_sxm", "vllm", "1.0", "gemm_perf"))


def test_releases_are_ordered_as_their_makers_do() -> None:
    ordered = ("main", "0.5.6", "0.5.6.post2", "0.5.10", "v0.20", "1.3.0.dev4", "1.3.0rc9", "1.3.0rc20", "1.3.0")
    assert tuple(sorted(sorted(ordered), key=perf_files.age)) == ordered


def test_both_layouts_are_read_and_the_newest_release_counts(tmp_path: Path) -> None:
    for place in ("gemm/vllm/0.14.0", "gemm/vllm/0.24.0", "vllm/0.9.0", "trtllm/1.0.0", "gemm/other/9.0", "a/b"):
        site_packages.put(tmp_path / "h100_sxm" / place / "gemm_perf.txt", [GEMM])
    site_packages.put(tmp_path / "h100_sxm" / "gemm" / "vllm" / "0.30.0" / "gemm_perf.txt", [GEMM])
    (tmp_path / "h100_sxm" / "gemm" / "vllm" / "0.30.0" / "INCOMPLETE.txt").touch()
    found = perf_files.newest(tmp_path, ["gemm_perf"])
    assert [(file.library, file.version) for file in found] == [("trtllm", "1.0.0"), ("vllm", "0.24.0")]
    (tmp_path / "h100_sxm" / "gemm" / "vllm" / "0.30.0" / "collection_meta.yaml").touch()
    assert perf_files.newest(tmp_path, ["gemm_perf"])[1].version == "0.30.0"


def test_parquet_goes_before_text(tmp_path: Path) -> None:
    folder = tmp_path / "h100_sxm" / "gemm" / "vllm" / "1.0"
    site_packages.put(folder / "gemm_perf.txt", [GEMM])
    (folder / "gemm_perf.parquet").touch()
    assert [file.path.suffix for file in perf_files.newest(tmp_path, ["gemm_perf"])] == [".parquet"]


@pytest.mark.parametrize("package", perf_files.PACKAGES)
def test_an_installed_package_is_found_without_importing_it(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = site_packages.install(tmp_path, [], package)
    data.mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert perf_files.data_folder() == data


def test_nothing_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perf_files, "PACKAGES", ("no_such_package_of_tables",))
    with pytest.raises(MissingExtra, match=r"silmark\[measurements\]"):
        perf_files.data_folder()


def test_a_folder_without_tables_is_refused_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="<system>/<family>/<library>/<version>"):
        perf_files.newest(perf_files.data_folder(tmp_path), perf_rows.KINDS)
    with pytest.raises(BadFile, match="no such folder"):
        perf_files.data_folder(tmp_path / "nowhere")
