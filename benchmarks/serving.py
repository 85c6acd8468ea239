"""How fast requests are simulated, per CPU second of one core, and a peer beside it in the same run.

The load: Llama-3.1-70B on eight H100 under vLLM's scheduler: Poisson arrivals, prompts of 512 to 1,536 tokens,
answers of 128 to 384. Rates are shares of what the system answers when all requests come at once. Error bars are left
out where not said otherwise: each draw costs as much again.

The peer is inference-lab, compiled to WebAssembly (`npm install @doublewordai/inference-lab`): it is timed where
SILMARK_PEER_NPM names the folder of that installation, on the same number of requests, mean rate and lengths; elsewhere
figures of an earlier run are cited. Only its time is taken: what it answers is thrown away.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import silmark
from silmark.api.trace import opened
from silmark.errors import SilmarkError
from silmark.serving.arguments import EngineArgs
from silmark.serving.replica import Replica, replica
from silmark.serving.simulate import Fleet, simulate
from silmark.serving.times import clock
from silmark.workloads.requests import Trace

PEER = "SILMARK_PEER_NPM"
_MODEL, _ON = "llama-3.1-70b", "8x:nvidia-h100-sxm5-80gb"
_LENGTHS = "prompt=512..1536,output=128..384"
_CITED = {2_000: 2640.0, 20_000: 452.0}
"""Requests per CPU second of inference-lab in an earlier run, by requests."""
_CAPACITY = ("capacity", _MODEL, "--on", _ON, "--trace", f"poisson:{_LENGTHS}", "--slo", "ttft:1s,tpot:50ms")


def load(requests: int, rate: float | str) -> Trace:
    """Requests of the benchmark."""
    return opened(f"poisson:{_LENGTHS},requests={requests}", rate=str(rate))


def engine() -> Replica:
    """The engine on its eight chips."""
    model = silmark.estimate(_MODEL, _ON, tp=8).step_model
    assert model is not None
    found = replica(model.model, model.target, model.plan, EngineArgs())
    assert isinstance(found, Replica)
    return found


def fleet(replicas: int = 1) -> Fleet:
    """So many of them."""
    found = engine()
    return Fleet((found.options,), clock(found.step_model, found.options), (0,) * replicas)


def seconds(who: Fleet, trace: Trace, repeats: int = 3) -> float:
    """Least CPU time of several runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        simulate(who, trace)
        times.append(time.process_time() - start)
    return min(times)


def most(who: Fleet) -> float:
    """Requests per second that it answers when all come at once."""
    done = simulate(who, load(5_000, "inf"))
    return 5_000e9 / done.duration_ns


def loads(who: Fleet, answered: float) -> list[tuple[str, str, str]]:
    """20,000 requests at little load, at 80 % and at more than can be answered."""
    rows = []
    for label, share in (("10 % load", 0.1), ("80 % load", 0.8), ("overload (120 %)", 1.2)):
        spent = seconds(who, load(20_000, share * answered))
        rows.append((f"requests simulated per CPU second, 20,000 at {label}", f"{20_000 / spent:,.0f}", "-"))
    other = [f"{peer(count, 0.8 * answered)} on {count:,}" for count in (2_000, 20_000)]
    label, here, _ = rows[1]
    rows[1] = (label, here, f"inference-lab: {', '.join(other)}; 270 (Vidur, cited)")
    return rows


def million(answered: float) -> tuple[str, str, str]:
    """A million requests in a process of its own: time per request, and the memory that it takes."""
    words = [sys.executable, __file__, str(0.8 * answered)]
    found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    said = f"{1e6 / found['cpu_s']:,.0f}, peak memory {found['peak_bytes'] / 1e6:,.0f} MB"
    return "the same, 1,000,000 at 80 % load, streamed", said, "-"


def recorded(answered: float) -> tuple[str, str, str]:
    """An hour of real requests on a hundred replicas; lengths of the benchmark where that trace is not there."""
    rate = 0.8 * answered * 100
    try:
        trace, name = opened("azure-conv", rate=str(rate)), "Azure conversation trace, 19,366 requests"
    except SilmarkError:
        trace, name = load(19_366, rate), "19,366 Poisson requests"
    who = fleet(100)
    simulate(who, trace)
    return f"{name}, on 100 replicas at {rate:,.0f} requests/s, CPU", f"{seconds(who, trace):.2f} s", "-"


def typed() -> tuple[str, str, str]:
    """The capacity of the system as a person asks for it, error bar included; caches warm."""
    words = [sys.executable, "-m", "silmark", *_CAPACITY]
    times = []
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(words, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return "silmark capacity, Llama-3.1-70B on 8 H100, as typed, CPU", f"{min(times[1:]):.1f} s", "-"


def peer(requests: int, rate: float) -> str:
    """Requests per CPU second of inference-lab on such a load, measured or cited."""
    folder = os.environ.get(PEER)
    if not folder:
        return f"{_CITED[requests]:,.0f} (cited)"
    found = engine()
    chip, model = found.step_model.target.chip, found.step_model.model
    question = {
        "hardware": {
            "name": _ON,
            "compute_flops": 8 * chip.si("peak.bf16"),
            "memory_bandwidth": 8 * chip.si("memory.main.bandwidth"),
            "memory_capacity": int(8 * chip.si("memory.main.capacity")),
            "kv_cache_capacity": int(8 * found.options.num_blocks * found.blocks.bytes_),
            "gpu_memory_utilization": 0.92,
            "bytes_per_param": 2,
        },
        "model": {
            "name": model.name,
            "num_parameters": 70_553_706_496,
            "num_active_parameters": 70_553_706_496,
            "num_layers": model.layer_count,
            "hidden_dim": model.hidden,
            "num_heads": 64,
            "num_kv_heads": 8,
            "max_seq_len": found.options.max_model_len,
        },
        "scheduler": {
            "max_num_batched_tokens": found.options.max_num_batched_tokens,
            "max_num_seqs": found.options.max_num_seqs,
            "policy": "fcfs",
            "enable_chunked_prefill": True,
            "long_prefill_token_threshold": 0,
            "max_num_partial_prefills": found.options.max_num_seqs,
            "block_size": found.options.block_size,
        },
        "workload": {
            "arrival_pattern": "poisson",
            "arrival_rate": rate,
            "input_len_dist": {"type": "uniform", "min": 512, "max": 1536},
            "output_len_dist": {"type": "uniform", "min": 128, "max": 384},
            "num_requests": requests,
            "seed": 0,
        },
        "simulation": {"log_interval": 1_000_000_000},
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(question, file)
        file.flush()
        script = Path(__file__).with_name("serving_peer.mjs")
        run = subprocess.run(["node", script, folder, file.name], check=True, capture_output=True, text=True)
    return f"{requests / json.loads(run.stdout)['cpu_s']:,.0f} (same run)"


def rows() -> list[tuple[str, str, str]]:
    """The lines of docs/speed.md."""
    who = fleet()
    answered = most(who)
    return [*loads(who, answered), million(answered), recorded(answered), typed()]


if __name__ == "__main__" and len(sys.argv) == 2:
    measured = fleet()
    simulate(measured, load(1_000, 1.0))
    begin = time.process_time()
    simulate(measured, load(1_000_000, float(sys.argv[1])))
    print(
        json.dumps(
            {
                "cpu_s": time.process_time() - begin,
                "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            }
        )
    )
elif __name__ == "__main__":
    for line in rows():
        print(*line, sep=" | ")
