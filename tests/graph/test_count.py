"""Counts against numbers worked out by hand and against sums over single tokens."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from silmark import models
from silmark.graph import Attention, Conv, Elementwise, Experts, Gemm, Gibbs, Graph, Scan, count
from silmark.workloads import Step


def part(graph: Graph, prefix: str) -> Graph:
    return tuple(op for op in graph if op.name.startswith(prefix))


def attention(**changes: object) -> Attention:
    fields: dict[str, object] = {
        "name": "attention", "seqs": np.asarray(1.0), "new": np.asarray(1.0), "past": np.asarray(0.0),
        "heads": 4, "kv_heads": 2, "qk_dim": 8, "v_dim": 6, "kv_width": 28,
    }  # fmt: skip
    return Attention(**{**fields, **changes})  # type: ignore[arg-type]


def test_one_layer_of_llama_8b() -> None:
    """Hidden 4096, 32 heads and 8 KV heads of 128, MLP of 14,336: 218,103,808 weights in the layer's matrices."""
    layer = part(models.load("llama-3.1-8b").lower(Step.prefill(3, 100)), "layer.")
    gemms = tuple(op for op in layer if isinstance(op, Gemm))
    assert {op.count for op in gemms} == {32}
    qkv, out = 4096 * (4096 + 2 * 1024), 4096 * 4096
    mlp = 3 * 4096 * 14_336
    assert qkv + out + mlp == 218_103_808
    counted = count(gemms)
    assert float(counted.weights) == 32 * 218_103_808
    assert float(counted.matrix_flops) == 2 * 300 * 32 * 218_103_808
    scores = count(tuple(op for op in layer if isinstance(op, Attention)))
    # Token i of a prompt attends to i tokens: 100 * 101 / 2 pairs per sequence and head.
    assert float(scores.attention_flops) == 32 * 3 * 32 * 2 * (128 + 128) * 5050
    assert float(scores.kv) == 32 * 3 * 100 * 2048


def test_a_decode_step_of_llama_8b_reads_all_weights_and_its_cache() -> None:
    model = models.load("llama-3.1-8b")
    counted = count(model.lower(Step.decode(7, 999)))
    matrices = 32 * 218_103_808 + 4096 * 128_256
    assert float(counted.weights) == matrices
    assert float(counted.kv) == 32 * 7 * 1000 * 2048
    assert float(counted.matrix_flops) == 2 * 7 * matrices
    assert float(counted.attention_flops) == 32 * 7 * 32 * 2 * 256 * 1000


@pytest.mark.parametrize(
    ("new", "past", "window"),
    list(itertools.product((1, 2, 5, 9, 40), (0, 1, 7, 30), (None, 1, 4, 8, 33, 100))),
)
def test_attention_is_the_sum_over_its_tokens(new: int, past: int, window: int | None) -> None:
    """Brute force: token t sees the min(window, t) tokens up to itself; the cache read is all that anyone sees."""
    op = attention(seqs=np.asarray(3.0), new=np.asarray(float(new)), past=np.asarray(float(past)), window=window)
    seen = [range(max(1, t - window + 1) if window else 1, t + 1) for t in range(past + 1, past + new + 1)]
    counted = count(op)
    pairs = sum(len(tokens) for tokens in seen)
    assert float(counted.attention_flops) == pytest.approx(3 * 4 * 2 * (8 + 6) * pairs)
    assert float(counted.kv) == 3 * 28 * len(set().union(*seen))


@pytest.mark.parametrize(("new", "past", "selected"), list(itertools.product((1, 5, 40), (0, 7, 30), (1, 8, 33, 100))))
def test_a_choice_bounds_what_a_token_attends_to(new: int, past: int, selected: int) -> None:
    """Brute force: token t attends to min(selected, t) tokens, and reads them; different tokens may read the same."""
    op = attention(seqs=np.asarray(3.0), new=np.asarray(float(new)), past=np.asarray(float(past)), selected=selected)
    pairs = sum(min(selected, t) for t in range(past + 1, past + new + 1))
    assert float(count(op).attention_flops) == pytest.approx(3 * 4 * 2 * (8 + 6) * pairs)
    assert float(count(op).kv) == 3 * 28 * min(past + new, new * selected)
    assert float(op.held()) == past + new
    whole = op.gathered()
    assert float(whole.seqs * whole.new * whole.span()) == pytest.approx(3 * pairs)


def test_encoders_attend_to_everything() -> None:
    op = attention(seqs=np.asarray(2.0), new=np.asarray(10.0), causal=False)
    assert float(count(op).attention_flops) == 2 * 4 * 2 * 14 * 10 * 10


