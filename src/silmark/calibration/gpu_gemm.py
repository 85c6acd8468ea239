"""Fits matrix products on GPUs: public kernel timings of five chips in eight schemes.

First the tile model on 16-bit rows of A100, H100, B200 (aiconfigurator's collections of three engines), A100 and
A40 (vidur) and RTX 4090 (LLMServingSim), then what narrow formats reach of their peak and what quantising the
activations costs, then the factors of generations, schemes and kernels (`gpu_tree`). The collections of aiconfigurator
repeat every shape over five copies of its weights, so small weights are timed in the cache; the fit models that
(`copies`), a model's weights come from memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from silmark.calibration import rows
from silmark.calibration.gpu_tree import LEVELS, LIBRARY, Part, Table
from silmark.calibration.robust import Fit, Group, fit
from silmark.chips import catalog
from silmark.chips.mechanisms.base import Resource
from silmark.chips.mechanisms.gpu_gemm import Facts, gemm_rates, gemm_seconds, read_facts
from silmark.formats import FORMATS, Precision
from silmark.graph import Array

Shapes = tuple[Array, Array, Array]

COPIES = 5.0
"""Copies of the weights that the collector of aiconfigurator cycles through."""
FORMATS_OF = {
    "bfloat16": "bf16",
    "fp16": "fp16",
    "fp8": "fp8",
    "fp8_block": "fp8",
    "nvfp4": "fp4",
    "sq": "int8",
    "int8_wo": "int8:bf16",
    "int4_wo": "int4:bf16",
}
"""Data type of a row -> precision."""
START = {
    "gemm.flop_share": 1.0, "gemm.tile_area": 3000.0, "gemm.draw": 90.0, "gemm.memory_share": 0.95,
    "gemm.store": 40.0, "gemm.kernel_cycles": 2000.0, "gemm.merge_cycles": 4000.0, "gemm.overlap": 0.25,
    "gemm.tail": 0.2, "gemm.resident_share": 0.1, "gemm.resident_weights": 0.3, "gemm.step_cycles": 40.0,
    "gemm.rows_16": 1.0, "gemm.rows_32": 1.0, "gemm.rows_64": 1.0, "achievable.memory_nvidia": 0.88,
    "achievable.matrix_nvidia": 0.85, "achievable.carry_nvidia": 0.7,
}  # fmt: skip
BOUNDS = {
    "gemm.flop_share": (0.5, 1.2), "gemm.memory_share": (0.5, 1.0), "gemm.overlap": (0.01, 1.0),
    "gemm.tail": (0.01, 1.0), "gemm.resident_share": (0.001, 1.0), "gemm.resident_weights": (0.05, 3.0),
    "gemm.step_cycles": (5.0, 300.0), "gemm.rows_16": (0.4, 3.0), "gemm.rows_32": (0.4, 3.0),
    "gemm.rows_64": (0.4, 3.0), "achievable.memory_nvidia": (0.7, 1.0), "achievable.matrix_nvidia": (0.5, 1.0),
    "achievable.carry_nvidia": (0.5, 1.0),
}  # fmt: skip
NARROW_START = {
    "format.fp8": 0.85, "format.fp4": 0.72, "format.int8": 0.98, "gemm.quantise_cycles": 5000.0,
    "gemm.quantise_row": 1.0, "gemm.quantise_traffic": 1.0,
}  # fmt: skip
NARROW_BOUNDS = {"format.fp8": (0.4, 1.0), "format.fp4": (0.3, 1.0), "format.int8": (0.4, 1.0)}
KNOWN = {"achievable.cache": 30.0}
"""What no fit moves."""
_APART = (("vllm", "fp8_block"), ("vllm", "nvfp4"), ("vidur", "fp16"), ("infersim", "fp8_block"))
"""Tables that tell of their own kernels only: vLLM's contain host time of up to 150 us per call, which graphs hide;
vidur's libraries are of 2023 and a fifth slower than those of today on large products; InferSim's times have no pass
that narrows activations."""
_HIDDEN, _INNER, _HEAD_WIDTH, _VOCABULARY = 4096, 14336, 6144, 128256
_LLAMA = {
    "qkv_proj": (_HEAD_WIDTH, _HIDDEN), "o_proj": (_HIDDEN, _HIDDEN), "gate_up_proj": (2 * _INNER, _HIDDEN),
    "down_proj": (_HIDDEN, _INNER), "lm_head": (_VOCABULARY, _HIDDEN),
}  # fmt: skip
"""n and k of the layers of Llama-3.1-8B."""
_LINEAR = "torch.nn.functional.linear"


def chip_facts(chip_id: str, compute: str, parameters: Mapping[str, float]) -> Facts:
    """A chip's facts under trial parameters."""
    chip = catalog.load(chip_id)

    def read(key: str, *bounds: Resource) -> float:
        return chip.figure(key).value

    return read_facts(chip, read, parameters.__getitem__, compute)


