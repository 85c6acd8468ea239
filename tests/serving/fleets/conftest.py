"""Small traces on small fleets, and what must hold at the end of every simulation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from silmark import chips, models, systems
from silmark.formats import Precision
from silmark.mapping import Plan
from silmark.serving import simulate as module
from silmark.serving.arguments import EngineArgs
from silmark.serving.kernel.state import State
from silmark.serving.replica import Replica, replica
from silmark.serving.simulate import Fleet, Simulation, simulate
from silmark.systems import Target
from silmark.workloads.requests import REQUEST, SEGMENT, Requests


@dataclass(frozen=True)
class Made:
    """A trace of our own: prompts of about 300 tokens, answers of about 40.

    prefixes: different beginnings that prompts share, 0 for none; turns: every second row follows the one before;
    named: where nothing is shared, every token has an id all the same.
    """

    size: int = 60
    rate: float = 120.0
    seed: int = 1
    prompt: int = 300
    output: int = 40
    prefixes: int = 0
    turns: bool = False
    named: bool = False
    name: str = "made"

    def chunks(self) -> Iterator[Requests]:
        random = np.random.default_rng(self.seed)
        rows = np.zeros(self.size, dtype=REQUEST)
        rows["arrival_ns"] = np.cumsum(random.exponential(1e9 / self.rate, self.size)).astype(np.int64)
        rows["delay_ns"] = -1
        rows["session"] = np.arange(self.size) % 7
        rows["made"] = -1
        rows["prompt"] = random.integers(self.prompt // 2, self.prompt * 3 // 2, self.size)
        rows["output"] = random.integers(self.output // 2, self.output * 3 // 2, self.size)
        if self.turns:
            rows["delay_ns"][1::2] = 1_000_000
        if not self.prefixes:
            yield with_ids(rows) if self.named else Requests.unshared(rows)
            return
        segments = np.zeros(2 * self.size, dtype=SEGMENT)
        common = np.minimum(rows["prompt"] // 2 + 60, rows["prompt"] - 1)
        segments["start"][0::2] = random.integers(0, self.prefixes, self.size) * 100_000
        segments["length"][0::2] = common
        segments["start"][1::2] = 10**9 + np.arange(self.size) * 10_000
        segments["length"][1::2] = rows["prompt"] - common
        yield Requests(rows, segments, np.arange(self.size + 1) * 2)


def with_ids(rows: NDArray[np.void]) -> Requests:
    """The same rows, each with ids of its own for its prompt and its answer."""
    rows = rows.copy()
    segments = np.zeros(rows.size, dtype=SEGMENT)
    segments["start"] = (1 + np.arange(rows.size)) << 40
    segments["length"] = rows["prompt"]
    rows["made"] = segments["start"] + rows["prompt"]
    return Requests(rows, segments, np.arange(rows.size + 1))


@cache
def one(blocks: int = 800, ahead: bool = False) -> Replica:
    """One small engine."""
    target = Target(chips.load("nvidia-h100-sxm5-80gb"), systems.usual(chips.load("nvidia-h100-sxm5-80gb")), 1)
    args = EngineArgs(
        max_num_seqs=32,
        max_num_batched_tokens=1024,
        max_model_len=2048,
        num_gpu_blocks=blocks,
        async_scheduling=ahead,
    )
    found = replica(models.load("llama-3.1-8b"), target, Plan(Precision.of("bf16")), args)
    assert isinstance(found, Replica)
    return found


def served(fleet: Fleet, trace: Made, monkeypatch: pytest.MonkeyPatch, *, one_by_one: bool = False) -> Simulation:
    """Sends a trace and checks that nothing is left behind: no request, no block, no account."""
    ended: list[State] = []
    result = module._result
    with monkeypatch.context() as patch:
        patch.setattr(module, "_result", lambda f, state, logs: ended.append(state) or result(f, state, logs))
        done = simulate(fleet, trace, one_by_one=one_by_one)
    state, count = ended[0], len(fleet.replicas)
    assert np.array_equal(np.sort(done.answered["name"]), np.arange(trace.size))
    engines = state.engines
    for name in ("running", "waiting", "away", "active", "load", "prefilling", "share", "flying"):
        assert not engines[name].any(), name
    assert np.array_equal(engines["free"], state.settings["usable"][engines["kind"]])
    assert state.totals["free_blocks"][0] == engines["free"][:count].sum()
    assert not state.blocks["refs"].any()
    for engine in engines:
        if state.settings["apart"][engine["kind"]]:
            _whole_list(state, engine)
    return done


def _whole_list(state: State, engine: np.void) -> None:
    """Every block stands in the free list of its engine once, and the digests know what they say."""
    seen, block = [], engine["head"]
    while block != -1:
        seen.append(int(block))
        block = state.blocks["after"][block]
    first, size = int(engine["first_block"]), int(state.settings["usable"][engine["kind"]])
    assert sorted(seen) == list(range(first, first + size))
    entries = state.entries[engine["first_entry"] : engine["first_entry"] + state.settings["entries"][engine["kind"]]]
    known = entries[entries >= 0]
    assert known.size == np.unique(state.blocks["digest"][known]).size
    assert np.isin(known, seen).all()


def same(one: Simulation, other: Simulation) -> None:
    """Both leave the same behind, joules up to rounding."""
    first, second = (np.sort(done.answered, order="name") for done in (one, other))
    for name in first.dtype.names or ():
        if name == "joules":
            assert first[name] == pytest.approx(second[name], rel=1e-9)
        else:
            assert np.array_equal(first[name], second[name]), name
    assert np.array_equal(one.gaps, other.gaps)
    assert np.array_equal(one.busy_ns, other.busy_ns)
    assert np.array_equal(one.paid_ns, other.paid_ns)
    assert (one.transfers, one.transfer_ns, one.restored) == (other.transfers, other.transfer_ns, other.restored)
