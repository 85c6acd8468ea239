"""Laws of wires: what must hold for any length, part and rate."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark.fabric.physical import Wire, medium, names, part, technology, train, wire
from silmark.fabric.physical.memory import (
    average_access_s,
    gather_speedup,
    interleave_share,
    interleaved_bandwidth,
    slowdown,
)

BOARDS = ("board-fr4", "board-low-loss", "board-ultra-low-loss", "twinax-26awg")
RETIMERS = tuple(name for name in names("parts") if part(name).kind == "retimer")
ORDER = {"pcie-3": 3, "pcie-4": 4, "pcie-5": 5, "pcie-6": 6, "pcie-7": 7}

lengths = st.floats(0.0, 3.0)
wires = st.builds(
    lambda generation, board, length, connectors, vias: Wire(
        technology(generation), 16, medium(board), length, connectors, vias
    ),
    st.sampled_from(sorted(ORDER)),
    st.sampled_from(BOARDS),
    lengths,
    st.integers(0, 4),
    st.integers(0, 10),
)


def generation(found: wire.Training) -> int:
    return 0 if found.lost else ORDER[found.wire.technology.id]


@given(wires, st.sampled_from(RETIMERS), st.integers(0, 1))
def test_a_retimer_at_the_same_trained_rate_never_lowers_latency(bare: Wire, name: str, fitted: int) -> None:
    before = train(replace(bare, retimers=(part(name),) * fitted))
    after = train(replace(bare, retimers=(part(name),) * (fitted + 1)))
    if generation(before) == generation(after) > 0:
        assert wire.latency_s(after.wire).mid > wire.latency_s(before.wire).mid
        assert wire.power_w(after.wire).mid > wire.power_w(before.wire).mid


@given(wires, lengths)
def test_a_longer_board_loses_more_and_never_trains_faster(bare: Wire, longer: float) -> None:
    other = replace(bare, length_m=bare.length_m + longer)
    one, two = wire.loss_db(bare), wire.loss_db(other)
    assert one is not None
    assert two is not None
    assert one.low <= one.mid <= one.high
    assert two.mid >= one.mid
    assert generation(train(other)) <= generation(train(bare))


@given(wires)
def test_as_many_retimers_as_are_needed_close_the_channel(bare: Wire) -> None:
    needed = wire.judged(bare).needed
    for one in (part(name) for name in RETIMERS if bare.technology.id in part(name).links):
        if needed is None:  # unless its receivers bear more than the specification asks
            most = wire.judged(replace(bare, retimers=(one,) * wire.MOST_RETIMERS))
            assert most.lost or one.si("budget.restored") > bare.technology.si("budget.loss")
            continue
        assert not wire.judged(replace(bare, retimers=(one,) * needed)).lost
        if needed:
            assert wire.judged(replace(bare, retimers=(one,) * (needed - 1))).lost


@given(st.sampled_from(("dac", "aec", "aoc")), st.floats(1.0, 199.0), st.floats(0.0, 100.0))
def test_faster_lanes_never_reach_farther(name: str, rate: float, more: float) -> None:
    assert medium(name).reach(rate + more) <= medium(name).reach(rate) + 1e-9


@given(st.floats(1e9, 1e12), st.floats(1e9, 1e12), st.floats(0.01, 0.99))
def test_no_interleaving_beats_the_share_of_bandwidths(near: float, far: float, other: float) -> None:
    best = interleaved_bandwidth(near, far, interleave_share(near, far))
    assert best == pytest.approx(near + far)
    assert interleaved_bandwidth(near, far, other) <= best * (1 + 1e-9)


@given(st.floats(0, 1), st.floats(1e-8, 1e-6), st.floats(1.0, 10.0), st.floats(0, 1))
def test_slower_memory_never_helps(share: float, near_s: float, ratio: float, overlap: float) -> None:
    far_s = near_s * ratio
    assert near_s * (1 - 1e-9) <= average_access_s(share, near_s, far_s) <= far_s * (1 + 1e-9)
    assert slowdown(share, near_s, far_s, overlap) >= 1 - 1e-9


@given(st.floats(1.0, 10.0), st.floats(0, 1))
def test_more_bandwidth_never_hurts_and_never_helps_more_than_itself(ratio: float, share: float) -> None:
    assert 1 - 1e-9 <= gather_speedup(ratio, share) <= ratio * (1 + 1e-9)
