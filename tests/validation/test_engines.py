"""What engines add: the fit finds what was put in, inherits what it never saw, and survives its own file."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import tables

from silmark.calibration import engines as fitting
from silmark.calibration.engines import Overheads, Sample, key
from silmark.validation import cross, engines
from silmark.validation.rows import Row, parse

TRUTH = {"fast": (1.0, 5e-4, 5e-6, 1e-8, 0.0, 0.1, 1e-7), "slow": (1.5, 5e-3, 1e-4, 1e-8, 0.0, 0.9, 2e-5)}


def sample(engine: str, chip: str, model: str, batch: float, slower: float = 1.0) -> Sample:
    work = (0.004 + 0.0002 * batch, 1.0, batch, 100.0, 0.0, 1e-4 * batch, 64.0)
    levels = {"network": "dense", "format": "fp8", "vendor": "V", "generation": "V-fp8", "chip": chip, "model": model}
    seconds = float(np.dot(TRUTH[engine], work)) * slower
    return Sample(engine, "tpot", levels, seconds, work)


def samples() -> list[Sample]:
    """Two engines, three chips of which one is slower than said, two models."""
    return [
        sample(engine, chip, model, batch, 1.3 if chip == "c" else 1.0)
        for engine in TRUTH
        for chip in "abc"
        for model in "xy"
        for batch in (1.0, 4.0, 16.0, 64.0, 256.0)
    ]


def test_times_of_known_engines_and_chips_come_back() -> None:
    found = fitting.fit(samples())
    for one in samples():
        mine = fitting.lookup(found, one.engine, one.kind, one.chip)
        assert mine is not None
        assert mine.seconds(one.work, one.levels) == pytest.approx(one.seconds, rel=0.12)


def test_a_chip_that_was_never_measured_inherits_its_engine() -> None:
    left = fitting.left_out(samples(), "chip")
    assert len(left) == len(samples())
    usual = [rest for one, rest in left if one.chip in "ab"]
    assert float(np.median(np.abs(usual))) < 0.2
    assert float(np.median([rest for one, rest in left if one.chip == "c"])) > 0.15  # 1.3 times slower: not known


def test_an_unknown_engine_is_all_engines_together() -> None:
    found = fitting.fit(samples())
    assert fitting.lookup(found, "new", "tpot", "a") is found["", "tpot", ""]
    assert fitting.lookup(found, "fast", "power", "a") is None


def test_few_rows_move_little() -> None:
    """One row that is ten times slower than its engine says little about a chip."""
    odd = [*samples(), sample("fast", "d", "x", 4.0, 10.0)]
    effects = fitting.fit(odd)["fast", "tpot", ""].effects
    assert 0.0 < effects["chip"]["d"] < 0.5


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("vLLM", "vLLM 0.6.1 on MI300X; else not in CSV", "vllm-0-6"),
        ("vLLM", "2024-11", "vllm-0-6"),
        ("vllm", "0.12.0", "vllm-1"),
        ("vLLM", "2026-02", "vllm-dated"),
        ("TensorRT-LLM", "0.5.0", "tensorrt-llm-0-9"),
        ("TensorRT-LLM", "0.11.0", "tensorrt-llm-0-14"),
        ("TensorRT-LLM", "1.1-1.2 (doc does not name it)", "tensorrt-llm-1"),
        ("trtllm", "0.8.1.post1", "tensorrt-llm-1"),
        ("sglang", "0.5.9", "sglang"),
        ("Deepspeed-MII", "", "deepspeed-mii"),
        ("", "", "not-stated"),
    ],
)
def test_versions_fall_into_ranges(name: str, version: str, expected: str) -> None:
    assert key(name, version) == expected


def test_the_file_holds_what_was_fitted(tmp_path: Path) -> None:
    left = cross.leave_out(samples())
    path = engines.write(samples(), left, tmp_path / "engines.toml")
    found, widths = engines.read(tomllib.loads(path.read_text(encoding="utf-8")))
    before, wide = fitting.fit(samples()), cross.widths(left)
    one = samples()[7]
    for name in ("fast", ""):
        again, first = found[name, "tpot", ""], before[name, "tpot", ""]
        assert again.seconds(one.work, one.levels) == pytest.approx(first.seconds(one.work, one.levels), rel=1e-3)
    assert widths.keys() == wide.keys()
    assert all(low > 0 and high > 0 for low, high in widths.values())


def test_overheads_are_linear_in_work() -> None:
    mine = Overheads((2.0, 1e-3, 1e-5, 0.0, 0.5, 0.1, 0.0), {"chip": {"c": 0.0}})
    work = (1.0, 10.0, 100.0, 5.0, 1.0, 0.3, 64.0)
    assert mine.seconds(work, {"chip": "c"}) == pytest.approx(2.0 + 0.01 + 0.001 + 0.5 + 0.03)


@pytest.mark.parametrize(
    ("engine", "notes", "expected"),
    [
        ("TensorRT 10.2.0, CUDA 12.4", "closed; A; system=X", "mlperf-closed-4"),
        ("TensorRT 9.3.0, CUDA 12.2", "closed; A; system=X", "mlperf-closed-4"),
        ("TensorRT 10.11, CUDA 12.9", "closed; A; system=X", "mlperf-closed"),
        ("vLLM 0.4.3+rocm614", "closed; A; system=X", "mlperf-closed-4"),
        ("vLLM v0.9.2", "closed; A; system=X", "mlperf-closed"),
        ("UntetherAI imAIgine SDK", "closed; A; system=X", "mlperf-closed"),
        ("TensorRT 10.2.0, CUDA 12.4", "closed; A; system=X_TRT_MaxQ", "mlperf-closed-4-maxq"),
        ("TensorRT 10.2.0, CUDA 12.4", "a; open; A; system=X", "aside"),
        ("vLLM 0.5.2", "closed; A; system=vLLM_8x-reference-cpu", "aside"),
        ("pytorch v2.7.1", "closed; A; system=X", "aside"),
    ],
)
def test_rounds_of_mlperf_are_engines(engine: str, notes: str, expected: str) -> None:
    row = parse({**tables.PLAIN, "engine": engine, "notes": notes}, "mlperf_inference_llm")
    assert isinstance(row, Row)
    assert engines.engine(row) == expected
