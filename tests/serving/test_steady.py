"""Under constant load a simulation does what the steady state of `silmark estimate` says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import silmark
from silmark import models, systems
from silmark.api.single import asked_plan
from silmark.serving import times
from silmark.serving.arguments import EngineArgs
from silmark.serving.replica import Replica, replica
from silmark.serving.simulate import Fleet, simulate
from silmark.workloads import traces

PROMPT, OUTPUT = 512, 256


def engine(on: str, name: str, users: int, prompt: int) -> Replica:
    target = systems.target(on)
    plan = asked_plan(models.load(name), target, (None,) * 5, "default")
    found = replica(models.load(name), target, plan, EngineArgs(max_model_len=prompt + 2 * OUTPUT, max_num_seqs=users))
    assert isinstance(found, Replica)
    return found


def rate(found: Replica, users: int, prompt: int) -> float:
    """Output tokens per second of the middle half of a closed loop with answers of different lengths."""
    words = f"users:users={users},prompt={prompt},output={OUTPUT // 2}..{OUTPUT * 3 // 2},requests={16 * users}"
    clock = times.clock(found.step_model, found.options)
    answered = simulate(Fleet((found.options,), clock), traces.open(words)).answered
    ends = np.sort(answered["last_ns"])
    first, last = ends[ends.size // 4], ends[3 * ends.size // 4]
    inside = (answered["last_ns"] > first) & (answered["last_ns"] <= last)
    return float(answered["output"][inside].sum() / (last - first) * 1e9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("on", "name", "users"),
    [
        ("1x:nvidia-h100-sxm5-80gb", "llama-3.1-8b", 32),
        ("8x:nvidia-h100-sxm5-80gb", "llama-3.1-70b", 64),
        ("1x:google-tpu-v6e", "llama-3.1-8b", 16),
        ("1x:intel-gaudi-3-128gb", "llama-3.1-8b", 32),
        ("1x:amd-mi300x-192gb", "llama-3.1-70b", 32),
        ("etched-sohu", "llama-3.1-70b", 64),
    ],
)
def test_a_closed_loop_makes_tokens_as_fast_as_the_steady_state(on: str, name: str, users: int) -> None:
    found = engine(on, name, users, PROMPT)
    plan = found.step_model.plan
    said = silmark.estimate(
        name, on, batch=users, prompt=PROMPT, output=OUTPUT, ttft="none", tpot="none", tp=plan.tp, pp=plan.pp
    )
    steady = said.rows[0].estimate
    assert steady is not None
    assert rate(found, users, PROMPT) == pytest.approx(steady.tokens_per_s.mid, rel=0.06)


@pytest.mark.slow
def test_a_wafer_keeps_pace_with_its_longest_slice() -> None:
    """Slices of prompts cost what `estimate --chunk` says; long ones hold up the decodes behind them."""
    prompt, users = 512, 64
    found = engine("cs-3", "llama-3.1-8b", users, prompt)
    size = found.options.max_num_batched_tokens
    speeds = []
    for chunk in (None, size):
        said = silmark.estimate(
            "llama-3.1-8b", "cs-3", batch=users, prompt=prompt, output=OUTPUT, ttft="none", tpot="none", chunk=chunk
        )
        steady = said.rows[0].estimate
        assert steady is not None
        speeds.append(steady.tokens_per_s.mid)
    whole, sliced = speeds
    seen = rate(found, users, prompt)
    assert sliced < whole
    assert seen == pytest.approx(sliced, rel=0.2)
    longer = replace(found, options=replace(found.options, max_num_batched_tokens=128))
    assert rate(longer, users, prompt) < 0.6 * seen
