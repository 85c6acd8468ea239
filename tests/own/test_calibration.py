"""From an installed package to other predictions: the law behind its times is found, and nothing else moves."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import site_packages

from silmark.calibration import rows
from silmark.figures.tables import read_toml, shipped

pytestmark = pytest.mark.slow
FILES = ("calibration/fabric.toml", "calibration/gpu.toml", "calibration/operators.toml", "corrections/operators.toml")


def silmark(*words: str, path: tuple[Path, ...] = (), own: Path | None = None) -> bytes:
    """What a new process prints, with packages on its path and a calibration of one's own."""
    environment = {k: v for k, v in os.environ.items() if k != "SILMARK_CALIBRATION"}
    environment["PYTHONPATH"] = os.pathsep.join([*map(str, path), *filter(None, sys.path)])
    if own is not None:
        environment["SILMARK_CALIBRATION"] = str(own)
    ran = subprocess.run([sys.executable, "-m", "silmark", *words], env=environment, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    return ran.stdout


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products and collectives of chips inside and outside of the user's tables."""
    folder = tmp_path_factory.mktemp("questions")
    with (folder / "gemm.csv").open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["row_id", "system", "engine", "gemm_dtype", "m", "n", "k", "kernel_source"])
        for system in ("h100_sxm", "h200_sxm", "a100_sxm"):
            for m in (4, 100, 700, 3000):
                for n, k in ((3072, 1024), (6144, 8192)):
                    out.writerow([f"{system}:{m}:{n}:{k}", system, "vllm", "bfloat16", m, n, k, "library"])
    with (folder / "comm.csv").open("w", newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["row_id", "system", "library", "op", "impl", "dtype", "num_gpus", "message_elements"])
        for elements in (1024, 10**6, 10**8):
            out.writerow([f"g{elements}", "h100_sxm", "nccl", "all_gather", "NCCL", "half", 8, elements])
    return folder


def predicted(table: Path, folder: Path, name: str, **how: object) -> dict[str, tuple[float, float, float]]:
    answer = folder / name
    silmark("predict", str(table), "-o", str(answer), **how)  # type: ignore[arg-type]
    with answer.open(newline="") as stream:
        return {row["row_id"]: tuple(float(row[e]) for e in ("low", "mid", "high")) for row in csv.DictReader(stream)}


def test_the_law_of_the_tables_is_found(calibrated: tuple[Path, list[str]]) -> None:
    folder, lines = calibrated
    written = read_toml(folder / "calibration" / "gpu.toml", 1 << 23)
    factors = written["factors"]["gemm"]
    names = list(factors["order"])
    nodes = ("hopper", "hopper|bfloat16", "bfloat16|vllm|library", "hopper|bfloat16|vllm|library")
    for name in ("memory_share", "kernel_cycles", "flop_share"):
        found = written["parameters"]["gemm"][name]["value"]
        for node in nodes:
            found *= factors[node][names.index(name)] if node in factors else 1.0
        assert found == pytest.approx(site_packages.LAW[f"gemm.{name}"], rel=0.2), name
    assert written["held_out"]["gemm nvidia-h100-sxm5-80gb all"]["median_error"] < 0.03
    said = next(line for line in lines if line.startswith("gemm: "))
    assert "480 rows of 2 chips" in said
    assert float(said.rpartition("rows left out, ")[2].split("%")[0]) > 20


def test_predictions_follow_the_tables_and_only_where_asked(
    calibrated: tuple[Path, list[str]], questions: Path, tmp_path: Path
) -> None:
    packaged = predicted(questions / "gemm.csv", tmp_path, "a.csv")
    mine = predicted(questions / "gemm.csv", tmp_path, "b.csv", own=calibrated[0])
    truth = {
        key: float(site_packages.gemm_time(key.split(":")[0], *map(float, key.split(":")[1:]))) * 1e6
        for key in packaged
        if key.startswith("h")
    }
    wrong = {key: abs(np.log(mine[key][1] / value)) for key, value in truth.items()}
    before = {key: abs(np.log(packaged[key][1] / value)) for key, value in truth.items()}
    assert np.median(list(before.values())) > 0.2
    assert np.median(list(wrong.values())) < 0.05
    assert np.mean([mine[key][0] <= value <= mine[key][2] for key, value in truth.items()]) > 0.7


def test_collectives_follow_the_tables(calibrated: tuple[Path, list[str]], questions: Path, tmp_path: Path) -> None:
    mine = predicted(questions / "comm.csv", tmp_path, "own.csv", own=calibrated[0])
    large = 2e8 * 7 / 8 / (site_packages.RING.share * 450e9) * 1e6
    assert mine["g100000000"][1] == pytest.approx(large, rel=0.15)
    written = read_toml(calibrated[0] / "calibration" / "fabric.toml")["parameters"]["gpu"]
    assert written["all_gather_ring"]["share"]["value"] == pytest.approx(site_packages.RING.share, rel=0.05)
    assert written["all_gather_ring"]["share"]["source"] == "own-calibration"
    before = shipped("calibration")["fabric"]["parameters"]["gpu"]
    assert written["all_to_all_direct"] == before["all_to_all_direct"]