def _predict(
    parameters: Mapping[str, float], chip: str, precision: Precision, shapes: Shapes, copies: float | None
) -> Array:
    facts = chip_facts(chip, precision.compute, parameters)
    operand = FORMATS[precision.compute].bytes
    rates = gemm_rates(facts, lambda key: parameters[f"gemm.{key}"], precision.compute, precision.weight_bytes, operand)
    busy, _, fixed = gemm_seconds(rates, *shapes, copies=copies)
    return busy + fixed


def _table(
    system: str, dtype: str, engine: str, kernel: str, shapes: Shapes, us: Array, copies: float | None, note: str = ""
) -> Table:
    chip = rows.CHIPS[system]
    precision = Precision.of(FORMATS_OF[dtype])
    predict = partial(_predict, chip=chip, precision=precision, shapes=shapes, copies=copies)
    label = f"{chip} {dtype} {engine} {note or kernel}"
    scheme = "bfloat16" if dtype == "fp16" else dtype
    return Table(scheme, engine, kernel, Group(chip, label, us * 1e-6, predict), (engine, dtype) not in _APART)


def _shapes(some: list[rows.Row]) -> Shapes:
    return rows.numbers(some, "m"), rows.numbers(some, "n"), rows.numbers(some, "k")


def tables(part: slice = slice(None)) -> list[Table]:
    """All tables; `part` picks some rows of each."""
    found = []
    gemm = list(rows.table("ops_gemm_aiconfigurator"))
    keys = ("system", "gemm_dtype", "engine", "kernel_source")
    for key, whole in rows.grouped(gemm, *keys).items():
        some = whole[part]
        if not some:
            continue
        system, dtype, engine, kernel = key
        us = rows.numbers(some, "time_us")
        found.append(_table(system, dtype, engine, kernel, _shapes(some), us, COPIES))
    mlp = [r for r in rows.table("ops_mlp_vidur") if r["op"].endswith("_proj")]
    for (hardware,), whole in rows.grouped(mlp, "hardware").items():
        some = whole[part]
        us = rows.numbers(some, "time_us")
        found.append(_table(hardware, "fp16", "vidur", "torch", _shapes(some), us, None))
    dense = [r for r in rows.table("ops_rtx_dense_llmservingsim") if r["layer"] in _LLAMA]
    for (hardware, layer), whole in rows.grouped(dense, "hardware", "layer").items():
        some = whole[part]
        tokens = rows.numbers(some, "sequences" if layer == "lm_head" else "tokens")
        n, k = (np.full(tokens.shape, float(size)) for size in _LLAMA[layer])
        us = rows.numbers(some, "time_us")
        found.append(_table(hardware, "bfloat16", "vllm", _LINEAR, (tokens, n, k), us, None, layer))
    return found + _deepgemm(part)


def _deepgemm(part: slice) -> list[Table]:
    """DeepGEMM alone, without the pass that narrows activations (InferSim, H20)."""
    some = [r for r in rows.table("ops_infersim_h20_h800") if r["hardware"] == "H20" and r["kind"] == "gemm"][part]
    if not some:
        return []
    us = rows.numbers(some, "time_us")
    return [_table("H20", "fp8_block", "infersim", "deepgemm", _shapes(some), us, None)]


def common(some: Sequence[Table], held: Mapping[str, float] | None = None) -> Fit:
    """The 16-bit fit, and the narrow formats' on top of it.

    Args:
        some: rows.
        held: parameters that are not fitted, with their values.
    """
    known = {**KNOWN, **(held or {})}
    wide = [table.group for table in some if table.scheme == "bfloat16"]
    start = {key: value for key, value in START.items() if key not in known}
    first = fit(wide, start, BOUNDS, {**known, **NARROW_START})
    narrow = [t.group for t in some if t.pooled and t.scheme != "bfloat16" and not t.scheme.endswith("_wo")]
    second = fit(narrow, NARROW_START, NARROW_BOUNDS, {**known, **first.values})
    size = len(first.values)
    covariance = np.zeros((size + len(second.values),) * 2)
    covariance[:size, :size], covariance[size:, size:] = first.covariance, second.covariance
    return Fit({**first.values, **second.values}, covariance)


PART = Part("gemm", tables, common, KNOWN, levels=[level for level in LEVELS if level != LIBRARY])
