"""SGLang's engines in fleets: they fail, and prefill for vLLM's where prompts are worth it.

These variants of the core take minutes to compile and seconds to interpret: a process without compiler runs the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numba
import pytest

from silmark.errors import BadValue
from silmark.serving.fleet_options import ON_FAULT, Fault, Led, Router
from silmark.serving.fleets import Pool, fleet
from silmark.serving.records import DONE, LOST
from silmark.serving.replica import Replica

from .conftest import Made, one, same, served

DOWN = Fault("down", 0.1, 0.25, 0)
interpreted = pytest.mark.skipif(not numba.config.DISABLE_JIT, reason="run by test_all_of_them_interpreted")


@pytest.mark.slow
@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="this is that process")
def test_all_of_them_interpreted() -> None:
    options = ("-p", "no:cacheprovider", "-W", "ignore:overflow:RuntimeWarning")  # hashes wrap around
    command = [sys.executable, "-m", "pytest", *options, __file__]
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    ran = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout


def _sglang(blocks: int = 800, ahead: bool = False) -> Replica:
    found = one(blocks, ahead)
    return replace(found, options=replace(found.options, policy="sglang"))


@interpreted
@pytest.mark.parametrize("on_fault", ON_FAULT)
@pytest.mark.parametrize("ahead", [False, True])
def test_requests_of_a_failed_replica(on_fault: str, ahead: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their places are free again, the tree is empty, and they are served anew, with what users have seen or not."""
    led = Led(router=Router("least-requests"), faults=(DOWN,), on_fault=on_fault)  # type: ignore[arg-type]
    made, trace = fleet([Pool(_sglang(200, ahead), 2)], led), Made(rate=200.0, prefixes=4)
    done = served(made, trace, monkeypatch)
    same(done, served(made, trace, monkeypatch, one_by_one=True))
    touched = done.answered["retries"] > 0
    assert touched.any()
    assert (done.answered["status"][touched] == (LOST if on_fault == "lose" else DONE)).all()
    assert (done.answered["status"][~touched] == DONE).all()


@interpreted
def test_short_prompts_stay_with_the_pool_that_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cached is looked for where vLLM decodes, so SGLang may prefill what is left."""
    pools = [Pool(_sglang(), 1, "prefill"), Pool(one(), 2, "decode")]
    trace = Made()
    every = served(fleet(pools, Led()), trace, monkeypatch)
    some = served(fleet(pools, Led(router=Router("kv"), non_cached_tokens=300, faults=(DOWN,))), trace, monkeypatch)
    assert 0 < some.transfers < every.transfers
    assert (some.answered["status"] == DONE).all()


def test_its_tree_is_not_looked_into() -> None:
    pools = [Pool(_sglang(), 1, "prefill"), Pool(one(), 1, "decode")]
    with pytest.raises(BadValue, match="its tree is not looked into"):
        fleet(pools, Led(prefill_router=Router("kv")))
    with pytest.raises(BadValue, match="its tree is not looked into"):
        fleet([Pool(_sglang(), 2)], Led(router=Router("scores")))
