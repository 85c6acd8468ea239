"""Laws that hold for every chip whose matrix units are tiles: systolic, in-memory and photonic."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.chips import catalog
from silmark.chips.mechanisms import Placement, build, family
from silmark.formats import Precision
from silmark.graph import Attention, Boundary, Conv, Elementwise, Experts, Gemm, Op, Scan, count

FAMILIES = ("systolic", "dimc", "photonic")
CHIPS = [name for name in catalog.names() if catalog.load(name).family in FAMILIES]
PLACEMENTS = [Placement(), Placement(weights="sram"), Placement(weights="sram", kv="sram")]


def _tokens(value: float | np.ndarray) -> np.ndarray:
    return np.asarray(value, dtype=np.float64)


def _operators(m: float | np.ndarray, n: int, k: int, past: float = 512.0) -> list[Op]:
    m = _tokens(m)
    one = np.ones(())
    heads = {"heads": 32, "kv_heads": 8, "qk_dim": 128, "v_dim": 128, "kv_width": 2048}
    return [
        Gemm(name="gemm", m=m, n=n, k=k, count=3),
        Gemm(name="int4", m=m, n=n, k=k, weight_bits=4.25),
        Attention(name="decode", seqs=m, new=one, past=_tokens(past), **heads),
        Attention(name="prefill", seqs=one, new=m, past=_tokens(past), **heads),
        Attention(name="window", seqs=one, new=m, past=_tokens(past), window=300, **heads),
        Attention(name="mla", seqs=m, new=one, past=_tokens(past), heads=64, kv_heads=1, qk_dim=576, v_dim=512,
                  kv_width=576),
        Experts(name="experts", m=m, experts=64, top_k=6, hidden=k, inner=n),
        Conv(name="conv", m=m, n=n, k=k, kernel=3, out_size=14, in_size=14),
        Scan(name="scan", m=m, seqs=m, heads=64, head_dim=64, state=128),
        Scan(name="chunked scan", m=m, seqs=one, heads=64, head_dim=64, state=128, chunk=256),
        Attention(name="chosen", seqs=m, new=one, past=_tokens(past), selected=300, **heads),
        Attention(name="index", seqs=m, new=one, past=_tokens(past), heads=64, kv_heads=1, qk_dim=128, v_dim=0,
                  kv_width=128, kv_bits=8.25),
        Scan(name="delta rule", m=m, seqs=m, heads=32, head_dim=128, state=128, delta=True, state_bits=32.0),
        Scan(name="chunked delta", m=m, seqs=one, heads=32, head_dim=128, state=128, chunk=64, delta=True),
        Elementwise(name="norm", m=m, read=k, write=k, flops=4 * k),
        Boundary(name="layer", scope="layer", m=m, hidden=k),
        Boundary(name="step", scope="step", m=m, hidden=k),
    ]  # fmt: skip


def _machines(name: str):
    chip = catalog.load(name)
    for fmt in chip.formats:
        for placement in PLACEMENTS:
            yield build(chip, Precision.of(fmt), placement)


sizes = st.integers(1, 20000)
tokens = st.integers(1, 5000)


@pytest.mark.parametrize("name", CHIPS)
@settings(max_examples=8)
@given(m=tokens, n=sizes, k=sizes, past=st.integers(0, 100_000))
def test_cost_is_a_sum_of_shares(name, m, n, k, past):
    for machine in _machines(name):
        for op in _operators(m, n, k, past):
            cost = machine.cost(op)
            values = list(cost.parts.values())
            assert all(np.all(np.isfinite(v)) and np.all(v >= 0) for v in values), op.name
            assert math.isclose(float(cost.time_s), float(sum(values)))
            assert np.all(np.isfinite(cost.energy_j)), op.name
            assert np.all(cost.energy_j >= 0), op.name
            assert cost.bound_by() in cost.parts


@pytest.mark.parametrize("name", CHIPS)
@settings(max_examples=8)
@given(m=tokens, n=sizes, k=sizes, past=st.integers(0, 100_000))
def test_no_faster_than_peak_and_bandwidth(name, m, n, k, past):
    chip = catalog.load(name)
    for machine in _machines(name):
        peaks = [chip.figure(f"peak.{f}").high for f in chip.formats]
        for op in _operators(m, n, k, past):
            seconds = float(machine.cost(op).time_s)
            work = count(op)
            # Attention may run in another format than the products, so the highest peak is the bound there.
            peak = max(peaks) if op.kind == "attention" else chip.figure(f"peak.{machine.precision.compute}").high
            assert seconds >= float(work.flops) / peak * (1 - 1e-9), op.name
            if machine.placement.weights == "main" and op.kind in ("gemm", "experts", "conv"):
                bits = getattr(op, "weight_bits", None)
                byte = machine.precision.weight_bytes if bits is None else bits / 8
                assert seconds >= float(work.weights) * byte / chip.figure("memory.main.bandwidth").high * (1 - 1e-9)
            if machine.placement.kv == "main" and op.kind == "attention":
                cache = float(work.kv) * op.kv_bytes(machine.precision.kv_bytes)
                assert seconds >= cache / chip.figure("memory.main.bandwidth").high * (1 - 1e-9), op.name


@pytest.mark.parametrize("name", CHIPS)
@settings(max_examples=8)
@given(m=tokens, n=sizes, k=sizes, more=st.integers(1, 600))
def test_more_tokens_are_never_faster(name, m, n, k, more):
    for machine in _machines(name):
        for less, op in zip(_operators(m, n, k), _operators(m + more, n, k), strict=True):
            assert float(machine.cost(op).time_s) >= float(machine.cost(less).time_s) * (1 - 1e-9), op.name


_KNOBS = ("peak.", "memory.", "compute.clock", "compute.digital", "link.host.bandwidth")


@pytest.mark.parametrize("name", CHIPS)
@settings(max_examples=6)
@given(m=tokens, n=sizes, k=sizes, factor=st.floats(1.01, 8))
def test_a_faster_part_never_slows_the_chip(name, m, n, k, factor):
    chip = catalog.load(name)
    keys = [key for key in chip.figures if key.startswith(_KNOBS) and not key.endswith("latency")]
    for fmt in chip.formats[:2]:
        for placement in PLACEMENTS[:2]:
            base = build(chip, Precision.of(fmt), placement)
            for key in keys:
                faster = build(chip.with_figure(key, chip.si(key) * factor), Precision.of(fmt), placement)
                for op in _operators(m, n, k):
                    before, after = float(base.cost(op).time_s), float(faster.cost(op).time_s)
                    assert after <= before * (1 + 1e-9), (key, op.name)


@pytest.mark.parametrize("name", CHIPS)
@settings(max_examples=5)
@given(ms=st.lists(tokens, min_size=2, max_size=6), n=sizes, k=sizes)
def test_arrays_equal_single_shapes(name, ms, n, k):
    machine = build(catalog.load(name), Precision.of(catalog.load(name).precision), Placement())
    for index, op in enumerate(_operators(np.asarray(ms, dtype=float), n, k)):
        together = machine.cost(op)
        assert together.time_s.shape == (len(ms),)
        for i, m in enumerate(ms):
            alone = machine.cost(_operators(m, n, k)[index])
            assert math.isclose(float(together.time_s[i]), float(alone.time_s), rel_tol=1e-12), op.name
            energy = float(np.broadcast_to(together.energy_j, len(ms))[i])
            assert math.isclose(energy, float(alone.energy_j), rel_tol=1e-9), op.name


@pytest.mark.parametrize("name", CHIPS)
def test_instances_add_up_and_kinds_are_named(name):
    machine = build(catalog.load(name), Precision.of(catalog.load(name).precision), Placement())
    for op in _operators(100, 512, 512):
        assert op.kind in family(machine.family).runs
        many = machine.cost(replace(op, count=op.count * 4))
        assert math.isclose(float(many.time_s), 4 * float(machine.cost(op).time_s))
        assert math.isclose(float(many.energy_j), 4 * float(machine.cost(op).energy_j))


@pytest.mark.parametrize("name", CHIPS)
def test_figures_are_noted_with_what_they_bound(name):
    machine = build(catalog.load(name), Precision.of(catalog.load(name).precision), Placement())
    for op in _operators(100, 512, 512):
        machine.cost(op)
    assert f"peak.{machine.precision.compute}" in machine.bounds["compute"]
    assert any("bandwidth" in key for key in machine.bounds["memory"])
    assert all(keys <= set(machine.used) for keys in machine.bounds.values())


@pytest.mark.parametrize("name", CHIPS)
def test_a_chip_that_says_little_still_runs(name):
    """Only what its file must give: peak, memory, power, and the shape where the family has no default."""
    chip = catalog.load(name)
    needed = ("peak.", "memory.main", "memory.sram", "power.", "compute.weight_install", "compute.clock")
    shape = ("compute.rows", "compute.columns", "compute.arrays", "compute.vector_cycles")
    keep = needed if chip.family == "systolic" else needed + shape
    bare = replace(chip, figures={k: f for k, f in chip.figures.items() if k.startswith(keep) and k != "peak.vector"})
    machine = build(bare, Precision.of(chip.precision), Placement())
    for op in _operators(100, 4096, 4096):
        seconds = float(machine.cost(op).time_s)
        assert seconds >= float(count(op).flops) / bare.figure(f"peak.{chip.precision}").high