def test_attention_over_arrays_is_attention_over_each() -> None:
    seqs, new, past = np.array([[1.0], [4.0]]), np.array([1.0, 3.0, 50.0]), np.array([20.0, 0.0, 9.0])
    whole = count(attention(seqs=seqs, new=new, past=past, window=12))
    assert whole.attention_flops.shape == (2, 3)
    for i, j in itertools.product(range(2), range(3)):
        one = count(attention(seqs=seqs[i, 0], new=new[j], past=past[j], window=12))
        assert whole.attention_flops[i, j] == pytest.approx(float(one.attention_flops))
        assert whole.kv[i, j] == float(one.kv)


@pytest.mark.parametrize(("tokens", "experts", "top_k"), [(1, 4, 1), (2, 4, 1), (3, 4, 2), (4, 3, 1)])
def test_experts_touched_is_the_mean_over_all_routings(tokens: int, experts: int, top_k: int) -> None:
    choices = list(itertools.combinations(range(experts), top_k))
    routings = [set().union(*routing) for routing in itertools.product(choices, repeat=tokens)]
    mean = sum(map(len, routings)) / len(routings)
    op = Experts(name="e", m=np.asarray(float(tokens)), experts=experts, top_k=float(top_k), hidden=5, inner=7)
    assert float(op.touched()) == pytest.approx(mean)
    counted = count(op)
    assert float(counted.weights) == pytest.approx(mean * 3 * 5 * 7)
    assert float(counted.matrix_flops) == 2 * tokens * top_k * 3 * 5 * 7


def test_mixtral_at_batch_one_and_many() -> None:
    """One token reads 2 of 8 experts of 176 M weights; many tokens read all of them."""
    graph = models.load("mixtral-8x7b").lower(Step.decode(np.array([1, 4096]), 1))
    weights = count(tuple(op for op in graph if isinstance(op, Experts))).weights
    assert weights[0] == pytest.approx(32 * 2 * 3 * 4096 * 14_336)
    assert weights[1] == pytest.approx(32 * 8 * 3 * 4096 * 14_336)


def test_the_stem_of_resnet() -> None:
    """7 x 7 from 3 to 64 channels at 112 x 112: 118,013,952 multiply-adds (arXiv:1512.03385, table 1)."""
    stem = part(models.load("resnet-50").lower(Step.forward(2)), "stem")[0]
    assert isinstance(stem, Conv)
    counted = count(stem)
    assert float(counted.weights) == 9408
    assert float(counted.matrix_flops) == 2 * 2 * 118_013_952


def test_resnet_50_is_four_billion_multiply_adds() -> None:
    """4.089 G multiply-adds with the stride in the 3 x 3 convolution (the v1.5 form)."""
    counted = count(models.load("resnet-50").lower(Step.forward(1)))
    assert float(counted.matrix_flops) / 2 == pytest.approx(4.089e9, rel=0.002)


def test_grouped_convolution_divides_its_depth() -> None:
    op = Conv(name="c", m=np.asarray(1.0), n=32, k=16, kernel=3, out_size=5, in_size=5, groups=4)
    assert float(count(op).weights) == 32 * 9 * 4
    assert float(count(op).matrix_flops) == 2 * 25 * 32 * 9 * 4


def test_other_operators_by_hand() -> None:
    m = np.asarray(10.0)
    assert float(count(Gemm(name="g", m=m, n=3, k=4, groups=5, count=2)).matrix_flops) == 2 * 2 * 10 * 60
    assert float(count(Elementwise(name="e", m=m, read=3, write=4, flops=7, count=2)).other_flops) == 140
    scan = Scan(name="s", m=m, seqs=np.asarray(2.0), heads=3, head_dim=4, state=5)
    assert float(count(scan).other_flops) == 6 * 10 * 60
    # A spin's update: a multiply-add per neighbour, then bias, sigmoid, draw and compare.
    gibbs = Gibbs(name="i", m=m, nodes=4900, degree=4, colours=2, sweeps=1000, reads=1, writes=0)
    assert float(count(gibbs).other_flops) == 10 * 1000 * 4900 * 12


def test_counts_add() -> None:
    graph = models.load("llama-3.2-1b").lower(Step.decode(np.array([1.0, 8.0]), 100))
    whole = count(graph)
    assert np.allclose(whole.flops, sum(count(op).flops for op in graph))
    assert np.allclose(whole.flops, whole.matrix_flops + whole.attention_flops + whole.other_flops)
    assert math.isclose(float(count(()).flops), 0.0)
