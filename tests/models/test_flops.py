"""FLOPs against closed forms, and against numbers that were captured from transformers on torch's meta device."""

import numpy as np
import pytest

from silmark import models
from silmark.graph import Attention, Boundary, Conv, Count, Elementwise, Experts, Gemm, Gibbs, Scan, count
from silmark.models import Model
from silmark.workloads.step import Step


def _split(model: Model, step: Step) -> tuple[float, float, float]:
    """TFLOP of products without routed experts, of attention, of routed experts."""
    graph = model.lower(step)
    routed = count(tuple(op for op in graph if isinstance(op, Experts)))
    total: Count = count(graph)
    parts = (total.matrix_flops - routed.matrix_flops, total.attention_flops, routed.matrix_flops)
    return tuple(float(x) / 1e12 for x in parts)  # type: ignore[return-value]


# Captured with transformers 5.23.0: attention and experts registered as opaque operators, one dispatch pass over the
# meta device; masked pairs are not counted; logits of all tokens. Prefill of 2048 tokens; decode of 64 sequences of
# 4096 tokens. Columns: products, attention, experts, half a unit of the last digit.
CAPTURED = [
    ("llama-3-70b", Step.forward(1, 2048), 284.68, 5.50, 0, 0.005),
    ("llama-3-70b", Step.decode(64, 4096), 8.90, 0.69, 0, 0.005),
    ("mixtral-8x7b", Step.forward(1, 2048), 6.04, 1.10, 46.18, 0.005),
    ("mixtral-8x7b", Step.decode(64, 4096), 0.19, 0.14, 1.44, 0.005),
    ("gpt-oss-120b", Step.forward(1, 2048), 6.34, 0.69, 14.68, 0.005),
    ("gpt-oss-120b", Step.decode(64, 4096), 0.20, 0.08, 0.46, 0.005),
    ("deepseek-v3", Step.forward(1, 2048), 66.3, 10.5, 83.7, 0.05),
]


@pytest.mark.parametrize(("name", "step", "products", "attention", "experts", "half"), CAPTURED)
def test_equals_captured(name, step, products, attention, experts, half) -> None:
    assert _split(models.load(name), step) == pytest.approx((products, attention, experts), abs=half * 1.02)


def test_dense_decoder_is_two_flops_per_weight_and_token() -> None:
    model = models.load("llama-3-70b")
    matrices = 70_553_706_496 - 128_256 * 8192 - 161 * 8192  # without the embedding and the norms
    assert float(count(model.lower(Step.forward(1, 2048))).matrix_flops) == 2 * matrices * 2048
    head = 2 * 128_256 * 8192
    assert float(count(model.lower(Step.prefill(1, 2048))).matrix_flops) == 2 * matrices * 2048 - 2047 * head


def test_latent_attention_is_absorbed_in_decode() -> None:
    """DeepSeek-V3, 64 sequences of 4096 tokens: 61 layers * 128 heads * (576 + 512) per pair; one read."""
    model = models.load("deepseek-v3")
    step = Step.decode(64, 4096)
    total = count(model.lower(step))
    assert float(total.attention_flops) == 2 * 61 * 128 * (576 + 512) * 64 * 4097
    assert float(total.kv) == 61 * 576 * 64 * 4097
    prefill = {op.name: op for op in model.lower(Step.prefill(2, 100, past=300))}
    assert prefill["moe.attention.kv_up"].m == 2 * 400  # type: ignore[union-attr]


def test_absorbed_and_expanded_forms_have_the_same_weights() -> None:
    model = models.load("deepseek-v2-lite")
    elements = [
        sum(op.count * op.groups * op.n * op.k for op in model.lower(step) if isinstance(op, Gemm))
        for step in (Step.decode(1, 1), Step.prefill(1, 1))
    ]
    assert elements[0] == elements[1]


def test_windowed_decode_reads_the_window() -> None:
    """gpt-oss-120b, 64 sequences of 4096 tokens in 16 bits: 10.0 GB were captured."""
    assert float(count(models.load("gpt-oss-120b").lower(Step.decode(64, 4096))).kv) * 2e-9 == pytest.approx(
        10, abs=0.05
    )


