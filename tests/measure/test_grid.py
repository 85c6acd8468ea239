"""Which shapes are measured: packaged grids, the one for an H100, and what a wrong file is told."""

from __future__ import annotations

import csv
import gzip
import os
from collections import Counter
from pathlib import Path

import pytest

from silmark.calibration.measure import load
from silmark.calibration.measure.grid import KEYS, MODEL
from silmark.calibration.measure.operators import bytes_needed
from silmark.calibration.measure.transformer import bytes_needed as model_bytes
from silmark.calibration.measure.transformer import config
from silmark.errors import BadFile, UnknownName
from silmark.models.catalogue import build
from silmark.models.config import Config

H100 = Path(__file__).resolve().parents[2] / "benchmarks" / "h100_grid.toml"
GRIDS = ("small", "full", str(H100))


@pytest.mark.parametrize("name", GRIDS, ids=lambda name: Path(name).stem)
def test_a_grid_holds_complete_points_each_once(name):
    points = load(name)
    assert len({(p.kind, *p.shape.items()) for p in points}) == len(points)
    for point in points:
        model = MODEL if point.kind.startswith("transformer") else ()
        assert set(point.shape) == {*KEYS[point.kind], *model}


@pytest.mark.parametrize("name", GRIDS, ids=lambda name: Path(name).stem)
def test_a_cut_budget_cuts_all_kinds_alike(name):
    points = load(name)
    kinds = Counter(p.kind for p in points)
    early = Counter(p.kind for p in points[: len(points) // 4])
    assert set(early) == set(kinds)


def test_the_small_grid_fits_a_laptop_and_the_large_ones_an_h100():
    for name, most in (("small", 2e9), ("full", 40e9), (str(H100), 40e9)):
        for point in load(name):
            size = model_bytes(point) if point.kind.startswith("transformer") else bytes_needed(point)
            assert size < most or point.kind.startswith("attention"), point


def test_the_h100_grid_has_odd_products():
    products = [p for p in load(str(H100)) if p.kind == "gemm"]
    odd = [p for p in products if p.size("m") % 2 and (p.size("n") % 8 or p.size("k") % 8)]
    assert len(odd) > 50
    assert {p.dtype for p in products} == {"bf16", "fp16", "fp32"}


def _public(table: str) -> list[dict[str, str]]:
    path = Path(os.environ.get("SILMARK_DATA", "")) / "measurements" / "public" / f"{table}.csv.gz"
    if not path.exists():
        pytest.skip("needs the measured rows in the folder that SILMARK_DATA names")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@pytest.mark.data
def test_the_h100_grid_is_new_to_the_public_tables():
    """What a run of it measures is a check of predictions only if no public row holds the shape."""
    products, attention, experts = set(), set(), set()
    for table in ("ops_gemm_aiconfigurator", "ops_mlp_vidur", "ops_infersim_h20_h800"):
        products |= {tuple(float(row[c] or 0) for c in "mnk") for row in _public(table)}
    for table, length in (("prefill", "isl"), ("decode", "kv_len")):
        names = ("batch_size", length, "num_heads", "num_key_value_heads", "head_dim")
        rows = _public(f"ops_attention_{table}_aiconfigurator")
        attention |= {(table, *(float(row[c]) for c in names)) for row in rows}
    names = KEYS["moe"][1:]
    experts = {tuple(float(row[c]) for c in names) for row in _public("ops_moe_aiconfigurator")}
    for point in load(str(H100)):
        sizes = tuple(float(v) for k, v in point.shape.items() if k not in ("dtype", "op"))
        known = {"gemm": products, "attention_prefill": attention, "attention_decode": attention, "moe": experts}
        wanted = (point.kind.removeprefix("attention_"), *sizes) if "attention" in point.kind else sizes
        assert wanted not in known.get(point.kind, ()), point


def test_the_transformer_is_the_model_that_is_lowered():
    point = next(p for p in load("small") if p.kind == "transformer_decode" and p.dtype == "fp32")
    model = build(Config(config(point), "here", "small"))
    assert model.layer_count == point.size("layers")
    cache = point.size("batch_size") * (point.size("kv_len") + 1) * point.size("layers") * 2
    cache *= point.size("num_key_value_heads") * point.size("head_dim")
    norms = (2 * point.size("layers") + 1) * point.size("hidden_size")
    assert model_bytes(point) == 4 * (model.parameters - norms + cache)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[gem]]\nm = 1", "not a kind of measurement"),
        ("[gemm]\nm = 1", "array of tables"),
        ('[[gemm]]\ndtype = "bf16"\nm = [1]', "missing n, k"),
        ('[[gemm]]\ndtype = "fp8"\nm = [1]\nnk = [[1, 2]]', "expected one of fp32, bf16, fp16"),
        ('[[gemm]]\ndtype = "bf16"\nm = [0]\nnk = [[1, 2]]', "whole number from 1"),
        ('[[gemm]]\ndtype = "bf16"\nm = [true]\nnk = [[1, 2]]', "whole number from 1"),
        ('[[gemm]]\ndtype = "bf16"\nm = [1]\nnk = [[1, 2, 3]]', "a list of 2 sizes (n, k)"),
        ('[[gemm]]\ndtype = "bf16"\nm = [1]\nnk = [[1, 2]]\nspeed = 3', "not a size of it"),
        ('[[collective]]\nop = "shout"\nbytes = 3', "all_reduce"),
        (
            '[[attention_decode]]\ndtype = "bf16"\nbatch_size = 1\nkv_len = 9\nheads = [[6, 4]]\nhead_dim = 64',
            "no multiple of 4",
        ),
        ('[[moe]]\ndtype = "bf16"\nnum_tokens = 1\nexpert = [[8, 8]]\nrouting = [[2, 4]]', "topk is above"),
        ("", "nothing to measure"),
        (f"[[copy]]\nbytes = {list(range(1, 1001))}\n" * 2 + "[[launch]]\nbytes = 1", "launch.bytes"),
    ],
)
def test_a_wrong_grid_is_told_what_is_wrong(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadFile) as caught:
        load(str(path))
    assert "mine.toml" in str(caught.value)
    assert said in str(caught.value)


def test_an_unknown_grid_is_told_the_known_ones():
    with pytest.raises(UnknownName, match="small"):
        load("smal")
