"""Tensor and expert parallelism: which collectives are put in, how often, and with how many bytes."""

from __future__ import annotations

import pytest

from silmark import models
from silmark.errors import SilmarkError
from silmark.formats import Precision
from silmark.graph import Attention, Collective, Experts, Gemm, Graph
from silmark.mapping import Plan, shard
from silmark.workloads import Step

BF16 = Precision.of("bf16")


def cut(model: str, step: Step, **ways: int) -> Graph:
    return shard(models.load(model).lower(step), Plan(BF16, **ways))


def exchanges(graph: Graph) -> dict[str, tuple[str, float, float, int]]:
    """Name -> (pattern, times, bytes of one, chips)."""
    return {op.name: (op.pattern, op.count, float(op.bytes_), op.group) for op in graph if isinstance(op, Collective)}


def gemm(graph: Graph, name: str) -> Gemm:
    return next(op for op in graph if isinstance(op, Gemm) and op.name == name)


def attention(graph: Graph) -> Attention:
    return next(op for op in graph if isinstance(op, Attention))


def experts(graph: Graph) -> Experts:
    return next(op for op in graph if isinstance(op, Experts))


def test_one_chip_exchanges_nothing() -> None:
    graph = models.load("llama-3.1-8b").lower(Step.decode(4, 100))
    assert shard(graph, Plan(BF16)) is graph


def test_llama_exchanges_twice_per_layer_and_gathers_the_logits() -> None:
    """Four texts of 100 tokens: 400 x 4096 elements of 2 bytes after attention and after the MLP."""
    graph = cut("llama-3.1-8b", Step.prefill(4, 100), tp=4)
    message = 400 * 4096 * 2
    assert exchanges(graph) == {
        "layer.attention.out.all-reduce": ("all-reduce", 32, message, 4),
        "layer.mlp.down.all-reduce": ("all-reduce", 32, message, 4),
        "head.all-gather": ("all-gather", 1, 4 * 128_256 * 2, 4),
    }
    names = [op.name for op in graph]
    assert names.index("layer.mlp.down.all-reduce") == names.index("layer.mlp.down") + 1


def test_llama_divides_heads_and_widths() -> None:
    graph = cut("llama-3.1-8b", Step.decode(4, 100), tp=4)
    assert (attention(graph).heads, attention(graph).kv_heads, attention(graph).kv_width) == (8, 2, 512)
    assert (gemm(graph, "layer.attention.qkv").n, gemm(graph, "layer.attention.qkv").k) == (6144 // 4, 4096)
    assert (gemm(graph, "layer.mlp.down").n, gemm(graph, "layer.mlp.down").k) == (4096, 14_336 // 4)
    assert gemm(graph, "head").n == 128_256 // 4


def test_more_chips_than_kv_heads_keep_copies() -> None:
    graph = cut("llama-3.1-8b", Step.decode(4, 100), tp=16)
    assert (attention(graph).heads, attention(graph).kv_heads, attention(graph).kv_width) == (2, 1, 256)


def test_what_does_not_divide_is_padded() -> None:
    graph = cut("llama-3.1-8b", Step.decode(1, 1), tp=3)
    assert (attention(graph).heads, attention(graph).kv_heads) == (11, 3)
    assert gemm(graph, "layer.mlp.down").k == 4779


@pytest.mark.parametrize(
    ("ep", "count", "top_k", "inner"), [(1, 8, 2.0, 1792), (2, 4, 1.0, 3584), (4, 2, 0.5, 7168), (8, 1, 0.25, 14_336)]
)
def test_mixtral_by_width_and_by_expert(ep: int, count: int, top_k: float, inner: int) -> None:
    """Experts in slices, whole on each chip, or between: the same weights and the same exchanges."""
    graph = cut("mixtral-8x7b", Step.decode(16, 100), tp=8, ep=ep)
    found = experts(graph)
    assert (found.experts, found.top_k, found.inner) == (count, top_k, inner)
    assert found.experts * found.weights_per_expert * 8 == 8 * 3 * 4096 * 14_336
    message = 16 * 4096 * 2
    assert exchanges(graph) == {
        "layer.attention.out.all-reduce": ("all-reduce", 32, message, 8),
        "layer.experts.all-reduce": ("all-reduce", 32, message, 8),
        "head.all-gather": ("all-gather", 1, 16 * 32_000 * 2, 8),
    }


def test_absorbed_latent_attention_shares_one_cache() -> None:
    """DeepSeek-V3 in decode: 128 heads are divided, the latent of 512 + 64 elements lies on every chip."""
    graph = cut("deepseek-v3", Step.decode(16, 1000), tp=8)
    op = attention(graph)
    assert (op.heads, op.kv_heads, op.kv_width) == (16, 1, 576)
    absorbed = [op for op in graph if isinstance(op, Gemm) and "absorb" in op.name]
    assert {op.groups for op in absorbed} == {16}
    assert gemm(graph, "dense.attention.down").n == 1536 + 576  # every chip makes the whole latent
    found = exchanges(graph)
    assert not any("absorb" in name or "q_up" in name for name in found)
    message = 16 * 7168 * 2
    assert found["dense.attention.out.all-reduce"] == ("all-reduce", 3, message, 8)
    assert found["moe.attention.out.all-reduce"] == ("all-reduce", 58, message, 8)
    assert found["dense.mlp.down.all-reduce"] == ("all-reduce", 3, message, 8)
    assert {entry[1:3] for name, entry in found.items() if "experts" in name} == {(58, message)}
    assert found["head.all-gather"] == ("all-gather", 1, 16 * 129_280 * 2, 8)


def test_expanded_latent_attention_divides_its_heads() -> None:
    graph = cut("deepseek-v3", Step.prefill(1, 1000), tp=8)
    assert attention(graph).heads == attention(graph).kv_heads == 16
    assert gemm(graph, "moe.attention.kv_up").n == 128 * 256 // 8


def test_images_gather_their_channels() -> None:
    graph = cut("resnet-50", Step.forward(2), tp=4)
    assert exchanges(graph)["stem.all-gather"] == ("all-gather", 1, 2 * 64 * 112 * 112 * 2, 4)
    assert not any(pattern == "all-reduce" for pattern, *_ in exchanges(graph).values())


def test_activations_travel_in_sixteen_bits_or_wider() -> None:
    graph = models.load("llama-3.1-8b").lower(Step.decode(1, 1))
    sizes = {}
    for name in ("fp8", "bf16", "fp32", "int4:bf16"):
        found = exchanges(shard(graph, Plan(Precision.of(name), tp=2)))
        sizes[name] = found["layer.mlp.down.all-reduce"][2] / 4096
    assert sizes == {"fp8": 2.0, "bf16": 2.0, "fp32": 4.0, "int4:bf16": 2.0}


@pytest.mark.parametrize(
    ("ways", "named"), [({"tp": 0}, "tp"), ({"dp": 100_001}, "dp"), ({"tp": 8, "ep": 3}, "divisor of tp = 8")]
)
def test_impossible_cuts_are_refused(ways: dict[str, int], named: str) -> None:
    with pytest.raises(SilmarkError, match=named):
        Plan(BF16, **ways)


def test_a_plan_reads_as_its_cuts() -> None:
    assert str(Plan(BF16)) == "TP1 bf16"
    assert str(Plan(Precision.of("int4:bf16"), tp=8, pp=2, ep=4, dp=3)) == "TP8 PP2 EP4 DP3 int4:bf16"
