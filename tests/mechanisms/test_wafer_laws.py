"""Laws of wafer-scale meshes, over the wafers of the catalogue."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark import chips
from silmark.chips.mechanisms import Placement, build
from silmark.chips.mechanisms.wafer import best_region
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.graph import Attention, Boundary, Conv, Elementwise, Experts, Gemm, Gibbs, Scan, count

WAFERS = [name for name in chips.names() if chips.load(name).family == "wafer"]
FP16 = Precision.of("fp16")
wafers = st.sampled_from(WAFERS)
sides = st.sampled_from([0, 100, 360, 660])
tokens = st.integers(1, 60_000)


def operators(m):
    m = np.asarray(m, dtype=np.float64)
    one = np.ones_like(m)
    heads = {"heads": 32, "kv_heads": 8, "qk_dim": 128, "v_dim": 128, "kv_width": 2048}
    return (
        Gemm(name="g", m=m, n=4096, k=4096, count=3),
        Attention(name="a", seqs=m, new=one, past=one * 1000, **heads),
        Attention(name="p", seqs=one, new=m, past=0 * one, window=999, **heads),
        Experts(name="e", m=m, experts=8, top_k=2, hidden=4096, inner=14336),
        Conv(name="c", m=m, n=64, k=64, kernel=3, out_size=56, in_size=56),
        Scan(name="s", m=m, seqs=one, heads=64, head_dim=64, state=128),
        Elementwise(name="v", m=m, read=8192, write=4096, flops=40000),
        Boundary(name="l", scope="layer", m=m, hidden=4096),
        Boundary(name="t", scope="step", m=m, hidden=4096),
    )


def machine(name, side=0, **figures):
    chip = chips.load(name)
    for key, value in figures.items():
        chip = chip.with_figure(key.replace("__", "."), value)
    return build(chip, FP16, Placement("sram", "sram", side))


@given(wafers, sides, tokens, st.integers(1, 5000))
def test_more_tokens_never_take_less_time(name, side, m, more):
    mechanism = machine(name, side)
    for op in operators([m, m + more]):
        few, many = mechanism.cost(op).time_s
        assert few <= many * (1 + 1e-12), op.name


@given(wafers, sides, st.lists(tokens, min_size=1, max_size=5))
def test_arrays_equal_elements_and_parts_are_sound(name, side, ms):
    mechanism = machine(name, side)
    for i, op in enumerate(operators(ms)):
        cost = mechanism.cost(op)
        assert cost.time_s.shape == (len(ms),)
        assert cost.energy_j.shape == (len(ms),)
        assert all((part >= 0).all() for part in cost.parts.values())
        assert (cost.energy_j >= 0).all()
        assert cost.bound_by() in cost.parts
        for j, m in enumerate(ms):
            alone = mechanism.cost(operators(m)[i])
            assert alone.time_s.shape == ()
            np.testing.assert_allclose(alone.time_s, cost.time_s[j], rtol=1e-12)
            np.testing.assert_allclose(alone.energy_j, cost.energy_j[j], rtol=1e-12)


@given(wafers, sides, tokens)
def test_no_operator_beats_the_peak_of_the_wafer(name, side, m):
    mechanism = machine(name, side)
    peak = chips.load(name).figure("peak.fp16").high
    for op in operators(m)[:5]:
        work = count(op)
        assert float(mechanism.cost(op).time_s) >= float(work.matrix_flops + work.attention_flops) / peak


better = st.sampled_from(["peak.fp16", "compute.clock", "compute.macs_per_core", "memory.sram.bandwidth"])


@given(wafers, better, tokens)
def test_better_silicon_is_never_slower(name, key, m):
    value = chips.load(name).si(key)
    plain = machine(name)
    improved = build(chips.load(name).with_figure(key, 2 * value), FP16, Placement("sram", "sram"))
    for op in operators(m):
        assert float(improved.cost(op).time_s) <= float(plain.cost(op).time_s) * (1 + 1e-12), op.name


def test_regions_tile_the_wafer():
    wse2 = machine("cerebras-wse-2", 360)
    assert wse2.regions() == 2 * 2
    assert machine("cerebras-wse-2", 750).regions() == 1
    assert machine("cerebras-wse-2").side == 375
    with pytest.raises(BadValue, match="cores per side"):
        machine("cerebras-wse-2", 751)
    with pytest.raises(BadValue, match="operator"):
        wse2.cost(Gibbs(name="x", m=np.ones(1), nodes=1, degree=1, colours=1, sweeps=1, reads=1, writes=1))


def test_best_region_holds_the_model_and_shrinks_with_it():
    chip = chips.load("cerebras-wse-2")
    side = best_region(chip, 32, 0.45e9, 0.23e9)
    regions = int(994 // side) * int(750 // side)
    assert np.ceil(32 / regions) * 0.45e9 <= side**2 * chip.si("compute.sram_per_core")
    assert 200 <= side <= 400
    assert best_region(chip, 32, 0.45e9, 4 * 0.23e9) >= side
    assert best_region(chip, 80, 1.8e9, 1e9) == 0, "70B in 16 bits does not fit one wafer"


def test_what_was_used_is_listed():
    mechanism = machine("cerebras-wse-3")
    assert "compute.macs_per_core" in mechanism.bounds["compute"]
    assert "compute.clock" in mechanism.bounds["link"]
    assert {"calibration.wafer.decode.hop", "calibration.wafer.prefill.move"} <= mechanism.bounds["link"]


@given(wafers, sides, st.integers(1, 20_000))
def test_sizes_are_padded_to_whole_tiles(name, side, m):
    mechanism = machine(name, side)
    cores = int(mechanism.side)
    odd = Gemm(name="g", m=np.asarray(float(m)), n=5 * cores - 3, k=2 * cores - 7)
    whole = Gemm(name="g", m=np.asarray(float(m)), n=5 * cores, k=2 * cores)
    assert float(mechanism.cost(odd).time_s) == pytest.approx(float(mechanism.cost(whole).time_s))


def test_a_product_alone_is_dearer_than_inside_of_a_layer():
    mechanism = machine("cerebras-wse-2", 720)
    op = Gemm(name="g", m=np.ones(()), n=16384, k=16384)
    layer = Boundary(name="l", scope="layer", m=np.ones(()), hidden=4096)
    inside, latency = float(mechanism.cost(op).time_s), float(mechanism.cost(layer).time_s)
    assert inside < mechanism.alone(op) < inside + latency


@given(wafers, st.integers(2, 300), st.integers(100, 8000))
def test_sequences_read_a_cache_each(name, seqs, past):
    """Attention of many sequences never pays for one cache only: it takes as long as each of them alone, or longer."""
    mechanism = machine(name)
    one, heads = np.ones(()), {"heads": 32, "kv_heads": 8, "qk_dim": 128, "v_dim": 128, "kv_width": 2048}
    alone = Attention(name="a", seqs=one, new=one, past=one * past, **heads)
    many = Attention(name="a", seqs=one * seqs, new=one, past=one * past, **heads)
    assert float(mechanism.cost(many).time_s) >= seqs * float(mechanism.cost(alone).time_s) * (1 - 1e-12)
