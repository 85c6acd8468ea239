"""Parameter counts, to the last one, against published counts and independent builds."""

import json

import pytest

from silmark import models
from silmark.figures.tables import data_folder
from silmark.graph import Gemm, count
from silmark.models import catalogue
from silmark.models.config import Config
from silmark.workloads.step import Step

# What transformers 5.23.0 builds from the same configuration on torch's meta device (sum of numel over parameters),
# plus, for DeepSeek-V3 and V3.2 and for GLM-5, the router's learned bias (256 experts per routed layer), which is a
# parameter of the published checkpoint and a buffer in transformers.
BUILT = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.2-1b": 1_235_814_400,
    "mistral-7b": 7_248_023_552,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-32b": 32_762_123_264,
    "phi-2": 2_779_683_840,
    "phi-4": 14_659_507_200,
    "gemma-2-27b": 27_227_128_320,
    "gemma-3-27b": 27_009_346_304,
    "falcon-7b": 6_921_720_704,
    "falcon-40b": 41_303_293_952,
    "opt-66b": 65_719_701_504,
    "mpt-30b": 29_957_200_896,
    "gpt-j-6b": 6_050_882_784,
    "gpt-neox-20b": 20_554_567_680,
    "mixtral-8x7b": 46_702_792_704,
    "mixtral-8x22b": 140_620_634_112,
    "qwen3-235b-a22b": 235_093_634_560,
    "gpt-oss-20b": 20_914_757_184,
    "gpt-oss-120b": 116_829_156_672,
    "llama-4-scout": 107_769_861_120,
    "deepseek-v2": 235_741_434_880,
    "deepseek-v2-lite": 15_706_484_224,
    "deepseek-v3": 671_026_419_200,
    "deepseek-v3.2": 671_877_944_064,
    "glm-5": 743_911_218_432,
    "qwen3-next-80b-a3b": 79_674_391_296,
    "qwen3.5-397b-a17b": 396_346_350_336,
    "mamba2-2.7b": 2_702_599_680,
    "mamba-codestral-7b": 7_285_403_648,
    "nemotron-h-8b": 8_100_852_736,
    "bert-large": 335_141_888,
    "minilm-l6": 22_713_216,
    "resnet-50": 25_557_032,
    # diffusers: the U-Net, and the VAE's decoder with its first 1 x 1 convolution
    "stable-diffusion-xl": 2_567_463_684 + 49_490_179 + 20,
}


# Counts that the publishers state, to the last one.
STATED = {
    "bloom-176b": 176_247_271_424,
    "bloom-7b1": 7_069_016_064,
    "qwen3-14b": 14_768_307_200,
    "yi-34b": 34_388_917_248,
    "starcoder2-3b": 3_030_371_328,
    "gpt-neo-2.7b": 2_651_307_520,
    "codegen2-1b": 1_015_306_240,
    "baichuan2-7b": 7_505_973_248,
    "baichuan2-13b": 13_896_668_160,
    "xglm-1.7b": 1_732_907_008,
    "chatglm2-6b": 6_243_584_000,
    "command-r-v01": 34_980_831_232,
    "qwen1.5-moe-a2.7b": 14_315_784_192,
    "mamba-130m": 129_135_360,
    "falcon-mamba-7b": 7_272_665_088,
}


@pytest.mark.parametrize(("name", "parameters"), STATED.items())
def test_equals_what_the_publisher_states(name: str, parameters: int) -> None:
    assert models.load(name).parameters == parameters


@pytest.mark.parametrize(
    ("name", "billions"),
    [
        ("gemma-3-4b", 3.88),
        ("stablelm-2-12b", 12.14),
        ("persimmon-8b", 9.4),
        ("minicpm3-4b", 4.07),
        ("moonlight-16b-a3b", 15.96),
    ],
)
def test_is_near_what_the_card_rounds_to(name: str, billions: float) -> None:
    assert models.load(name).parameters / 1e9 == pytest.approx(billions, rel=0.005)


@pytest.mark.parametrize(("name", "parameters"), BUILT.items())
def test_equals_independent_build(name: str, parameters: int) -> None:
    assert models.load(name).parameters == parameters


@pytest.mark.parametrize("name", models.names())
def test_equals_the_catalogue(name: str) -> None:
    """Every exact count of models.toml; the notes of a packaged file list no key without effect."""
    model = models.load(name)
    assert model.parameters == catalogue.entries()[name].get("parameters", model.parameters)
    assert not any("without effect" in note for note in model.notes)
    assert 0 <= model.active_parameters <= model.parameters


# Published in billions, for active parameters: gpt-oss model card (arXiv:2508.10925, table 1; without the embedding);
# DeepSeek-V3 (arXiv:2412.19437, abstract: 37B); Mixtral (arXiv:2401.04088: 13B); Qwen3 (arXiv:2505.09388, table 2:
# 22B and 3B, 3.3B on its card with the embedding); Kimi K2 (arXiv:2507.20534: 32B); GLM-4.5 (arXiv:2508.06471: 32B);
# GLM-5, Kimi Linear and Qwen3.5 (their cards: 40B, 3B, 17B).
ACTIVE = [
    ("gpt-oss-120b", 5.13, 0.002),
    ("gpt-oss-20b", 3.61, 0.002),
    ("deepseek-v3", 37, 0.02),
    ("mixtral-8x7b", 13, 0.03),
    ("qwen3-235b-a22b", 22, 0.03),
    ("qwen3-30b-a3b", 3.3, 0.1),
    ("kimi-k2", 32, 0.02),
    ("glm-4.5", 32, 0.03),
    ("glm-4.5-air", 12, 0.07),
    ("llama-4-maverick", 17, 0.06),
    ("glm-5", 40, 0.03),
    ("kimi-linear-48b-a3b", 3, 0.05),
    ("qwen3.5-397b-a17b", 17, 0.05),
]


