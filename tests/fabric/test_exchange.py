"""Dispatch and combine: laws, and DeepEP's published times and rates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark.calibration.exchange import CHIP, Exchange, reach
from silmark.chips import catalog
from silmark.fabric import Link, Reach, collective_time, exchange_figures, exchange_time, library_of
from silmark.fabric.exchange import low_latency, normal, ways

UP, OUT = Link("switch", 450e9, 1e-6), Link("fat-tree", 50e9, 5e-6)
payloads = st.floats(1e3, 1e10)
groups = st.sampled_from([2, 4, 8, 16, 32, 64, 256])
copies = st.floats(1.0, 10.0)


def members(group: int, up: Link = UP, out: Link = OUT) -> Reach:
    return Reach(group, min(group, 8), up, out)


@given(payloads, payloads, groups, copies)
def test_more_bytes_never_take_less_time(few: float, more: float, group: int, each: float) -> None:
    first, second = exchange_time(np.array([few, few + more]), each, members(group), "deepep")
    assert first <= second * (1 + 1e-12)


@given(payloads, groups, copies)
def test_a_library_never_makes_it_slower(payload: float, group: int, each: float) -> None:
    plain = exchange_time(payload, each, members(group))
    assert exchange_time(payload, each, members(group), "deepep") <= plain


@given(payloads, groups)
def test_never_faster_than_the_wires(payload: float, group: int) -> None:
    """One copy per token: what leaves the node over its network card."""
    one = members(group)
    away = payload * (1 - one.node / group) / OUT.bandwidth_bytes_per_s
    assert float(exchange_time(payload, 1.0, one, "deepep")) * (1 + 1e-9) >= away


@given(payloads, copies)
def test_one_chip_keeps_its_tokens(payload: float, each: float) -> None:
    assert float(exchange_time(payload, each, members(1), "deepep")) == 0.0


@given(payloads, st.sampled_from([16, 64, 256]), copies)
def test_the_network_counts_beyond_a_node(payload: float, group: int, each: float) -> None:
    """Inside a node its bandwidth is of no account."""
    slow = Link("fat-tree", 10e9, 5e-6)
    away = float(exchange_time(payload, each, members(group, out=slow), "deepep"))
    assert away >= float(exchange_time(payload, each, members(group), "deepep"))
    near = [float(exchange_time(payload, each, members(8, out=out), "deepep")) for out in (slow, OUT)]
    assert near[0] == near[1]


def test_a_token_goes_once_to_every_node_it_needs() -> None:
    """Eight choices among 64 chips of 8 nodes: 8 (1 - (7/8)^8) nodes; one copy each is less than eight."""
    units, chips = members(64).distinct(8.0)
    assert units == pytest.approx(8 * (1 - (7 / 8) ** 8))
    assert units < chips < 8
    payload, way = np.asarray(4096 * 7168 * 8.0), ways("deepep")["normal"]
    assert normal(way, payload, 8.0, members(64)) < low_latency(way, payload, members(64))


def test_without_a_library_it_is_an_all_to_all() -> None:
    payload = 1e7
    assert float(exchange_time(payload, 2.0, members(8))) == float(collective_time("all-to-all", payload, 8, UP))
    assert library_of("NVIDIA") == "deepep"
    assert library_of("AMD") == ""


# DeepEP's README (commits ebfe47e, 91bb69a), H800 with one 400 Gb/s card per chip: 128 tokens of 7168, eight experts
# each, low latency. All of them are in the fit; its own check is in data/calibration/exchange.toml (held_out).
@pytest.mark.parametrize(
    ("op", "group", "us"),
    [
        ("dispatch, NVLink", 8, 77), ("combine, NVLink", 8, 114), ("dispatch, NVLink", 16, 118),
        ("combine, NVLink", 16, 195), ("dispatch, NVLink", 64, 173), ("combine, NVLink", 64, 314),
        ("dispatch", 8, 163), ("combine", 8, 318), ("dispatch", 256, 194), ("combine", 256, 360),
    ],
)  # fmt: skip
def test_low_latency_exchanges_of_deepep(op: str, group: int, us: float) -> None:
    what = Exchange.of(f"DeepEP low-latency {op}", "128 tokens/batch, hidden 7168, top-8; groups column = EP size")
    took = low_latency(ways("deepep")["low_latency"], np.asarray(what.payload), reach(CHIP, group), what.wired)
    assert float(took) * 1e6 == pytest.approx(us, rel=0.1)


def test_normal_exchanges_reach_the_printed_rates() -> None:
    """153 and 158 GB/s over NVLink, 43 to 47 GB/s over the network."""
    found, chip = exchange_figures(), catalog.load(CHIP)
    up, out = (found[f"deepep.normal.share_{level}"] for level in ("up", "out"))
    assert 153e9 <= up.value * chip.si("link.scale_up.bandwidth") <= 158e9
    assert 43e9 <= out.value * reach(CHIP, 16).out.bandwidth_bytes_per_s <= 47e9
    assert found["deepep.normal.launch"].grade.name == "ASSUMED"
