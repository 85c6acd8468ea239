"""Which factors apply to a chip, format and engine, and what routing does to the load of a rank."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from silmark.chips import catalog, coefficients
from silmark.chips.mechanisms import Placement
from silmark.chips.mechanisms.gpu import Gpu
from silmark.chips.mechanisms.gpu_kernels import (
    LIMITS,
    Engine,
    attention_scheme,
    chain,
    clipped,
    expert_scheme,
    factors,
    library,
    product_scheme,
)
from silmark.chips.mechanisms.gpu_routing import balanced, skewed
from silmark.formats import Precision
from silmark.graph import Attention, Conv, Elementwise, Experts, Gemm, Op

KNOWN = {"hopper", "fp8", "hopper|fp8", "fp8|trtllm", "fp8|trtllm|torch", "hopper|fp8|trtllm|torch", "ada", "by triton"}


def gpu(chip: str = "h100", precision: str = "fp8", engine: str = "") -> Gpu:
    return Gpu(catalog.load(chip), Precision.of(precision), Placement(engine=engine))


@pytest.mark.parametrize(
    ("generation", "engine", "names"),
    [
        ("hopper", "", ("hopper", "fp8", "hopper|fp8")),
        ("hopper", "trtllm", ("hopper", "fp8", "hopper|fp8", "fp8|trtllm")),
        ("hopper", "trtllm::torch", ("hopper", "fp8", "hopper|fp8", "fp8|trtllm|torch", "hopper|fp8|trtllm|torch")),
        ("hopper", "trtllm::new", ("hopper", "fp8", "hopper|fp8")),
        ("hopper", "vllm::fused_triton", ("hopper", "fp8", "hopper|fp8", "by triton")),
        ("blackwell-rtx", "vllm", ("ada", "fp8")),
        ("cdna3", "", ("fp8",)),
    ],
)
def test_a_chip_takes_what_it_belongs_to_and_nothing_else(generation: str, engine: str, names: tuple[str, ...]) -> None:
    assert chain(KNOWN, generation, "fp8", Engine.of(engine)) == names


def test_schemes_follow_from_formats() -> None:
    assert product_scheme(16, "bf16") == "bfloat16"
    assert product_scheme(4.125, "bf16") == "int4_wo"
    assert product_scheme(8, "fp8") == "fp8"
    assert product_scheme(4.5, "fp4") == "nvfp4"
    assert product_scheme(8, "int8") == "sq"
    assert expert_scheme(4.25, "bf16") == "w4a16_mxfp4"
    assert expert_scheme(4.25, "fp8") == "w4a8_mxfp4_mxfp8"
    assert attention_scheme(1.0, Engine()) == "kv8"
    assert attention_scheme(1.0, Engine.of("trtllm:fp8")) == "fp8"
    assert Engine.of("vllm:fp8_block").narrowed("fp8") == "fp8_block"
    assert Engine.of("vllm:fp8_block").narrowed("bfloat16") == "bfloat16"


def test_a_kernel_belongs_to_its_library_whichever_engine_calls_it() -> None:
    assert library("sglang", "sglang_fused_moe_triton") == library("vllm", "vllm_triton_attn") == "by triton"
    assert library("vllm", "CutlassFP8ScaledMMLinearKernel") == "by cutlass"
    assert library("trtllm", "torch_flow") == "by trtllm"
    assert Engine.of("vllm::vllm_flash_attn_fa2") == Engine.of("vllm::vllm_flash_attn")


def test_every_gpu_of_the_catalogue_names_its_generation() -> None:
    chips = [catalog.load(name) for name in catalog.names()]
    assert all(chip.generation for chip in chips if chip.family == "gpu")
    assert catalog.load("h200").generation == catalog.load("h100").generation


@pytest.mark.parametrize("part", ["gemm", "decode", "prefill", "experts"])
def test_factors_are_positive_and_name_parameters(part: str) -> None:
    fitted = coefficients.load("gpu")
    for row in factors(part).values():
        assert all(value > 0 and f"{part}.{name}" in fitted for name, value in row.items())


def test_engines_differ_and_the_used_figures_show_it() -> None:
    shared, own = gpu(), gpu(engine="trtllm:fp8:torch_flow")
    assert own.gemm_time(64.0, 4096, 4096) != shared.gemm_time(64.0, 4096, 4096)
    key = "calibration.gpu.gemm.quantise_cycles"
    assert own.used[key].value != shared.used[key].value
    assert own.used[key].low <= own.used[key].value <= own.used[key].high


def test_limits_hold() -> None:
    for key, (low, high) in LIMITS.items():
        assert clipped(key, low / 10) == low
        assert clipped(key, high * 10) == high


def test_a_repeated_decode_finds_small_caches_again() -> None:
    def op(past: float) -> Attention:
        return Attention(
            name="a", seqs=np.ones(1) * 64, new=np.ones(1), past=np.ones(1) * past, heads=32, kv_heads=8, qk_dim=128,
            v_dim=128, kv_width=2048,
        )  # fmt: skip

    chip = gpu(precision="bf16")
    assert chip.attention_time(op(100), cached=True) < chip.attention_time(op(100))
    np.testing.assert_allclose(chip.attention_time(op(1e6), cached=True), chip.attention_time(op(1e6)), rtol=1e-3)
    np.testing.assert_allclose(chip.attention_time(op(100)), chip.cost(op(100)).time_s)


@pytest.mark.parametrize(("new", "past"), [(1.0, 16384.0), (2048.0, 0.0)])
def test_softmax_takes_cycles_of_a_unit_not_a_share_of_its_matrix_rate(new: float, past: float) -> None:
    # H20 has a quarter of H100's matrix rate per unit at nearly the same clock: many query heads on few KV heads make
    # both compute, and H20 loses less than its matrix units alone would say.
    op = Attention(
        name="a", seqs=np.full(1, 64.0), new=np.full(1, new), past=np.full(1, past), heads=64, kv_heads=1, qk_dim=128,
        v_dim=128, kv_width=256,
    )  # fmt: skip
    h20, h100 = (gpu(chip, "bf16").attention_time(op)[0] for chip in ("nvidia-h20-96gb", "h100"))
    assert 1.2 < h20 / h100 < 989.4 / 148


def test_skew_loads_the_busiest_rank_and_touches_fewer_experts() -> None:
    sizes = (np.array([64.0, 4096.0]), np.full(2, 128.0), np.full(2, 8.0), np.full(2, 8.0))
    even, skew = balanced(*sizes), skewed(*sizes, 1.2)
    assert np.all(skew.pairs > even.pairs)
    assert np.all(skew.pairs <= sizes[0] * 8)
    assert np.all(skew.touched <= even.touched)
    op = Experts(name="e", m=sizes[0], experts=16, top_k=1.0, hidden=4096, inner=1536)
    assert gpu().expert_time(op, skew)[1] > gpu().expert_time(op, even)[1]


def seconds(chip: Gpu, op: Op) -> float:
    return float(np.sum(chip.cost(op).time_s))


def test_compiled_networks_narrow_nothing_and_end_products_in_what_follows() -> None:
    plain, compiled = gpu(precision="int8"), gpu(precision="int8", engine="tensorrt:static")
    rows = np.array([4096.0])
    product = Gemm(name="up", m=rows, n=4096, k=1024)
    act = Elementwise(name="act", m=rows, read=4096, write=4096, flops=4 * 4096, epilogue=0)
    norm = Elementwise(name="norm", m=rows, read=2048, write=2048, flops=5 * 1024)
    add = replace(act, read=8192, epilogue=4096, m=rows * 100)
    assert seconds(compiled, product) < seconds(plain, product)
    assert seconds(compiled, act) == 0.0
    assert 0.0 < seconds(compiled, add) < seconds(plain, add) / 3
    assert 0.0 < seconds(compiled, norm) <= seconds(plain, norm)


def test_a_narrow_convolution_reads_the_narrow_image() -> None:
    """In 8 bits half the bytes of a memory-bound convolution move, and nothing narrows its input before."""
    op = Conv(name="conv", m=np.array([64.0]), n=64, k=64, kernel=1, out_size=56, in_size=56)
    wide, narrow = (seconds(gpu(precision=name), op) for name in ("fp16", "int8"))
    assert 0.4 < narrow / wide < 0.75


def test_groups_of_a_convolution_do_its_work_in_parts() -> None:
    one = Conv(name="conv", m=np.array([64.0]), n=256, k=256, kernel=3, out_size=50, in_size=50)
    many = replace(one, groups=32)
    assert seconds(gpu(), many) < seconds(gpu(), one)