def test_what_the_tables_do_not_tell_stays(calibrated: tuple[Path, list[str]]) -> None:
    written, before = read_toml(calibrated[0] / "calibration" / "gpu.toml", 1 << 23), shipped("calibration")["gpu"]
    for group in ("elementwise", "host", "vector", "scan"):
        assert written["parameters"][group] == before["parameters"][group]
    for group, key in (("achievable", "memory_other"), ("format", "int8"), ("format", "fp4")):
        assert written["parameters"][group][key] == before["parameters"][group][key]
    for part in ("gemm", "decode", "prefill"):  # Ampere's parameters are what they were, whatever Hopper's do
        names = list(before["factors"][part]["order"])
        old, new = before["factors"][part]["ampere"], written["factors"][part]["ampere"]
        values = [tables["parameters"][part] for tables in (before, written)]
        for i, name in enumerate(names):
            assert values[1][name]["value"] * new[i] == pytest.approx(values[0][name]["value"] * old[i], rel=1e-2)
    curves = read_toml(calibrated[0] / "corrections" / "operators.toml", 1 << 23)["curves"]
    assert any("google-tpu-v6e" in name for name in curves)
    assert not any("a100" in name for name in curves)


def test_an_installed_package_changes_no_byte(site: Path, questions: Path, tmp_path: Path) -> None:
    other = tmp_path / "older"
    (other / "aiconfigurator").mkdir(parents=True)
    (other / "aiconfigurator" / "__init__.py").write_text("raise ImportError('not to be imported')\n")
    outputs = []
    for name, path in (("without", ()), ("with", (site, other))):
        answer = tmp_path / f"{name}.csv"
        silmark("predict", str(questions / "gemm.csv"), "-o", str(answer), path=path)
        compared = silmark("compare", "llama-3.1-8b", "--chips", "h100,b200,mi300x,groq", "--json", path=path)
        outputs.append((answer.read_bytes(), compared))
    assert outputs[0] == outputs[1]
    assert len(outputs[0][0].splitlines()) == 25


def test_compare_says_on_whose_calibration_it_rests(calibrated: tuple[Path, list[str]]) -> None:
    words = ("compare", "llama-3.1-8b", "--chips", "h100,a100,groq", "--json")
    packaged, mine = json.loads(silmark(*words)), json.loads(silmark(*words, own=calibrated[0]))
    rows_ = [{row["chip"]: row for row in answer["rows"]} for answer in (packaged, mine)]
    groq, a100, h100 = "groq-groqchip-1", "nvidia-a100-sxm4-80gb", "nvidia-h100-sxm5-80gb"
    assert rows_[0][groq] == rows_[1][groq]
    assert rows_[1][a100]["tpot_s"]["mid"] == pytest.approx(rows_[0][a100]["tpot_s"]["mid"], rel=0.01)
    assert rows_[0][h100]["tpot_s"]["mid"] * 1.1 < rows_[1][h100]["tpot_s"]["mid"]
    assert "own-calibration" in rows_[1][h100]["sources"]
    assert "own-calibration" not in rows_[0][h100]["sources"]
    assert any(str(calibrated[0]) in note for note in mine["notes"])
    assert not any("calibration" in note for note in packaged["notes"])


def test_the_command_tells_files_and_next_step(calibrated: tuple[Path, list[str]]) -> None:
    folder, lines = calibrated
    assert [line for line in lines if line.startswith("wrote")] == [f"wrote {folder / name}" for name in FILES]
    assert lines[-1].startswith(f"set SILMARK_CALIBRATION={folder} ")
    assert f"h100_sxm vllm {site_packages.VERSION} gemm_perf: 240 of 240 rows" in lines
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} == set(FILES)
    assert "SILMARK_CALIBRATION" not in os.environ
    assert rows.CHIPS["h100_sxm"] == "nvidia-h100-sxm5-80gb"


def test_a_part_with_few_rows_stays_as_packaged(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="scipy is not installed: pip install 'silmark[calibrate]'")
    from silmark.validation import own  # noqa: PLC0415

    place = tmp_path / "tables" / "h100_sxm" / "gemm" / "vllm" / "1.0" / "gemm_perf.txt"
    site_packages.put(place, site_packages.gemm("h100_sxm", ["bfloat16"], 60))
    lines = list(own.run(tmp_path / "mine", tmp_path / "tables"))
    assert "gemm: 60 rows, 100 are needed: stays as packaged" in lines
    written, before = read_toml(tmp_path / "mine" / "calibration" / "gpu.toml", 1 << 23), shipped("calibration")["gpu"]
    assert written["parameters"] == before["parameters"]
    assert written["factors"] == before["factors"]
    known = read_toml(tmp_path / "mine" / "corrections" / "operators.toml")["measured"]
    assert known["gemm/bfloat16/vllm/library @ nvidia-h100-sxm5-80gb"] == 60
