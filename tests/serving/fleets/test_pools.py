"""Laws of pools that prefill and pools that decode, and of tiers below the cache."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from silmark.errors import BadValue
from silmark.serving.fleet_options import Led, Offload, Router
from silmark.serving.fleets import Pool, fleet
from silmark.serving.simulate import Fleet, simulate

from .conftest import Made, one, same, served


def split(led: Led | None = None, blocks: int = 800, ahead: bool = False, decode: int = 2) -> Fleet:
    found = one(blocks, ahead)
    return fleet([Pool(found, 1, "prefill"), Pool(found, decode, "decode")], led)


def slower(made: Fleet, factor: float) -> Fleet:
    """The fleet on a network that takes so many times as long."""
    assert made.control is not None
    links = made.control.links
    links = links._replace(body_ns=links.body_ns * factor, latency_ns=(links.latency_ns * factor).astype(np.int64))
    return replace(made, control=made.control._replace(links=links))


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("prefixes", [0, 3])
@pytest.mark.parametrize("blocks", [130, 800])
def test_running_steps_together_changes_nothing(
    ahead: bool, prefixes: int, blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, trace = split(None, blocks, ahead), Made(rate=200.0, prefixes=prefixes, turns=True)
    done = served(made, trace, monkeypatch)
    same(done, served(made, trace, monkeypatch, one_by_one=True))
    assert done.transfers == trace.size
    assert done.tokens_out == done.answered["output"].sum()


def test_the_prefill_pool_prefills_and_the_other_decodes() -> None:
    done = simulate(split(), Made(), timeline=True)
    here = done.steps["replica"] == 0
    assert not done.steps["decoders"][here].any()
    assert done.steps["prefill_tokens"][~here].sum() == done.answered.size  # the last token of each prompt
    assert set(done.answered["replica"]) == {1, 2}
    moves = done.moves
    assert moves.size == done.transfers == done.answered.size
    assert (moves["asked_ns"] <= moves["start_ns"]).all()
    assert (moves["end_ns"] - moves["start_ns"]).sum() == done.transfer_ns
    assert (moves["start_ns"] - moves["asked_ns"]).sum() == done.transfer_wait_ns
    answered = dict(zip(done.answered["name"], done.answered["replica"], strict=True))
    assert [answered[name] for name in moves["name"]] == moves["target"].tolist()
    assert not simulate(split(), Made()).moves.size


def test_an_endless_network_costs_one_step_more_than_none() -> None:
    """Alone, a request waits for its prefill, no transfer, and a step for its last token."""
    trace = Made(size=10, rate=0.5)
    together = simulate(fleet([Pool(one())]), trace).answered
    apart = simulate(slower(split(), 0.0), trace).answered
    waits = [
        np.sort(done, order="name")["first_ns"] - np.sort(done, order="name")["arrival_ns"]
        for done in (together, apart)
    ]
    step = ((together["last_ns"] - together["first_ns"]) / (together["output"] - 1)).max()
    assert (waits[1] > waits[0]).all()
    assert (waits[1] - waits[0] < 2.0 * step).all()


def test_slower_networks_delay_first_tokens_only() -> None:
    trace = Made(size=30, rate=2.0)
    fast, slow = (np.sort(simulate(slower(split(), f), trace).answered, order="name") for f in (1.0, 50.0))
    assert (slow["first_ns"] > fast["first_ns"]).all()
    assert (slow["last_ns"] - slow["first_ns"]).mean() == pytest.approx(
        (fast["last_ns"] - fast["first_ns"]).mean(), rel=0.05
    )


def test_transfers_wait_for_a_port() -> None:
    made, trace = slower(split(), 100.0), Made(rate=500.0)
    done = simulate(made, trace)
    arrived = np.sort(done.answered["first_ns"])
    assert done.transfer_wait_ns > 0
    assert np.diff(arrived).min() >= 0
    assert arrived[-1] >= done.transfer_ns - trace.size * made.control.links.latency_ns[0]  # type: ignore[union-attr]


def test_short_prompts_stay_with_the_decode_pool() -> None:
    done = simulate(split(Led(non_cached_tokens=300)), Made())
    answered = np.sort(done.answered, order="name")
    assert done.transfers == (answered["prompt"] >= 300).sum()


def test_what_the_decode_pool_has_cached_stays_there() -> None:
    led = Led(router=Router("kv"), prefill_router=Router("kv"), non_cached_tokens=200)
    assert simulate(split(led), Made(prefixes=2)).transfers < 0.5 * simulate(split(led), Made()).transfers


def test_pools_must_fit_together() -> None:
    with pytest.raises(BadValue, match="pools"):
        fleet([Pool(one(), 1, "prefill")])
    with pytest.raises(BadValue, match="pools"):
        fleet([Pool(one(), 1, "both"), Pool(one(), 1, "decode")])


@pytest.mark.parametrize("restore", ["always", "faster"])
def test_a_tier_brings_back_what_the_cache_lost(restore: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Made(size=120, rate=60.0, prefixes=12)
    below = fleet([Pool(one(130))], Led(offload=Offload(restore=restore)))  # type: ignore[arg-type]
    done = served(below, trace, monkeypatch)
    same(done, served(below, trace, monkeypatch, one_by_one=True))
    without = simulate(fleet([Pool(one(130))]), trace)
    assert done.restored > 0 == without.restored
    assert done.tokens_in < without.tokens_in


def test_a_tiny_tier_keeps_less(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Made(size=120, rate=60.0, prefixes=12)
    small = fleet([Pool(one(130))], Led(offload=Offload(capacity_bytes=5e7)))
    large = fleet([Pool(one(130))], Led(offload=Offload()))
    assert served(small, trace, monkeypatch).restored < served(large, trace, monkeypatch).restored


def test_a_tier_must_be_there() -> None:
    with pytest.raises(BadValue, match="host"):
        fleet([Pool(one())], Led(offload=Offload("moon")))
