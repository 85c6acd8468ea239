"""What the tables call hardware, models and formats -> what the catalogue calls them."""

from __future__ import annotations

import re

from silmark import models
from silmark.calibration import gpu_host
from silmark.calibration.rows import END_TO_END
from silmark.chips import Chip
from silmark.figures.tables import packaged
from silmark.formats import Precision
from silmark.validation.rows import Row

MODELS: dict[str, str] = packaged("aliases")["models"]["end_to_end"]
_VERSION = re.compile(r"(TensorRT|vLLM) v?(\d+)\.(\d+)")
_ROUND_5 = {"TensorRT": (10, 5), "vLLM": (0, 6)}
"""Versions from which submissions to MLPerf's round 5.0 and later were made (April 2025)."""
_REFERENCES = ("pytorch", "onnxruntime")
_SUFFIX = re.compile(r"(-hf|-instruct|-fp8|-nvfp4|-it|-base)+$")

SERVERS: dict[str, str] = packaged("aliases")["engines"]["end_to_end"]
"""Engines whose rows make residual classes: those that the chips' own files name as their stack, and SGLang."""


def chip_id(row: Row) -> str | None:
    """Id of the row's chip, None if the catalogue has none."""
    return END_TO_END.get(row.hardware)


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

    Rows of fp8 and fp4 checkpoints are taken with the cache that `data/aliases/caches.toml` says; an empty cell stands
    for a checkpoint that was not quantised.
    """
    text = row.precision.lower()
    if "_bnb" in row.notes:  # bitsandbytes: the name of the test says it, the column states the products' format
        return Precision.of("int4:bf16")
    pair = re.fullmatch(r"weight = (\w+), kv cache = (\w+)", text)
    if pair:
        weights, cache = pair.groups()
        compute = "fp8" if weights == "fp8" and "fp8" in chip.formats else "fp16"
        return Precision(weights, compute, cache) if {weights, cache} <= {"fp16", "bf16", "fp8", "int8"} else None
    if text.startswith("fp16"):
        return Precision.of("fp16")
    named = {"": "bf16", "bf16": "bf16", "fp8": f"fp8:fp8:{_cache(row)}", "fp4": f"fp4:fp4:{_cache(row)}"}
    named["int4"] = "int4:bf16"
    return Precision.of(named[text]) if text in named else None


def _cache(row: Row) -> str:
    """The format in which an engine kept the cache of an 8-bit or 4-bit checkpoint."""
    told = _noted(row, "caches")
    return told or str(packaged("aliases")["caches"]["engines"].get(row.engine, "fp8"))


def _noted(row: Row, about: str) -> str:
    """What a file of `data/aliases` says of the row's runs, whose words its keys are; empty if nothing."""
    words = {row.engine, row.version, row.hardware, row.model, row.precision}
    runs: dict[str, str] = packaged("aliases")[about].get(row.table, {})
    return next((said for key, said in runs.items() if words.issuperset(key.split())), "")


def engine(row: Row) -> str:
    """The engine's name in reports."""
    return SERVERS.get(row.engine, row.engine or "not stated")


def submission(row: Row) -> str:
    """What counts as the engine of a row of MLPerf's closed division, empty for the open one.

    Whatever software a submission names, it was tuned to the benchmark - all but the reference implementation, which
    anybody may submit there. The software of rounds before 5.0 was slower; machines that were set to save power (MaxQ)
    are kept apart.
    """
    if "; open;" in row.notes or "-reference-" in row.notes or row.engine.partition(" ")[0] in _REFERENCES:
        return ""
    found = _VERSION.search(row.engine)
    early = found is not None and (int(found[2]), int(found[3])) < _ROUND_5[found[1]]
    return "mlperf-closed" + ("-4" if early else "") + ("-maxq" if "_MaxQ" in row.notes else "")


def searched(row: Row) -> bool:
    """Whether every token was chosen among several that were run on: its time says nothing about plain decoding."""
    return "contrastive_search" in row.notes


def doubted(row: Row) -> str:
    """Why the row's run contradicts itself, empty if it does not."""
    return _noted(row, "doubts")


def counts(row: Row) -> bool:
    """Whether a row may set residuals: the chip's own kind of engine, plain decoding, no doubts, and no fit used it."""
    return row.engine in SERVERS and not fitted(row) and not searched(row) and not doubted(row)


def fitted(row: Row) -> bool:
    """Whether `silmark calibrate gpu` took a host's time from this row."""
    name = row.model.rsplit("/", 1)[-1]
    if row.table == "argonne_llm_inference_bench":
        alone = row.hardware == "H100-SXM-80GB" and row.batch == row.devices == 1
        return alone and row.model in gpu_host.SIZES and row.engine in ("vLLM", "TensorRT-LLM")
    if row.table == "inferencemax_nvidia_ttft_tpot":
        few = row.metric == "tpot" and (row.concurrency or gpu_host.USERS + 1) <= gpu_host.USERS
        return few and name.removesuffix("-Instruct") in gpu_host.SERVED
    short = row.metric == "ttft" and row.isl == gpu_host.SHORT and row.tp == 1
    return row.table == "trtllm_docs_throughput" and short and name in gpu_host.FIRST_TOKEN
