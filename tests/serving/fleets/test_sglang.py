"""SGLang's engines in fleets: they fail, prefill for vLLM's where prompts are worth it, and decode for each other.

These variants of the core take minutes to compile and seconds to interpret: a process without compiler runs the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numba
import numpy as np
import pytest

from silmark.errors import BadValue
from silmark.serving.fleet_options import ON_FAULT, Fault, Led, Router
from silmark.serving.fleets import Pool, fleet
from silmark.serving.records import DONE, LOST
from silmark.serving.replica import Replica
from silmark.serving.simulate import simulate

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


def _pools(blocks: int = 800, ahead: bool = False, reserved: int = 512, decode: int = 2) -> list[Pool]:
    """A pool that prefills and one that decodes, with so many blocks and tokens reserved."""
    found = _sglang(800, ahead)
    found = replace(found, options=replace(found.options, num_blocks=blocks, num_reserved_decode_tokens=reserved))
    return [Pool(_sglang(800, ahead), 1, "prefill"), Pool(found, decode, "decode")]


@interpreted
@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize(("blocks", "reserved"), [(800, 512), (140, 512), (60, 8)])
def test_its_pools_share_the_work(blocks: int, reserved: int, ahead: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every token is made once, nothing is computed twice where it is decoded, and no page is left behind."""
    made, trace = fleet(_pools(blocks, ahead, reserved)), Made(rate=200.0, prefixes=3, turns=True)
    done = served(made, trace, monkeypatch)
    same(done, served(made, trace, monkeypatch, one_by_one=True))
    assert (done.answered["status"] == DONE).all()
    assert done.transfers == trace.size
    assert done.tokens_out == done.answered["output"].sum()
    assert done.answered["preemptions"].any() == (reserved == 8)
    steps = simulate(made, trace, timeline=True).steps
    assert not steps["prefill_tokens"][steps["replica"] > 0].any()
    assert not steps["decoders"][steps["replica"] == 0].any()


@interpreted
@pytest.mark.parametrize("on_fault", ON_FAULT)
@pytest.mark.parametrize("replica", [0, 1])
@pytest.mark.parametrize("blocks", [60, 800])
def test_either_pool_fails(on_fault: str, replica: int, blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefills that had not begun, prompts and KV on their way, and answers: all are sent anew or given up."""
    led = Led(router=Router("least-requests"), faults=(Fault("down", 0.1, 0.25, replica),), on_fault=on_fault)  # type: ignore[arg-type]
    made, trace = fleet(_pools(blocks, reserved=8), led), Made(rate=400.0)
    done = served(made, trace, monkeypatch)
    same(done, served(made, trace, monkeypatch, one_by_one=True))
    touched = done.answered["retries"] > 0
    assert touched.any()
    assert (done.answered["status"][touched] == (LOST if on_fault == "lose" else DONE)).all()
    assert (done.answered["status"][~touched] == DONE).all()
    assert done.tokens_out >= done.answered["output"].sum()


@interpreted
def test_a_prompt_waits_for_room_where_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its prefill begins when its pages are taken: more reserved tokens delay first tokens, not what follows."""
    some, more = (served(fleet(_pools(140, reserved=r)), Made(rate=400.0), monkeypatch) for r in (64, 512))
    for name, least in (("scheduled_ns", 1.5), ("first_ns", 1.5)):
        waits = [(one.answered[name] - one.answered["arrival_ns"]).mean() for one in (some, more)]
        assert waits[1] > least * waits[0]


@interpreted
def test_the_first_token_comes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, a request waits for its prefill and the transfer, and decodes one token less than it makes."""
    trace = Made(size=10, rate=0.05)
    alone = served(fleet([Pool(_sglang(), 1)]), trace, monkeypatch)
    apart = served(fleet(_pools(decode=1)), trace, monkeypatch)
    later = np.sort(apart.answered, order="name")["first_ns"] - np.sort(alone.answered, order="name")["first_ns"]
    assert later.sum() == apart.transfer_ns + trace.size  # prefills are handed over a nanosecond later
    assert apart.busy_ns.sum() == pytest.approx(alone.busy_ns.sum(), rel=1e-6)


def test_pools_that_cannot_work_together() -> None:
    prefill, decode = _pools()
    with pytest.raises(BadValue, match="cannot prefill"):
        fleet([prefill, decode], Led(non_cached_tokens=100))
    with pytest.raises(BadValue, match="prefills for SGLang"):
        fleet([Pool(one(), 1, "prefill"), decode])
    other = replace(one(), options=replace(one().options, policy="trtllm"))
    with pytest.raises(BadValue, match="vllm or sglang"):
        fleet([prefill, Pool(other, 1, "decode")])


def test_its_tree_is_not_looked_into() -> None:
    pools = [Pool(_sglang(), 1, "prefill"), Pool(one(), 1, "decode")]
    with pytest.raises(BadValue, match="its tree is not looked into"):
        fleet(pools, Led(prefill_router=Router("kv")))
    with pytest.raises(BadValue, match="its tree is not looked into"):
        fleet([Pool(_sglang(), 2)], Led(router=Router("scores")))
