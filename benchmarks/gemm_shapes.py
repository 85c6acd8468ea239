"""Prints how many matrix-product shapes the GPU family evaluates per CPU-second, and the time of small calls.

Usage: python benchmarks/gemm_shapes.py [chip] [precision] [millions of shapes]
"""

from __future__ import annotations

import sys
import time

import numpy as np

from silmark.chips import catalog
from silmark.chips.mechanisms import Placement
from silmark.chips.mechanisms.gpu import Gpu
from silmark.formats import Precision
from silmark.graph import Gemm


def main(chip: str = "nvidia-h100-sxm5-80gb", precision: str = "bf16", millions: str = "2") -> None:
    """Times random shapes in bulk and an array of 16 shapes."""
    mechanism = Gpu(catalog.load(chip), Precision.of(precision), Placement())
    rng = np.random.default_rng(0)
    size = int(float(millions) * 1e6)
    m, n, k = (rng.integers(1, 16384, size).astype(np.float64) for _ in range(3))
    mechanism.gemm_time(m[:4096], n[:4096], k[:4096])
    start = time.process_time()
    mechanism.gemm_time(m, n, k)
    spent = time.process_time() - start
    print(f"{size / spent / 1e6:.2f} million shapes per CPU-second ({size} shapes, {chip}, {precision})")
    op = Gemm(name="g", m=m[:16], n=8192, k=8192)
    calls = 1000
    start = time.process_time()
    for _ in range(calls):
        mechanism.cost(op)
    print(f"{(time.process_time() - start) / calls * 1e6:.0f} us per cost() of 16 shapes")


if __name__ == "__main__":
    main(*sys.argv[1:])
