"""What vendors, standards and papers say of links, retimers, cables and CXL memory, against the model.

Nothing here was fitted to these points; where the model is off it says by how much and why.
"""

from __future__ import annotations

import pytest

from silmark import systems
from silmark.fabric.physical import Wire, medium, part, technology, wire
from silmark.fabric.physical.memory import gather_speedup


def test_pcie_5_leaves_16_of_36_db_for_the_board() -> None:
    """Astera Labs: 36 dB at 32 GT/s in all, 16 dB for the system board after package, card and connector."""
    link = technology("pcie-5")
    card = Wire(link, 16, medium("board-low-loss"), 0.0, connectors=1)
    spent = wire.loss_db(card)
    assert spent is not None
    assert link.si("budget.loss") == 36
    assert link.si("budget.loss") - spent.mid == pytest.approx(16)


@pytest.mark.parametrize("name", ["astera-aries-5", "astera-aries-6"])
def test_a_retimer_adds_less_than_10_ns(name: str) -> None:
    """Astera Labs: below 10 ns in the low-latency mode; 10 stands for the bound."""
    bare = Wire(technology("pcie-5"), 16, medium("board-low-loss"), 0.4, connectors=2)
    fitted = Wire(technology("pcie-5"), 16, medium("board-low-loss"), 0.4, connectors=2, retimers=(part(name),))
    assert wire.latency_s(fitted).mid - wire.latency_s(bare).mid <= 10e-9 * (1 + 1e-9)


def test_aries_6_bears_40_db_and_takes_11_w() -> None:
    """nxfabric, 2024-05: up to 40 dB at 64 GT/s, 11 W for 16 lanes."""
    link = Wire(technology("pcie-6"), 16, medium("board-low-loss"), 0.4, retimers=(part("astera-aries-6"),))
    assert part("astera-aries-6").si("budget.restored") == 40
    assert wire.power_w(link).mid == pytest.approx(11)


def test_aries_6_triples_the_reach_on_a_board() -> None:
    """nxfabric, 2024-05: up to three times; what a PCIe 6.0 channel leaves for the board, twice the whole budget."""
    link = technology("pcie-6")
    spent = wire.loss_db(Wire(link, 16, medium("board-low-loss"), 0.0, connectors=1))
    assert spent is not None
    bare, fitted = (wire.allowed_db(link, retimers) - spent.mid for retimers in ((), (part("astera-aries-6"),)))
    assert 3 / 1.3 <= fitted / bare <= 3 * 1.3


def test_scorpio_x_carries_5_12_tb_s() -> None:
    """320 lanes of 64 GT/s, both directions, raw."""
    switch = part("astera-scorpio-x")
    raw = switch.si("lanes") * technology("pcie-6").si("lane.rate") * 2
    assert raw == pytest.approx(switch.si("bandwidth.total"))


def test_pcie_payload_follows_from_packets() -> None:
    """256 bytes in packets of 280, 3 % of acknowledgements: 55.9 GB/s, 0.8 % above the 55.43 of nvbandwidth (H200)."""
    assert technology("pcie-5").payload(16) == pytest.approx(55.43e9, rel=0.02)


@pytest.mark.parametrize(("name", "gb_s"), [("pcie-4", 31), ("pcie-5", 63), ("pcie-6", 121), ("pcie-7", 242)])
def test_x16_as_it_is_listed(name: str, gb_s: float) -> None:
    """stas00/ml-engineering, network: effective x16, one direction."""
    assert technology(name).bandwidth(16) == pytest.approx(gb_s * 1e9, rel=0.02)


@pytest.mark.parametrize(("ghz", "low", "high"), [(13.3, 18, 22), (26.6, 26, 32)])
def test_five_metres_of_26_awg(ghz: float, low: float, high: float) -> None:
    """Losses of another source than the one that the cable's figures are from, at 26.6 GBd and 53 GBd."""
    lost = medium("twinax-26awg").loss(ghz * 1e9, 5.0)
    assert lost is not None
    assert 0.9 * low <= lost <= 1.1 * high


def test_memory_behind_leo_answers_within_what_devices_were_measured_at() -> None:
    """Melody (arXiv:2409.14317): four CXL devices from 140 to 410 ns; ours is composed of host, links, controller."""
    tier = systems.target("hgx-h100-8-leo").tiers()["cxl"]
    figure = tier.figures["system.memory.cxl.latency"]
    assert 140e-9 <= figure.low <= figure.value <= figure.high <= 410e-9


def test_leo_on_recommendation_models() -> None:
    """Astera Labs: 66 % more bandwidth makes DLRM inference 1.73 times as fast.

    A program that only gathers cannot gain more than the bandwidth: 1.66, 4 % less than claimed. What is missing is
    not bandwidth but capacity: 133 % more of it keeps tables local that were remote before, which no number that
    was published lets us count.
    """
    assert gather_speedup(1.66) == pytest.approx(1.66)
    assert gather_speedup(1.66) / 1.73 == pytest.approx(0.96, abs=0.01)


@pytest.mark.parametrize(("name", "metres"), [("dac", 2.0), ("aec", 5.0), ("aoc", 100.0)])
def test_cables_reach_what_is_sold_at_800g(name: str, metres: float) -> None:
    """YD Fiber Optic: DAC to 2 m, AEC 2 to 7 m, AOC 2 to 100 m at 800 Gbit/s."""
    assert medium(name).reach(technology("ethernet-800g").lane_gbit_s()) == pytest.approx(metres)


def test_power_of_active_copper_and_optics_at_800g() -> None:
    """A mixed-signal retimer takes 3 W per end (Electronic Design); optics more than any active copper."""
    link = technology("ethernet-800g")
    mixed = Wire(link, 8, medium("aec"), 3.0, cable=part("generic-aec-800"), card=False)
    optics = Wire(link, 8, medium("aoc"), 3.0, card=False)
    assert wire.power_w(mixed).mid == pytest.approx(2 * 3.0)
    assert wire.power_w(optics).mid > wire.power_w(mixed).mid
