"""Laws of streaming processors, over those of the catalogue."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark import chips
from silmark.chips.mechanisms import Placement, build
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.graph import Attention, Boundary, Conv, Elementwise, Experts, Gemm, Gibbs, Scan, count

STREAMING = [name for name in chips.names() if chips.load(name).family == "streaming"]
pairs = st.sampled_from([(name, f) for name in STREAMING for f in chips.load(name).formats])
tokens = st.integers(1, 60_000)


def operators(m):
    m = np.asarray(m, dtype=np.float64)
    one = np.ones_like(m)
    heads = {"heads": 32, "kv_heads": 8, "qk_dim": 128, "v_dim": 128, "kv_width": 2048}
    return (
        Gemm(name="g", m=m, n=4096, k=4096, count=3),
        Attention(name="a", seqs=m, new=one, past=one * 1000, **heads),
        Attention(name="p", seqs=one, new=m, past=0 * one, window=999, **heads),
        Attention(name="b", seqs=one, new=m, past=0 * one, causal=False, **heads),
        Experts(name="e", m=m, experts=8, top_k=2, hidden=4096, inner=14336),
        Conv(name="c", m=m, n=64, k=64, kernel=3, out_size=56, in_size=56),
        Scan(name="s", m=m, seqs=one, heads=64, head_dim=64, state=128),
        Elementwise(name="v", m=m, read=8192, write=4096, flops=40000),
        Boundary(name="l", scope="layer", m=m, hidden=4096),
        Boundary(name="t", scope="step", m=m, hidden=4096),
    )


def machine(name, fmt, key="", factor=1.0):
    chip = chips.load(name)
    if key:
        chip = chip.with_figure(key, factor * chip.si(key))
    return build(chip, Precision.of(fmt), Placement("sram", "sram"))


@given(pairs, tokens, st.integers(1, 5000))
def test_more_tokens_never_take_less_time(pair, m, more):
    mechanism = machine(*pair)
    for op in operators([m, m + more]):
        few, many = mechanism.cost(op).time_s
        assert few <= many * (1 + 1e-12), op.name


@given(pairs, st.lists(tokens, min_size=1, max_size=5))
def test_arrays_equal_elements_and_parts_are_sound(pair, ms):
    mechanism = machine(*pair)
    for i, op in enumerate(operators(ms)):
        cost = mechanism.cost(op)
        assert cost.time_s.shape == cost.energy_j.shape == (len(ms),)
        assert all((part >= 0).all() for part in cost.parts.values())
        assert (cost.energy_j >= 0).all()
        assert cost.bound_by() in cost.parts
        for j, m in enumerate(ms):
            alone = mechanism.cost(operators(m)[i])
            assert alone.time_s.shape == ()
            np.testing.assert_allclose(alone.time_s, cost.time_s[j], rtol=1e-12)
            np.testing.assert_allclose(alone.energy_j, cost.energy_j[j], rtol=1e-12)


@given(pairs, tokens)
def test_never_below_peak_or_streams(pair, m):
    """Operations at the peak, and weights once over the stream registers, bound every operator."""
    name, fmt = pair
    chip, mechanism = chips.load(name), machine(name, fmt)
    best = max(chip.figure(f"peak.{f}").high for f in chip.formats)
    for op in operators(m)[:6]:
        work = count(op)
        time = float(mechanism.cost(op).time_s)
        own = chip.figure(f"peak.{fmt}").high if op.kind != "attention" else best
        assert time >= float(work.matrix_flops + work.attention_flops) / own
        moved = float(work.weights) * Precision.of(fmt).weight_bytes + float(work.kv) * Precision.of(fmt).kv_bytes
        assert time * (1 + 1e-9) >= moved / chip.figure("compute.stream_bandwidth").high


@given(
    pairs,
    st.sampled_from(["peak", "peak.vector", "compute.clock", "compute.stream_bandwidth", "memory.sram.bandwidth"]),
    tokens,
)
def test_better_silicon_is_never_slower(pair, key, m):
    name, fmt = pair
    plain, better = machine(name, fmt), machine(name, fmt, f"peak.{fmt}" if key == "peak" else key, 2.0)
    for op in operators(m):
        assert float(better.cost(op).time_s) <= float(plain.cost(op).time_s) * (1 + 1e-12), op.name


def test_sixteen_bits_run_at_a_quarter_of_eight():
    """ISCA 2022: 102,400 multiply-adds per cycle in fp16, 409,600 in int8; sizes that fill planes in both."""
    op = Gemm(name="g", m=np.full((), 1e5), n=3200, k=3200)
    fp16, int8 = (float(machine("groq-groqchip-1", f).cost(op).parts["compute"]) for f in ("fp16", "int8"))
    assert fp16 / int8 == pytest.approx(4, rel=0.01)


def test_one_row_waits_for_its_weights_on_the_streams():
    """All 409,600 weights of the planes cross in 20 cycles: 18.4 TB/s, not the 80 TB/s of the brief."""
    cost = machine("groq-groqchip-1", "int8").cost(Gemm(name="g", m=np.ones(()), n=3200, k=3200))
    assert cost.bound_by() == "sram"
    assert float(cost.parts["sram"]) == pytest.approx(3200 * 3200 / 18.4e12)


def test_odd_sizes_fill_whole_planes():
    machine_ = machine("groq-groqchip-1", "fp16")
    m = np.full((), 1e6)
    whole, odd = (float(machine_.cost(Gemm(name="g", m=m, n=n, k=k)).time_s) for n, k in ((640, 320), (321, 161)))
    assert odd == pytest.approx(whole)


def test_seam_only_where_a_layer_is_cut():
    mechanism = machine("groq-groqchip-1", "fp16")
    times = [
        float(mechanism.cost(Boundary(name="l", scope="layer", m=np.ones(()), hidden=hidden)).time_s)
        for hidden in (768, 1024, 4096, 8192)
    ]
    assert times[:2] == [0.0, 0.0]
    assert times[2] == times[3] > 1e-5


def test_refuses_what_it_does_not_know():
    op = Gibbs(name="x", m=np.ones(1), nodes=1, degree=1, colours=1, sweeps=1, reads=1, writes=1)
    with pytest.raises(BadValue, match="operator"):
        machine("groq-groqchip-1", "fp16").cost(op)