def test_distinct_weights_of_routed_experts() -> None:
    """Mixtral, decode of 64: all eight experts are reached, 93.1 GB in 16 bits were captured."""
    assert float(count(models.load("mixtral-8x7b").lower(Step.decode(64, 4096))).weights) * 2e-9 == pytest.approx(
        93.1, abs=0.05
    )


def test_mlperf_sizes_of_encoders_and_images() -> None:
    """ResNet-50 v1.5: 4.09 G multiply-adds (torchvision's table of weights); BERT-large: 2 * 302M per token."""
    resnet = models.load("resnet-50").lower(Step.forward([1, 8]))
    assert count(resnet).matrix_flops / 2e9 == pytest.approx([4.09, 8 * 4.09], rel=0.002)
    bert = count(models.load("bert-large").lower(Step.forward(1, 384)))
    assert float(bert.matrix_flops) == 2 * 24 * 12 * 1024**2 * 384 + 2 * 1024**2
    assert float(bert.attention_flops) == 24 * 4 * 1024 * 384**2


def test_parallel_blocks_sum_once() -> None:
    """One row-split product per layer, hence one all-reduce under tensor parallelism."""
    for name, depth in (("palm-540b-like", 48 * 256 + 73_728), ("gpt-j-6b", 4096 + 16_384), ("falcon-7b", 5 * 4544)):
        rows = [op for op in models.load(name).lower(Step.decode(1, 1)) if isinstance(op, Gemm) and op.split == "row"]
        assert [op.k for op in rows] == [depth]


def test_groups_of_equal_layers() -> None:
    blocks = {
        name: models.load(name).blocks for name in ("deepseek-v3", "gemma-3-27b", "nemotron-h-8b", "llama-4-maverick")
    }
    assert [(n, b.name) for n, b in blocks["deepseek-v3"]] == [(3, "dense"), (58, "moe")]
    assert [(n, b.name) for n, b in blocks["gemma-3-27b"]] == [(52, "sliding"), (10, "full")]
    assert [(n, b.name) for n, b in blocks["nemotron-h-8b"]] == [(24, "mamba"), (24, "mlp"), (4, "attention")]
    assert [(n, b.name) for n, b in blocks["llama-4-maverick"]] == [
        (24, "dense.local"),
        (12, "moe.local"),
        (12, "moe.full"),
    ]


def test_seams() -> None:
    graph = models.load("deepseek-v3").lower(Step.decode(8, 100))
    seams = [(op.scope, op.count, float(op.m)) for op in graph if isinstance(op, Boundary)]
    assert seams == [("layer", 3, 8), ("layer", 58, 8), ("step", 1, 8)]


def test_head_runs_on_last_tokens() -> None:
    def rows(step: Step) -> float:
        return next(float(op.m) for op in models.load("qwen3-8b").lower(step) if op.name == "head")

    assert (rows(Step.decode(7, 50)), rows(Step.prefill(7, 50)), rows(Step.forward(7, 50))) == (7, 7, 350)


def test_state_space_model_has_scan_and_no_attention() -> None:
    graph = models.load("mamba2-2.7b").lower(Step.prefill(2, 100))
    assert [op.chunk for op in graph if isinstance(op, Scan)] == [256]
    assert not any(isinstance(op, Attention) for op in graph)


def test_samplers() -> None:
    dtm = models.load("dtm-fashion-mnist").lower(Step.forward(10))
    gibbs = next(op for op in dtm if isinstance(op, Gibbs))
    assert (gibbs.count, gibbs.nodes, gibbs.degree, gibbs.sweeps, float(gibbs.m)) == (8, 4900, 12, 250, 10)
    ising = next(op for op in models.load("ising-70x70").lower(Step.forward(1)) if isinstance(op, Gibbs))
    assert (ising.count, ising.sweeps, ising.reads) == (1, 1000, 4900)


def test_images_have_no_token_rows() -> None:
    for op in models.load("resnet-50").lower(Step.forward([[1], [4]])):
        if isinstance(op, Conv | Elementwise | Gemm):
            assert np.shape(op.m) == (2, 1)