@pytest.mark.parametrize(("name", "billions", "tolerance"), ACTIVE)
def test_active_parameters(name: str, billions: float, tolerance: float) -> None:
    assert models.load(name).active_parameters / 1e9 == pytest.approx(billions, rel=tolerance)


def test_palm_is_540b() -> None:
    """PaLM, arXiv:2204.02311, table 1: 540.35 billion."""
    assert models.load("palm-540b-like").parameters / 1e9 == pytest.approx(540.35, abs=0.01)


@pytest.mark.parametrize(("name", "gib"), [("gpt-oss-120b", 60.8), ("gpt-oss-20b", 12.8)])
def test_bytes_of_an_mxfp4_checkpoint(name: str, gib: float) -> None:
    """Checkpoint sizes of the gpt-oss model card (arXiv:2508.10925, table 1)."""
    assert models.load(name).weight_bytes(16) / 2**30 == pytest.approx(gib, rel=0.005)


@pytest.mark.parametrize("name", ["llama-3-70b", "deepseek-v3", "resnet-50"])
def test_bytes_follow_the_plan_unless_the_checkpoint_fixes_fewer(name: str) -> None:
    model = models.load(name)
    assert model.weight_bytes(8) == model.parameters


def test_fp8_is_information_only() -> None:
    model = models.load("deepseek-v3")
    assert model.stored_bits == 8
    assert all(op.weight_bits is None for op in model.lower(Step.decode(1, 1)) if isinstance(op, Gemm))


# Elements cached per token over all layers: 2 * kv_heads * head_dim * layers; MLA: (512 + 64) * layers. DeepSeek-V3's
# 70,272 bytes in 16 bits are those that transformers allocates.
@pytest.mark.parametrize(
    ("name", "elements"),
    [
        ("llama-3-70b", 2 * 8 * 128 * 80),
        ("deepseek-v3", 70_272 // 2),
        ("llama-2-7b", 2 * 4096 * 32),
        ("glm-5", 78 * (576 + 128)),
        ("kimi-linear-48b-a3b", 7 * 576),
        ("qwen3-next-80b-a3b", 12 * 2 * 2 * 256),
        ("mamba2-2.7b", 0),
    ],
)
def test_cache_per_token(name: str, elements: int) -> None:
    assert models.load(name).kv_elements(1.0) == elements


def test_windows_bound_the_cache() -> None:
    model = models.load("gpt-oss-120b")
    per_layer = 2 * 8 * 64
    assert model.kv_elements(1000.0) == per_layer * (18 * 128 + 18 * 1000)


def test_state_of_a_gated_delta_net() -> None:
    """36 layers of 32 heads * 128 * 128, and three inputs of a convolution over 2 * 2048 + 4096 channels."""
    assert models.load("qwen3-next-80b-a3b").state_elements == 36 * (32 * 128 * 128 + 3 * 8192)


@pytest.mark.parametrize(
    ("name", "billions"),
    [("glm-5", 744), ("kimi-linear-48b-a3b", 49), ("qwen3-next-80b-a3b", 80)],
)
def test_totals_on_cards(name: str, billions: float) -> None:
    """GLM-5: 744B; Kimi Linear: 49B, rounded down in its name; Qwen3-Next: 80B."""
    assert models.load(name).parameters / 1e9 == pytest.approx(billions, rel=0.005)


def test_state_of_mamba() -> None:
    """64 layers of 80 heads * 64 * 128, and three inputs of a convolution over 5120 + 2 * 128 channels."""
    assert models.load("mamba2-2.7b").state_elements == 64 * (80 * 64 * 128 + 3 * (5120 + 256))


def test_a_detector_equals_torchvision() -> None:
    """torchvision's retinanet_resnet50_fpn has 34,014,999 parameters, its frozen norms (53,120) kept as buffers."""
    values = {
        "model_type": "retinanet",
        "num_labels": 91,
        "backbone_config": {"model_type": "resnet", "hidden_sizes": [256, 512, 1024, 2048], "depths": [3, 4, 6, 3]},
    }
    model = catalogue.build(Config(values, "retinanet.json", "retinanet"))
    assert model.parameters == 34_014_999 + 53_120


def test_groups_divide_a_convolution() -> None:
    """ResNeXt-50 32x4d has 25,028,904 parameters in torchvision (arXiv:1611.05431, table 1: 25.0 million)."""
    values = {"model_type": "resnet", "groups": 32, "width_per_group": 4, "num_labels": 1000}
    model = catalogue.build(Config(values, "resnext.json", "resnext"))
    assert model.parameters == 25_028_904


def test_an_image_of_a_diffusion_model_is_many_passes() -> None:
    """SDXL: 20 passes on two maps each; twice the steps, twice the work of the U-Net."""
    values = json.loads((data_folder() / "models" / "stable-diffusion-xl.json").read_text())
    once, twice = (
        float(
            count(catalogue.build(Config({**values, "num_inference_steps": n}, "x", "x")).lower(Step.forward(1))).flops
        )
        for n in (20, 40)
    )
    assert once == pytest.approx(280e12, rel=0.02)
    assert twice - once == pytest.approx(269e12, rel=0.02)
