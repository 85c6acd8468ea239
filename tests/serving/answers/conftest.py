"""A simulation written by hand, for what is made of simulations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from silmark.figures import Interval
from silmark.report.served import ServeSim
from silmark.serving.histogram import Histogram
from silmark.serving.kernel.gaps import edges_ns
from silmark.serving.kernel.state import SAMPLE
from silmark.serving.metrics import Tally, occupancy
from silmark.serving.options import EngineOptions
from silmark.serving.records import ANSWERED, DONE, REFUSED, STEP, TRANSFER
from silmark.serving.run import Run
from silmark.serving.simulate import Fleet, Simulation
from silmark.serving.slo import Limit, Slo

SLO = Slo((Limit("ttft", 1.0, 50.0), Limit("e2el", 2.45, 99.0)))
_MONEY = {
    "power_w": 700.0,
    "joules_per_request": 10.0,
    "joules_per_output_token": 0.5,
    "usd_per_request": None,
    "usd_per_million_output_tokens": None,
}
_ENGINE = {
    "engine": "vLLM", "engine_version": "0.33.0", "policy": "vllm", "plan": "TP1 bf16", "replicas": 2,
    "max_num_seqs": 256, "max_num_batched_tokens": 2048, "max_model_len": 4096, "block_size": 16, "num_blocks": 101,
    "kv_tokens": 1616,
}  # fmt: skip


def _answered() -> np.ndarray:
    """Three requests answered and one refused."""
    found = np.zeros(4, dtype=ANSWERED)
    seconds = [[0.0, 0.1, 0.5, 2.5], [1.0, 1.0, 1.25, 1.25], [1.5, 2.0, 3.0, 3.9], [2.0, 0.0, 0.0, 0.0]]
    for at, name in enumerate(("arrival_ns", "scheduled_ns", "first_ns", "last_ns")):
        found[name] = [round(row[at] * 1e9) for row in seconds]
    found["name"], found["status"] = range(4), [DONE, DONE, DONE, REFUSED]
    found["prompt"], found["output"], found["cached"] = [100, 50, 200, 9000], [21, 1, 10, 8], [0, 0, 48, 0]
    found["replica"], found["preemptions"], found["joules"] = [0, 1, 0, 0], [0, 0, 2, 0], [5.0, 1.0, 4.0, 0.0]
    return found


@pytest.fixture
def simulation() -> Any:
    """Two replicas of 100 KV blocks for requests; four steps in three rows."""
    steps = np.zeros(3, dtype=STEP)
    steps["start_ns"], steps["end_ns"] = [0, 500_000_000, 1_000_000_000], [500_000_000, 900_000_000, 1_250_000_000]
    steps["count"], steps["replica"] = [1, 2, 1], [0, 0, 1]
    steps["prefill_tokens"], steps["decoders"] = [100, 0, 50], [0, 1, 2]
    steps["running"], steps["waiting"], steps["free_blocks"] = [1, 1, 2], [0, 0, 1], [93, 93, 60]
    samples = np.zeros(3, dtype=SAMPLE)
    samples["time_ns"], samples["free_blocks"] = [0, 1_000_000_000, 4_000_000_000], [200, 150, 200]
    samples["running"], samples["waiting"] = [0, 2, 0], [0, 1, 0]
    gaps = np.histogram([100_000_000] * 29, edges_ns())[0]
    fleet = Fleet((EngineOptions(num_blocks=101),), None, (0, 0))  # type: ignore[arg-type]
    busy, joules, run = np.array([3, 1]), np.array([9.0, 1.0]), np.array([3, 1])
    return Simulation(
        fleet=fleet,
        answered=_answered(),
        gaps=gaps,
        steps=steps,
        moves=np.zeros(0, dtype=TRANSFER),
        samples=samples,
        duration_ns=3_900_000_000,
        busy_ns=busy,
        joules=joules,
        steps_run=run,
        paid_ns=np.array([3_900_000_000] * 2),
        transfers=0,
        transfer_ns=0,
        transfer_wait_ns=0,
        restored=0,
        tokens_in=350,
        tokens_out=32,
    )


@pytest.fixture
def answer(simulation: Any) -> ServeSim:
    """One run with error bars of two metrics, asked at five requests per second."""
    tally = Tally(SLO)
    tally.add(simulation.answered)
    values = tally.values(Histogram(simulation.gaps, edges_ns()), 3.9) | occupancy(simulation)
    bounds = {"ttft_s.p50": Interval(0.4, 0.5, 1.2), "power_w": Interval(600.0, 700.0, 900.0)}
    done = Run(simulation, tally.spreads, values | _MONEY, bounds, basis="own", draws=16)
    question = {"model": "llama-3.1-8b", "on": "2x:h100", "trace": "some.csv"}
    return ServeSim(question, SLO, _ENGINE, 2, ("5",), (done,), notes=("a note",))
