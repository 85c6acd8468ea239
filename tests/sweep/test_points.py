"""Every row says what `silmark estimate` says for the same question."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

import silmark
from silmark.estimation import Serving, estimate
from silmark.estimation.steady import steady
from silmark.mapping import Infeasible
from silmark.workloads import Workload

CASES = {
    "tensor": ("llama-3.1-70b", "8x:h100", {"tp": 8}),
    "pipeline": ("llama-3.1-70b", "16x:h100", {"tp": 4, "pp": 4}),
    "experts": ("deepseek-v3", "8x:h200", {"precision": "fp8"}),
    "wafer": ("llama-3.1-8b", "cs-3", {}),
    "cards": ("llama-3.1-8b", "corsair-server", {}),
    "young": ("llama-3.1-8b", "8x:mi300x", {"tp": 2}),
    "by sequences": ("llama-3.1-8b", "8x:h100", {"tp": 8, "attention": "batch"}),
    "context": ("llama-3.1-8b", "8x:h100", {"tp": 4, "cp": 2}),
    "cache beyond the chips": ("llama-3.1-8b", "hgx-h100-8-leo", {"tp": 2, "kv_in": "cxl"}),
    "state": ("mamba2-2.7b", "1x:h100", {}),
}


@pytest.fixture(scope="module", params=list(CASES))
def replica(request: pytest.FixtureRequest) -> Any:
    model, on, cut = CASES[request.param]
    compiled = silmark.estimate(model, on, **cut).step_model
    assert compiled is not None
    return compiled


@given(
    points=st.lists(
        st.tuples(st.integers(1, 3000), st.integers(1, 30_000), st.integers(1, 5000)), min_size=1, max_size=20
    ),
    chunk=st.sampled_from([None, 256, 2048]),
)
@settings(max_examples=15)
def test_arrays_of_points_are_the_estimates_of_each(
    replica: Any, points: list[tuple[int, int, int]], chunk: int | None
) -> None:
    batch, prompt, output = (np.array(axis, dtype=np.float64) for axis in zip(*points, strict=True))
    room = replica.memory.rooms(prompt + output)
    found = steady(replica, batch, prompt, output, chunk)
    dp = replica.plan.dp
    for at, (users, tokens, answer) in enumerate(points):
        one = estimate(replica, Workload("one", tokens, answer, users=users * dp), quick=True, serving=Serving(chunk))
        assert isinstance(one, Infeasible) == (users > room[at])
        if isinstance(one, Infeasible):
            continue
        assert one.ttft_s is not None
        assert one.tpot_s is not None
        assert one.tokens_per_s is not None
        assert one.itl_max_s is not None
        assert one.batch_max == room[at] * dp
        for interval, bounded, scale in (
            (one.ttft_s, found.ttft_s, 1),
            (one.tpot_s, found.tpot_s, 1),
            (one.tokens_per_s, found.tokens_per_s, dp),
        ):
            for end in ("low", "mid", "high"):
                assert math.isclose(getattr(interval, end), getattr(bounded, end)[at] * scale, rel_tol=1e-12)
        assert math.isclose(one.itl_max_s.mid, found.itl_max_s[at], rel_tol=1e-12)
        assert math.isclose(one.power_w.mid, found.power_w[at] * dp, rel_tol=1e-12)
        assert int(one.grade) == found.grade[at]


def rows(folder: Path) -> list[dict[str, Any]]:
    return list(pq.read_table(folder).to_pylist())


@pytest.mark.parametrize("more", [{}, {"dp": "auto", "cp": [1, 2], "chunk": 512}], ids=["plain", "chunks"])
def test_rows_are_what_estimate_says(more: dict[str, Any], small: dict[str, Any], tmp_path: Path) -> None:
    done = silmark.sweep(small | more, tmp_path / "s", workers=1)
    found = rows(tmp_path / "s")
    assert [row["point"] for row in found] == list(range(done.points))
    assert {row["status"] for row in found} == {"ok", "infeasible", "cannot-run"}
    for row in found[::7]:
        if row["batch"] < (row["dp"] or 1) or row["chips"] is None:
            assert row["status"] == "infeasible"
            continue
        one = silmark.estimate(
            row["model"], row["on"], tp=row["tp"], pp=row["pp"], dp=row["dp"], ep=row["ep"], cp=row["cp"],
            batch=row["batch"], chunk=row["chunk"],
            workload="offline", prompt=row["prompt"], output=row["output"], precision=row["precision"],
        ).rows[0].as_dict()  # fmt: skip
        assert row["status"] == one["status"]
        assert bool(row["reason"]) == bool(one["reason"])
        for name in (
            "ttft_s",
            "tpot_s",
            "itl_max_s",
            "tokens_per_s",
            "tokens_per_s_chip",
            "usd_per_mtok",
            "joules_per_token",
        ):
            if one[name] is None:
                assert row[name] is None
            else:
                assert math.isclose(row[name], one[name]["mid"], rel_tol=1e-9), name
        if row["status"] == "ok":
            assert (row["grade"], row["bound_by"]) == (one["grade"], one["bound_by"]["decode"])
            assert row["tpot_s_low"] <= row["tpot_s"] <= row["tpot_s_high"]
            assert row["tokens_per_s_low"] <= row["tokens_per_s"] <= row["tokens_per_s_high"]


def test_a_cut_that_makes_no_sense_is_a_row_with_its_reason(small: dict[str, Any], tmp_path: Path) -> None:
    silmark.sweep(small | {"on": ["2x:h100"], "tp": [16], "ep": [3]}, tmp_path / "s", workers=1)
    found = rows(tmp_path / "s")
    assert {row["status"] for row in found} == {"infeasible"}
    assert all(row["tpot_s"] is None and row["tp"] == 16 for row in found)
    assert all("at most 2, the chips of 2x:nvidia-h100" in row["reason"] or "a divisor of tp" in row["reason"]
               for row in found)  # fmt: skip


def test_chunks_too_small_for_a_prompt_are_a_reason(tmp_path: Path) -> None:
    grid = {"models": "llama-3.1-8b", "on": "1x:h100", "chunk": 1, "batch": 1, "prompt": [9, 20_000], "output": 64}
    silmark.sweep(grid, tmp_path / "s")
    fits, not_ = rows(tmp_path / "s")
    assert fits["status"] == "ok"
    assert not_["reason"] == "a prompt takes 20,000 chunks; at most 10,000"


def test_tiers_are_those_that_estimate_takes(tmp_path: Path) -> None:
    grid = {"models": "llama-3.1-8b", "on": ["hgx-h100-8-leo", "1x:h100"], "kv_in": ["main", "cxl"], "dp": 1}
    silmark.sweep(grid | {"batch": 8, "prompt": 512, "output": 64}, tmp_path / "s")
    found = rows(tmp_path / "s")
    assert [(row["kv_in"], row["status"]) for row in found] == [
        ("main", "ok"), ("cxl", "ok"), ("main", "ok"), ("cxl", "infeasible")
    ]  # fmt: skip
    assert "tiers of weights and cache" in found[-1]["reason"]
    beyond = silmark.estimate("llama-3.1-8b", "hgx-h100-8-leo", dp=1, kv_in="cxl", batch=8, prompt=512, output=64)
    assert math.isclose(found[1]["tpot_s"], beyond.rows[0].as_dict()["tpot_s"]["mid"], rel_tol=1e-9)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_replica_without_a_sequence_is_refused(batch: int, tmp_path: Path) -> None:
    grid = {"models": "llama-3.1-8b", "on": "8x:h100", "dp": 4, "batch": batch, "prompt": 64, "output": 64}
    silmark.sweep(grid, tmp_path / "s")
    (row,) = rows(tmp_path / "s")
    assert row["reason"] == f"4 replicas want at least one sequence each; there are {batch}"


def test_numbers_are_finite_or_absent(small: dict[str, Any], tmp_path: Path) -> None:
    silmark.sweep(small, tmp_path / "s", workers=1)
    for row in rows(tmp_path / "s"):
        numbers = [value for value in row.values() if isinstance(value, float)]
        assert all(0 < number < math.inf for number in numbers)
        assert bool(numbers) == (row["status"] == "ok")
