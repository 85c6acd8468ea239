"""SGLang's engines in fleets: they fail, prefill for vLLM's where prompts are worth it, and decode for each other.

These variants of the core take longer to compile than to interpret: a process without compiler runs the tests.
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
from silmark.serving.fleet_options import ON_FAULT, Fault, Led, Router, RouterName, Scores
from silmark.serving.fleets import Pool, fleet
from silmark.serving.kernel import prefixes, routers
from silmark.serving.kernel.state import State
from silmark.serving.records import DONE, LOST
from silmark.serving.replica import Replica
from silmark.serving.simulate import Simulation, simulate

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


def _sent_anew_or_lost(done: Simulation, on_fault: str) -> None:
    """Some requests met a fault, and only these may be lost."""
    touched = done.answered["retries"] > 0
    assert touched.any()
    assert (done.answered["status"][touched] == (LOST if on_fault == "lose" else DONE)).all()
    assert (done.answered["status"][~touched] == DONE).all()


@interpreted
@pytest.mark.parametrize("on_fault", ON_FAULT)
@pytest.mark.parametrize("ahead", [False, True])
def test_requests_of_a_failed_replica(on_fault: str, ahead: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their places are free again, the tree is empty, and they are served anew, with what users have seen or not."""
    led = Led(router=Router("least-requests"), faults=(DOWN,), on_fault=on_fault)  # type: ignore[arg-type]
    made, trace = fleet([Pool(_sglang(200, ahead), 2)], led), Made(rate=200.0, prefixes=4)
    done = served(made, trace, monkeypatch)
    same(done, served(made, trace, monkeypatch, one_by_one=True))
    _sent_anew_or_lost(done, on_fault)


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
    _sent_anew_or_lost(done, on_fault)
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


@interpreted
@pytest.mark.parametrize("policy", ["least-kv", "kv", "scores"])
@pytest.mark.parametrize("shared", [0, 3])
def test_routers_look_into_its_tree(policy: RouterName, shared: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """They see what is there when a request is sent, and leave it as it is."""
    trace, led = Made(prefixes=shared, turns=True), Led(router=Router(policy))
    three = fleet([Pool(_sglang(ahead=True), 3)], led)
    done = served(three, trace, monkeypatch)
    same(done, served(three, trace, monkeypatch, one_by_one=True))
    assert np.unique(done.answered["replica"]).size == 3
    alone = served(fleet([Pool(_sglang(140))], led), trace, monkeypatch)
    same(alone, served(fleet([Pool(_sglang(140))]), trace, monkeypatch))


@interpreted
@pytest.mark.parametrize("policy", ["kv", "scores"])
def test_what_routers_find_is_what_requests_then_have(policy: RouterName, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one request at a time, the best replica has as many tokens cached as the request starts with."""
    seen: list[tuple[int, int]] = []

    def find(state: State, replica: int, request: int) -> int:
        seen.append((int(state.live["name"][request]), prefixes.find(state, replica, request)))
        return seen[-1][1]

    monkeypatch.setattr(routers, "find", find)
    led = Led(router=Router(policy, overlap_credit=10.0, scores=Scores(prefix=100.0)))
    answered = np.sort(
        served(fleet([Pool(_sglang(), 3)], led), Made(rate=0.05, prefixes=4), monkeypatch).answered, order="name"
    )
    best = [max(pages for name, pages in seen if name == row) for row in answered["name"]]
    assert answered["cached"].tolist() == [16 * pages for pages in best]
    assert np.count_nonzero(answered["cached"]) > 50


@interpreted
def test_pools_of_its_own_behind_routers_that_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefills go where their prefix is; where requests are decoded there is none to be found."""
    led = Led(router=Router("kv"), prefill_router=Router("kv"))
    pools = _pools(140, ahead=True, reserved=64)
    pools[0] = replace(pools[0], count=2)
    trace = Made(rate=100.0, prefixes=2)
    done = served(fleet(pools, led), trace, monkeypatch)
    same(done, served(fleet(pools, led), trace, monkeypatch, one_by_one=True))
    turns = served(fleet(pools, Led()), trace, monkeypatch)
    assert done.answered["cached"].sum() > turns.answered["cached"].sum()
