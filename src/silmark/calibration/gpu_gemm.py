"""Fits matrix products on GPUs: public kernel timings of five chips in nine formats.

First the tile model on 16-bit rows of A100, H100, B200 (aiconfigurator's collections of three engines), A100 and
A40 (vidur) and RTX 4090 (LLMServingSim), then what narrow formats reach of their peak and what quantising the
activations costs. The collections of aiconfigurator repeat every shape over five copies of its weights, so small
weights are timed in the cache; the fit models that (`copies`), a model's weights come from memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from silmark.calibration import rows
from silmark.calibration.robust import Fit, Group, fit, left_out, statistics
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
    "gemm.tail": 0.2, "gemm.resident_share": 0.1, "gemm.resident_weights": 0.3, "achievable.memory_nvidia": 0.88,
    "achievable.matrix_nvidia": 0.85, "achievable.carry_nvidia": 0.7,
}  # fmt: skip
BOUNDS = {
    "gemm.flop_share": (0.5, 1.2), "gemm.memory_share": (0.5, 1.0), "gemm.overlap": (0.01, 1.0),
    "gemm.tail": (0.01, 1.0), "gemm.resident_share": (0.001, 1.0), "gemm.resident_weights": (0.05, 5.0),
    "achievable.memory_nvidia": (0.7, 1.0), "achievable.matrix_nvidia": (0.5, 1.0),
    "achievable.carry_nvidia": (0.5, 1.0),
}  # fmt: skip
NARROW_START = {"format.fp8": 0.85, "format.fp4": 0.72, "format.int8": 0.98}
NARROW_BOUNDS = {"format.fp8": (0.4, 1.0), "format.fp4": (0.3, 1.0), "format.int8": (0.4, 1.0)}
KNOWN = {
    "achievable.cache": 30.0, "format.fp8": 1.0, "format.fp4": 1.0, "format.int8": 1.0, "gemm.quantise_cycles": 1.0,
}  # fmt: skip
"""What the first fit does not move: no 16-bit row depends on it."""
_HIDDEN, _INNER, _HEAD_WIDTH, _VOCABULARY = 4096, 14336, 6144, 128256
_LLAMA = {
    "qkv_proj": (_HEAD_WIDTH, _HIDDEN), "o_proj": (_HIDDEN, _HIDDEN), "gate_up_proj": (2 * _INNER, _HIDDEN),
    "down_proj": (_HIDDEN, _INNER), "lm_head": (_VOCABULARY, _HIDDEN),
}  # fmt: skip
"""n and k of the layers of Llama-3.1-8B."""


def chip_facts(chip_id: str, compute: str, parameters: Mapping[str, float]) -> Facts:
    """A chip's facts under trial parameters."""
    chip = catalog.load(chip_id)

    def read(key: str, *bounds: Resource) -> float:
        return chip.figure(key).value

    return read_facts(chip, read, parameters.__getitem__, compute)


def _predict(
    parameters: Mapping[str, float], chip: str, precision: Precision, shapes: Shapes, copies: float | None, engine: str
) -> Array:
    own = parameters.get(f"quantise.{engine}", parameters["gemm.quantise_cycles"])
    parameters = {**parameters, "gemm.quantise_cycles": own}
    facts = chip_facts(chip, precision.compute, parameters)
    operand = FORMATS[precision.compute].bytes
    rates = gemm_rates(facts, lambda key: parameters[f"gemm.{key}"], precision.compute, precision.weight_bytes, operand)
    busy, _, fixed = gemm_seconds(rates, *shapes, copies=copies)
    return busy + fixed


def _group(system: str, engine: str, dtype: str, shapes: Shapes, us: Array, copies: float | None) -> Group:
    chip = rows.CHIPS[system]
    precision = Precision.of(FORMATS_OF[dtype])
    predict: Callable[[Mapping[str, float]], Array] = partial(
        _predict, chip=chip, precision=precision, shapes=shapes, copies=copies, engine=f"{engine} {dtype}"
    )
    return Group(chip, f"{chip} {dtype} {engine}", us * 1e-6, predict)


def _shapes(some: list[rows.Row]) -> Shapes:
    return rows.numbers(some, "m"), rows.numbers(some, "n"), rows.numbers(some, "k")


def groups(wide: bool, part: slice = slice(None)) -> list[Group]:
    """Rows in 16 bits, or all narrower ones; `part` picks some rows of every table."""
    found = []
    table = [r for r in rows.table("ops_gemm_aiconfigurator") if (r["gemm_dtype"] == "bfloat16") == wide]
    for (system, engine, dtype), whole in rows.grouped(table, "system", "engine", "gemm_dtype").items():
        some = whole[part]
        # These two tables contain host time of 50 us and more per call, which graphs hide.
        if (engine, dtype) in (("vllm", "fp8_block"), ("vllm", "nvfp4")):
            continue
        found.append(_group(system, engine, dtype, _shapes(some), rows.numbers(some, "time_us"), COPIES))
    if not wide:
        return found
    mlp = [r for r in rows.table("ops_mlp_vidur") if r["op"].endswith("_proj")]
    for (hardware,), whole in rows.grouped(mlp, "hardware").items():
        some = whole[part]
        found.append(_group(hardware, "vidur", "fp16", _shapes(some), rows.numbers(some, "time_us"), None))
    dense = [r for r in rows.table("ops_rtx_dense_llmservingsim") if r["layer"] in _LLAMA]
    for (hardware, layer), whole in rows.grouped(dense, "hardware", "layer").items():
        some = whole[part]
        tokens = rows.numbers(some, "sequences" if layer == "lm_head" else "tokens")
        n, k = (np.full(tokens.shape, float(size)) for size in _LLAMA[layer])
        found.append(_group(hardware, f"vllm {layer}", "bfloat16", (tokens, n, k), rows.numbers(some, "time_us"), None))
    return found


def unseen() -> Group:
    """H20 in fp8 (InferSim's DeepGEMM sweep), a chip of a seventh of the H100's rate: checked, never fitted."""
    some = [row for row in rows.table("ops_infersim_h20_h800") if row["hardware"] == "H20" and row["kind"] == "gemm"]
    return _group("H20", "infersim", "fp8", _shapes(some), rows.numbers(some, "time_us"), None)


def held_out() -> dict[str, dict[str, float]]:
    """Statistics of every second row of each table under a fit to the others."""
    kept = fit(groups(wide=True, part=slice(0, None, 2)), START, BOUNDS, KNOWN)
    return statistics(groups(wide=True, part=slice(1, None, 2)), {**KNOWN, **kept.values})


def run() -> tuple[Fit, Fit, dict[str, dict[str, float]]]:
    """The 16-bit fit, the narrow formats' fit on top of it, and statistics of every chip left out.

    Engines launch between none and four kernels to quantise activations; each table gets its own fixed cycles
    (`quantise.<engine> <data type>`), so that these do not distort the formats' shares.
    """
    wide = groups(wide=True)
    first = fit(wide, START, BOUNDS, KNOWN)
    narrow = [group for group in groups(wide=False) if "_wo" not in group.label]
    engines = {f"quantise.{group.label.split(' ')[2]} {group.label.split(' ')[1]}": 4000.0 for group in narrow}
    second = fit(narrow, {**NARROW_START, **engines}, NARROW_BOUNDS, {**KNOWN, **first.values})
    return first, second, left_out(wide, first.values, BOUNDS, KNOWN)
