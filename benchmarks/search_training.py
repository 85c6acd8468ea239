"""How long a search over training plans takes, in CPU seconds of one core, beside the peer's published figure.

Run by itself, or by `benchmarks/speed.py` through `rows`. The peer is Calculon (Isaev et al., SC '23), which is not in
the package registry: its 49 CPU-seconds for 8,112 executions are cited, not measured here.
"""

from __future__ import annotations

import math
import time

import silmark

QUESTION = ("turing-530b", "5128x:nvidia-a100-sxm4-80gb")
SIZES = {"global_batch": 2520, "sequence_length": 2048}
PEER = "49 s for 8,112 plans (Calculon, cited)"


def hot(repeats: int = 5) -> tuple[float, int]:
    """Least CPU seconds of the public call with its winners and frontier, and the plans that it tried."""
    seconds, tried = math.inf, 0
    for _ in range(repeats + 1):  # the first one loads the catalogue
        start = time.process_time()
        found = silmark.search_training(*QUESTION, **SIZES)  # type: ignore[arg-type]
        assert found.verdicts
        assert found.frontier
        seconds, tried = min(seconds, time.process_time() - start), found.answer.result.tried
    return seconds, tried


def rows() -> list[tuple[str, str, str]]:
    """What, Silmark, peer."""
    seconds, tried = hot()
    return [(f"training plans of {QUESTION[0]} on 5,128 A100, hot, CPU", f"{seconds:.2g} s for {tried:,} plans", PEER)]


if __name__ == "__main__":
    for row in rows():
        print(" | ".join(row))
