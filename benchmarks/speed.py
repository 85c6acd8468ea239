"""The speeds of Silmark, each beside the best published figure of a peer; writes docs/speed.md.

Run by `make bench`. CPU seconds are those of this process (one core); wall seconds are of whole commands,
the middle of several. Machines differ and are noisy: read the ratios, not the digits.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

# One core: the peers' figures are per core too. Must be set before numpy loads.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import arithmetic
import numpy as np
import sampling
import search
import search_training

import serving
import silmark
from silmark import chips
from silmark.chips.mechanisms import Placement, build
from silmark.formats import Precision
from silmark.graph import Gemm

PAGE = Path(__file__).resolve().parent.parent / "docs" / "speed.md"


def cpu_seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Smallest CPU time of several runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def compiled_steps() -> list[tuple[str, str, str]]:
    """(batch, context) points per CPU second of full-model decode and prefill."""
    model = silmark.estimate("llama-3.1-70b", "8x:nvidia-h100-sxm5-80gb", tp=8).step_model
    assert model is not None
    random = np.random.default_rng(0)
    batch = random.integers(1, 512, 1_000_000).astype(np.float64)
    context = random.integers(1, 32_768, 1_000_000).astype(np.float64)
    model.decode_s(1, 1)
    model.prefill_s(1, 1)
    decode = batch.size / cpu_seconds(lambda: model.decode_s(batch, context))
    prefill = batch.size / cpu_seconds(lambda: model.prefill_s(1 + batch // 64, context))
    peer = "15,300 (aiconfigurator's engine); 12,000 (LLM-Viewer)"
    return [
        ("decode steps of Llama-3.1-70B per CPU second", f"{decode:,.0f}", peer),
        ("prefill steps of Llama-3.1-70B per CPU second", f"{prefill:,.0f}", peer),
    ]


def gemm_shapes() -> tuple[str, str, str]:
    """Matrix shapes per CPU second through the gpu mechanism."""
    chip = chips.load("h100")
    mechanism = build(chip, Precision.of("bf16"), Placement())
    random = np.random.default_rng(0)
    rows = random.integers(1, 8192, 1_000_000).astype(np.float64)
    work = Gemm(name="gemm", m=rows, n=8192, k=8192)
    rate = rows.size / cpu_seconds(lambda: mechanism.cost(work))
    return "GEMM shapes per CPU second", f"{rate:,.0f}", "0.03 (LLMCompass: 39 s each)"


def warm_estimate() -> tuple[str, str, str]:
    """One public call, everything warm."""

    def call() -> object:
        return silmark.estimate("llama-3.1-70b", "8x:nvidia-h100-sxm5-80gb", tp=8, batch=32)

    call()
    count = 200
    seconds = cpu_seconds(lambda: [call() for _ in range(count)]) / count
    return "silmark.estimate, warm, one point", f"{1e3 * seconds:.2f} ms", "670 ms (aiconfigurator's public call)"


def typed_compare() -> tuple[str, str, str]:
    """The command as a person types it, caches of compiled code and parsed data warm."""
    command = [sys.executable, "-m", "silmark", "compare", "llama-3.1-70b"]
    walls = []
    for _ in range(6):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        walls.append(time.perf_counter() - start)
    middle = statistics.median(walls[1:])
    return (
        f"silmark compare over {len(chips.names()) + 1} chips, wall",
        f"{middle:.2f} s",
        "3.6 s (aiconfigurator, one system)",
    )


def start_up() -> list[tuple[str, str, str]]:
    """Import and help, wall."""
    rows = []
    for label, code in (("import silmark", ["-c", "import silmark"]), ("silmark --help", ["-m", "silmark", "--help"])):
        walls = []
        for _ in range(6):
            start = time.perf_counter()
            subprocess.run([sys.executable, *code], check=True, capture_output=True)
            walls.append(time.perf_counter() - start)
        rows.append((f"{label}, wall, interpreter included", f"{statistics.median(walls[1:]):.2f} s", "-"))
    return rows


def main() -> None:
    """Measures, prints, and writes the page."""
    searches = [*search.rows(), *search_training.rows()]
    rows = [
        *compiled_steps(),
        gemm_shapes(),
        warm_estimate(),
        typed_compare(),
        *searches,
        *serving.rows(),
        *sampling.rows(),
        *start_up(),
    ]
    lines = ["| what | Silmark here | peer |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]
    where = f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}"
    measured = f"Measured {datetime.now(UTC):%Y-%m-%d} on {where}, one core, by `make bench`."
    write("speed", "\n".join([*lines, "", measured]))
    write("arithmetic", f"{arithmetic.table()}\n\n{measured}")


def write(name: str, text: str) -> None:
    """Prints a table and puts it between its marks on the page."""
    print(text)
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    if PAGE.exists():
        head, _, rest = PAGE.read_text(encoding="utf-8").partition(start)
        PAGE.write_text(f"{head}{start}\n{text}\n{end}{rest.partition(end)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
