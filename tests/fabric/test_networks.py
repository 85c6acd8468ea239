"""What a system's file says of the network between its units, and what a stranger's file may not."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.chips import catalog as chips
from silmark.errors import BadFile, SilmarkError
from silmark.fabric import group_time
from silmark.figures.tables import packaged
from silmark.systems import Target
from silmark.systems.catalog import parse

PATH = Path("mine.toml")


def figure(value: object, unit: str = "1") -> dict[str, Any]:
    return {"value": value, "unit": unit, "source": "silmark-assumption", "grade": "assumed"}


def network(**keys: Any) -> Target:
    table = copy.deepcopy(packaged("systems")["hgx-h100-8"])
    table["scale_out"].pop("leaf_ports")
    table["scale_out"] |= {"topology": "fat-tree"} | keys
    return Target(chips.load("h100"), parse(PATH, table), 512)


def seconds(target: Target, pattern: str = "all-to-all", group: int = 512) -> float:
    return float(group_time(pattern, 1e9, target.reach(group)))


def test_oversubscription_slows_direct_messages_most() -> None:
    plain, tapered = network(), network(oversubscription=figure(2))
    assert seconds(tapered) == pytest.approx(2 * seconds(plain), rel=0.01)
    leaves = {
        ports: network(oversubscription=figure(2), leaf_ports=figure(ports), topology="rail") for ports in (48, 64)
    }
    assert seconds(leaves[64]) == pytest.approx(seconds(plain)), "all 64 nodes lie below the leaves of their rails"
    assert seconds(plain) <= seconds(leaves[48]) < seconds(tapered)
    ring = seconds(network(oversubscription=figure(2), leaf_ports=figure(32)), "all-gather")
    assert ring == pytest.approx(seconds(plain, "all-gather"), rel=1e-6), "of four nodes below a leaf one ring leaves"


def test_rails_lie_below_one_leaf_where_a_fat_tree_needs_a_spine() -> None:
    shared = {"leaf_ports": figure(32), "hop_latency": figure(0.5, "us")}
    rail, tree = network(topology="rail", **shared), network(topology="fat-tree", **shared)
    assert rail.reach(256).out.latency_s == pytest.approx(5.0e-6)
    assert tree.reach(256).out.latency_s == pytest.approx(5.5e-6)
    assert tree.reach(32).out.latency_s == pytest.approx(5.0e-6), "four nodes share a leaf"


def test_networks_add_only_where_the_file_says_so() -> None:
    assert not network().reach(512).out.in_network_reduction
    assert seconds(network(in_network_reduction=True), "all-reduce") < seconds(network(), "all-reduce")


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        ("topology", "hypercube"),
        ("topology", ["rail"]),
        ("in_network_reduction", "yes"),
        ("oversubscription", figure(0.5)),
        ("oversubscription", figure(0)),
        ("oversubscription", figure(10**9)),
        ("leaf_ports", figure(1)),
        ("leaf_ports", 32),
        ("hop_latency", figure(-1, "us")),
        ("hop_latency", figure(1, "GB/s")),
    ],
)
def test_wrong_networks_are_refused(key: str, wrong: object) -> None:
    with pytest.raises(BadFile, match=r"mine\.toml"):
        network(**{key: wrong})


@settings(max_examples=150)
@given(
    st.sampled_from(["topology", "in_network_reduction", "oversubscription", "leaf_ports", "hop_latency", "bandwidth"]),
    st.one_of(
        st.text(max_size=8),
        st.booleans(),
        st.integers(-(10**20), 10**20),
        st.floats(),
        st.builds(figure, st.one_of(st.floats(), st.integers(-3, 10**9)), st.sampled_from(["1", "us", "GB/s", "?"])),
    ),
)
def test_any_value_is_an_answer_or_a_sentence(key: str, value: object) -> None:
    try:
        found = seconds(network(**{key: value}), "all-reduce", 64)
    except SilmarkError:
        return
    assert found > 0
