"""What emulating a chip's arithmetic costs: a product of matrices over the plain float32 product, in one process.

Run by itself (`python benchmarks/arithmetic.py [SIZE [REPEATS]]`), or by `benchmarks/speed.py` through `table`. Weights
are prepared once, as a model's are; activations are quantised each time. The plain product is timed between all others
and the least CPU time of each on one core counts: other load on the machine then changes the ratios little. Peers
(torchao, ml_dtypes, and converters applied tile by tile to whole matrices) run where they and torch are installed.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

if __name__ == "__main__" and "OMP_NUM_THREADS" not in os.environ:
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[_name] = "1"

import numpy as np

from silmark import numerics
from silmark.numerics import analog
from silmark.numerics.base import Array

SIZE, REPEATS = 4096, 3
Work = Callable[[], object]
Module = Any  # None where it is not installed
FORMATS = (
    *("bf16", "fp8-e4m3", "mxfp8-e4m3", "mxfp6-e2m3", "mxfp4", "mxint8", "nvfp4", "int8", "int8-row", "int4-group128"),
    *("bfp16-64", "sbfp12-16", "mx9"),
)
TILES = {
    "converter per 128 rows, no noise": lambda: dataclasses.replace(analog.load("abfp-ideal"), lines=analog.Lines(128)),
    "abfp-ideal": lambda: analog.load("abfp-ideal"),
    "lightmatter-2025-silicon": lambda: analog.load("lightmatter-2025-silicon"),
    "imc-pcm": lambda: analog.load("imc-pcm"),
}
CITED = {"mxint8": "2.9 to 3.4 (microxcaling)", "mxfp8-e4m3": "3.8 to 4.2 (microxcaling)", "mxfp4": "2.4 to 3.7"}
"""Ratios at 1024 and 4096 of an earlier run; microxcaling is not in the package registry."""


def table(size: int = SIZE, repeats: int = REPEATS) -> str:
    """Markdown: each arithmetic's time over the plain product's in the same library, and a peer's."""
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((2, size, size), np.float32)
    torch = _module("torch")
    plain = {"numpy": lambda: left @ right}
    works: dict[tuple[str, str], Work] = {}
    if torch:
        left_t, right_t = torch.from_numpy(left), torch.from_numpy(right)
        plain["torch"] = lambda: left_t @ right_t
    for name, arithmetic in _arithmetics().items():
        prepared = arithmetic.prepare(right)
        works[name, "numpy"] = _product(arithmetic, left, prepared)
        if torch:
            works[name, "torch"] = _product(arithmetic, left_t, arithmetic.prepare(right_t))
    for name, peer in (_peers(torch, left_t, right_t) if torch else {}).items():
        works[name, "peer"] = peer
    ratios = _timed(plain, works, repeats)
    names = list(dict.fromkeys(name for name, _ in works))
    rows = [[name, *(_cell(ratios, name, column) for column in ("numpy", "torch", "peer"))] for name in names]
    lines = [["arithmetic", "numpy", "torch", "peer, torch"], ["---"] * 4, *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _arithmetics() -> dict[str, numerics.Arithmetic]:
    digital = {name: numerics.arithmetic.get(name) for name in FORMATS}
    return digital | {name: make() for name, make in TILES.items()}


def _product(arithmetic: numerics.Arithmetic, left: Array, prepared: numerics.Prepared) -> Work:
    arithmetic.matmul(left[:128], prepared)  # compiles
    return lambda: arithmetic.matmul(left, prepared)


def _peers(torch: Module, left: Array, right: Array) -> dict[str, Work]:
    """The same with other tools: activations quantised, weights beforehand, the product in float32."""
    found: dict[str, Work] = {"converter per 128 rows, no noise": lambda: _naive(torch, left, right)}
    small = _module("ml_dtypes")
    if small:
        found["fp8-e4m3"] = lambda: (
            torch.from_numpy(left.numpy().astype(small.float8_e4m3fn).astype(np.float32)) @ right
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mx = _module("torchao.prototype.mx_formats.mx_tensor")
    if mx:
        kinds = {"mxfp8-e4m3": torch.float8_e4m3fn, "mxfp4": torch.float4_e2m1fn_x2}
        for name, kind in kinds.items():
            found[name] = partial(_microscaled, mx.MXTensor, left, right, kind, torch.float32)
    return found


def _microscaled(tensor: Module, left: Array, right: Array, kind: object, wide: object) -> object:
    """As torchao does it: to its tensor of blocks of 32, and back."""
    return tensor.to_mx(left, kind, 32).dequantize(wide) @ right


def _naive(torch: Module, left: Array, right: Array, tile: int = 128, limit: float = 1023.0) -> object:
    """Converters as one would write them: each tile's product of whole matrices, scaled, clipped, rounded, added."""
    total = torch.zeros(left.shape[0], right.shape[1])
    for start in range(0, left.shape[1], tile):
        part = left[:, start : start + tile] @ right[start : start + tile]
        total += (part * 8.0).clamp_(-limit, limit).round_() / 8.0
    return total


def _timed(plain: dict[str, Work], works: dict[tuple[str, str], Work], repeats: int) -> dict[tuple[str, str], float]:
    """Least seconds of each over least seconds of the plain product of its library."""
    # What waits for its turn on a busy machine takes no CPU time; what waits for another thread does.
    clock = time.process_time if os.environ.get("OMP_NUM_THREADS") == "1" else time.perf_counter
    least = dict.fromkeys([*plain, *works], float("inf"))

    def run(key: str | tuple[str, str], work: Work) -> None:
        start = clock()
        work()
        least[key] = min(least[key], clock() - start)

    for _ in range(repeats):
        for number, (key, work) in enumerate(works.items()):
            if number % 4 == 0:
                for name, product in plain.items():
                    run(name, product)
            run(key, work)
    return {key: least[key] / least["numpy" if key[1] == "numpy" else "torch"] for key in works}


def _cell(ratios: dict[tuple[str, str], float], name: str, column: str) -> str:
    if (name, column) in ratios:
        said = {"mxfp8-e4m3": " (torchao)", "mxfp4": " (torchao)", "fp8-e4m3": " (ml_dtypes)"}.get(name, " (naive)")
        return f"{ratios[name, column]:.2f}{said if column == 'peer' else ''}"
    return f"{CITED[name]}, cited" if column == "peer" and name in CITED else "-"


def _module(name: str) -> Module:
    try:
        return __import__(name, fromlist=["_"])
    except ImportError:
        return None


if __name__ == "__main__":
    size, repeats = (*map(int, sys.argv[1:3]), *(SIZE, REPEATS)[len(sys.argv) - 1 :])
    print(table(size, repeats))
    print(f"\n{size} x {size} x {size}, {os.environ['OMP_NUM_THREADS']} thread(s), {platform.machine()}")
