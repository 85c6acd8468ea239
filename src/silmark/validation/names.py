"""What the tables call hardware, models and formats -> what the catalogue calls them."""

from __future__ import annotations

import re

from silmark import models
from silmark.chips import Chip
from silmark.formats import Precision
from silmark.validation.rows import Row

CHIPS = {
    "A100-SXM-80GB": "nvidia-a100-sxm4-80gb",
    # The table does not say which. On one card Llama-2-7B in fp16 stops gaining throughput at 16 sequences of 2048
    # tokens (17 GB of cache) and loses half of it at 16 of 4096 (34 GB): 13.5 GB of weights leave room for that in
    # 80 GB, not in 40.
    "A100-40GB/80GB(ALCF)": "nvidia-a100-sxm4-40gb",
    "H100-SXM-80GB": "nvidia-h100-sxm5-80gb",
    "H200-SXM-141GB": "nvidia-h200-sxm-141gb",
    "L40S-48GB": "nvidia-l40s-48gb",
    "B200-180GB": "nvidia-b200-sxm-180gb",
    "RTX4090": "nvidia-rtx-4090-24gb",
    # Two of them hold 140 GB of weights in the table, so a device is the package of 128 GB.
    "MI250": "amd-mi250-128gb",
    "MI300X-192GB": "amd-mi300x-192gb",
    "Intel Max 1550 (PVC)": "intel-max-1550-128gb",
    "Gaudi1": "intel-gaudi-1-32gb",
    "Gaudi2": "intel-gaudi-2-96gb",
}

MODELS = {
    "llama 7b": "llama-2-7b",  # LLaMA and Llama 2 of 7B have one architecture
    "llama v2 7b": "llama-2-7b",
    "llama v2 70b": "llama-2-70b",
    "llama 70b": "llama-2-70b",  # there is no first LLaMA of 70B
    "llama v3 8b": "llama-3-8b",
    "llama v3.1 405b": "llama-3.1-405b",
    "llama-3.1-405b fp8 (meta)": "llama-3.1-405b",
    "deepseek r1 0528": "deepseek-r1",
    "deepseek-v3.1-nvfp4": "deepseek-v3",
    "mistral-7b-instruct-v0.2": "mistral-7b",
}
_SUFFIX = re.compile(r"(-hf|-instruct|-fp8|-nvfp4|-it|-base)+$")

SERVERS = {
    "TensorRT-LLM": "TensorRT-LLM",
    "trtllm": "TensorRT-LLM",
    "vLLM": "vLLM",
    "vllm": "vLLM",
    "sglang": "SGLang",
    "Deepspeed": "DeepSpeed (Gaudi)",
    "optimum-habana": "Optimum Habana",
}
"""Engines whose rows make residual classes: those that the chips' own files name as their stack, and SGLang."""

_FITTED = ("meta-llama/Llama-2-7b-hf", "meta-llama/Meta-Llama-3-8B", "mistralai/Mistral-7B-v0.1")


def chip_id(row: Row) -> str | None:
    """Id of the row's chip, None if the catalogue has none."""
    return CHIPS.get(row.hardware)


def model_name(row: Row) -> str | None:
    """Catalogue name of the row's model, None if it is not there."""
    full = row.model.lower()
    plain = full.rpartition("/")[2]
    known = set(models.names())
    for name in (full, plain, plain.replace(" ", "-"), _SUFFIX.sub("", plain).replace("meta-", "")):
        found = MODELS.get(name, models.aliases().get(name, name))
        if found in known:
            return found
    return None


def precision(row: Row, chip: Chip) -> Precision | None:
    """Formats of weights, products and cache, None if the row does not say.

    Rows of fp8 and fp4 checkpoints are taken with an fp8 cache; an empty cell stands for a checkpoint that was not
    quantised.
    """
    text = row.precision.lower()
    pair = re.fullmatch(r"weight = (\w+), kv cache = (\w+)", text)
    if pair:
        weights, cache = pair.groups()
        compute = "fp8" if weights == "fp8" and "fp8" in chip.formats else "fp16"
        return Precision(weights, compute, cache) if {weights, cache} <= {"fp16", "bf16", "fp8", "int8"} else None
    if text.startswith("fp16"):
        return Precision.of("fp16")
    named = {"": "bf16", "bf16": "bf16", "fp8": "fp8", "fp4": "fp4:fp4:fp8", "int4": "int4:bf16"}
    return Precision.of(named[text]) if text in named else None


def engine(row: Row) -> str:
    """The engine's name in reports."""
    return SERVERS.get(row.engine, row.engine or "not stated")


def fitted(row: Row) -> bool:
    """Whether `silmark calibrate` took the host's time per step from this row."""
    return (
        row.table == "argonne_llm_inference_bench"
        and row.hardware == "H100-SXM-80GB"
        and row.batch == row.devices == 1
        and row.model in _FITTED
        and row.engine in ("vLLM", "TensorRT-LLM")
    )
