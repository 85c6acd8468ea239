"""Latent and sparse attention against what FlashMLA's authors print, and their indexer's share of a step."""

from __future__ import annotations

import numpy as np
import pytest

from silmark import models
from silmark.calibration.gpu_sparse import published
from silmark.chips import catalog
from silmark.chips.mechanisms import Placement, build
from silmark.formats import Precision
from silmark.graph import Attention, count
from silmark.workloads import Step


def rate(chip: str, cache: str, new: float, past: float, selected: int | None, heads: int = 128) -> tuple[float, float]:
    """FLOP/s and bytes of cache per second of latent attention on a full chip."""
    op = Attention(
        name="latent", seqs=np.asarray(1.0 if new > 1 else 256.0), new=np.asarray(new), past=np.asarray(past),
        heads=heads, kv_heads=1, qk_dim=576, v_dim=512, kv_width=576, selected=selected,
    )  # fmt: skip
    machine = build(catalog.load(chip), Precision.of(f"bf16:bf16:{cache}"), Placement())
    took, work = float(machine.cost(op).time_s), count(op)
    return float(work.attention_flops) / took, float(work.kv) * machine.precision.kv_bytes / took


# Points marked "fit" set the share; those marked "check" did not. A kernel's launch and tail come on top of it.
@pytest.mark.parametrize(("name", "bound"), [("sparse-prefill-h800", 0.05), ("sparse-prefill-b200", 0.05)])
def test_sparse_prefill(name: str, bound: float) -> None:
    point = published()[name]
    reached, _ = rate(point["chip"], "bf16", 4096.0, 32_768.0, 2048)
    assert reached == pytest.approx(float(point["value"]) * 1e12, rel=bound)


def test_sparse_decode_of_the_fit() -> None:
    point = published()["sparse-decode-h800"]
    reached, _ = rate(point["chip"], "fp8", 1.0, 32_768.0, 2048)
    assert reached == pytest.approx(float(point["value"]) * 1e12, rel=0.12)


def test_sparse_decode_of_a_young_kernel_is_inside_the_interval() -> None:
    """B200, 350 TFLOP/s, "not really optimized yet": 2.4 times below the H800's share of its peak."""
    point = published()["sparse-decode-b200"]
    machine = build(catalog.load(point["chip"]), Precision.of("bf16:bf16:fp8"), Placement())
    machine.refuses(Attention(
        name="latent", seqs=np.ones(()), new=np.ones(()), past=np.ones(()), heads=128, kv_heads=1, qk_dim=576,
        v_dim=512, kv_width=576, selected=2048,
    ))  # fmt: skip
    share = machine.used["calibration.gpu_sparse.select.narrow_share"]
    peak = catalog.load(point["chip"]).si("peak.bf16")
    assert share.low * peak == pytest.approx(float(point["value"]) * 1e12, rel=0.01)


def test_dense_latent_decode() -> None:
    """In no fit: 660 TFLOP/s with 128 heads, 3,000 GB/s with few; rows of H20 alone set the ratios."""
    flops, _ = rate("nvidia-h800-sxm5-80gb", "bf16", 1.0, 8191.0, None)
    assert flops == pytest.approx(660e12, rel=0.15)
    _, moved = rate("nvidia-h800-sxm5-80gb", "bf16", 1.0, 8191.0, None, heads=16)
    assert moved == pytest.approx(3000e9, rel=0.15)


def test_a_step_grows_in_the_past_only_through_the_indexer() -> None:
    """DeepSeek-V3.2: 61 layers, per cached token 64 index heads of 128 and 132 bytes; attention sees 2,048 tokens."""
    past = np.array([4000.0, 5000.0])
    graph = models.load("deepseek-v3.2").lower(Step.decode(1, past))
    flops, kv = count(graph).attention_flops, count(graph).kv
    assert np.diff(flops) == pytest.approx(1000 * 61 * 2 * 64 * 128)
    assert np.diff(kv) == pytest.approx(1000 * 61 * 128)
    chosen = tuple(op for op in graph if isinstance(op, Attention) and op.selected)
    assert np.diff(count(chosen).attention_flops) == 0
    assert count(chosen).attention_flops[0] == 61 * 2 * 128 * (576 + 512) * 2048


def test_the_cache_keeps_all_tokens() -> None:
    """What is not chosen now may be chosen later: latent, rotary key and index key of every token."""
    assert models.load("deepseek-v3.2").kv_elements(1.0) == 61 * (512 + 64 + 128)
    attention = [op for op in models.load("deepseek-v3.2").lower(Step.decode(1, 9999)) if isinstance(op, Attention)]
    assert {float(op.held()) for op in attention} == {10_000.0}
    assert sum(op.held() * op.kv_width * op.kv_bytes(1.0) * op.count for op in attention) == pytest.approx(
        61 * 10_000 * (576 + 132)
    )
