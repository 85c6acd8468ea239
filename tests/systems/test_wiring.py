"""Wired units: what their links give, what is refused, and what is left without some parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import silmark
from silmark import systems
from silmark.errors import BadFile, BadValue, SilmarkError
from silmark.systems.without import without

Own = Callable[..., str]


def test_the_wiring_gives_what_the_file_does_not(box: str) -> None:
    target = systems.target(box)
    up, out = target.link("up"), target.link("out")
    assert up.bandwidth_bytes_per_s == pytest.approx(63.0e9, rel=1e-3)
    assert out.bandwidth_bytes_per_s == pytest.approx(2 * 50e9 / 8)
    assert up.latency_s > 2e-6  # NCCL's step over PCIe, and retimers
    assert target.system.figures["scale_up.bandwidth"].source == "system-wiring"


def test_what_the_file_gives_stands(box_toml: str, own_file: Own) -> None:
    rate = 'bandwidth = { value = 20, unit = "GB/s", source = "mine", grade = "measured" }'
    text = box_toml.replace('topology = "switch"', f'topology = "switch"\n{rate}')
    assert systems.target(own_file(text)).link("up").bandwidth_bytes_per_s == 20e9


def test_chips_that_pull_together_share_the_way_up(box: str) -> None:
    """Eight slots of 63 GB/s hang on two ways up of 63 GB/s."""
    tier = systems.target(box).tiers()["host"]
    assert tier.chip_bytes_per_s == pytest.approx(55.4e9, rel=0.01)
    assert tier.bandwidth_bytes_per_s == pytest.approx(2 * 55.4e9, rel=0.01)


def test_without_retimers_the_slots_train_down(box: str) -> None:
    full, bare = without(box, ["aries"])
    assert bare.lost == ""
    assert any("slot trains to pcie-4" in change for change in bare.changes)
    assert bare.system.si("scale_up.bandwidth", 0) == pytest.approx(full.si("scale_up.bandwidth", 0) / 2)
    assert bare.system.si("scale_up.latency", 0) < full.si("scale_up.latency", 0)
    assert full.si("power.host", 0) - bare.system.si("power.host", 0) == pytest.approx(8 * 9.0)


def test_without_the_controllers_their_memory_is_gone(box: str) -> None:
    full, bare = without(box, ["leo"])
    assert set(full.tiers) == {"host", "cxl"}
    assert set(bare.system.tiers) == {"host"}
    assert bare.system.si("price.purchase", 0) < full.si("price.purchase", 0)


@pytest.mark.parametrize(("length", "left"), [("1.5", "dac"), ("2.5", "aoc")])
def test_without_active_cables_what_reaches_takes_their_place(
    length: str, left: str, box_toml: str, own_file: Own
) -> None:
    _, bare = without(own_file(box_toml.replace("value = 2.5", f"value = {length}")), ["taurus"])
    assert bare.changes == (f"link network runs over {left} instead of astera-taurus-800",)
    assert bare.lost == ""


def test_without_the_switches_chips_are_an_island(box: str) -> None:
    _, bare = without(box, ["pcie-switch"])
    assert "nothing joins chips 0" in bare.lost


def test_a_unit_whose_links_all_end_at_the_switch_has_none_left(box_toml: str, own_file: Own) -> None:
    head, *tables = box_toml.replace("count = 2", "count = 1").split("[[link]]")
    text = head.partition('[[memory]]\nname = "cxl"')[0] + "".join(f"[[link]]{table}" for table in tables[:2])
    _, bare = without(own_file(text), ["pcie-switch"])
    assert bare.lost == "no link is left"


def test_several_parts_at_once(box: str) -> None:
    _, bare = without(box, ["aries", "leo", "astera-taurus-800"])
    assert set(bare.system.tiers) == {"host"}
    assert len(bare.changes) == 4


def test_parts_that_are_not_there_are_named(box: str) -> None:
    with pytest.raises(BadValue, match="aries, astera-aries-5"):
        without(box, ["scorpio"])
    with pytest.raises(BadValue, match="names no links"):
        without("hgx-h100-8", ["aries"])


def test_the_packaged_node_with_and_without() -> None:
    full, bare = without("hgx-h100-8-leo", ["leo"])
    assert full.si("scale_up.bandwidth", 0) == pytest.approx(450e9)  # 2 x 5 + 2 x 4 ports of 25 GB/s
    assert full.in_network_reduction
    assert bare.system.si("power.host", 0) == pytest.approx(2600, rel=0.02)  # of the node without


@pytest.mark.slow
def test_more_lanes_never_slow_a_model_down(box_toml: str, own_file: Own) -> None:
    times = []
    for lanes in (2, 4, 8, 16):
        text = box_toml.replace('name = "slot"\n', f'name = "slot"\nlanes = {lanes}\n')
        answer = silmark.estimate("llama-3.1-70b", own_file(text, f"{lanes}.toml"), tp=8, batch=8).rows[-1].estimate
        assert answer is not None
        assert answer.tpot_s is not None
        times.append(answer.tpot_s.mid)
    assert times == sorted(times, reverse=True)
    assert times[0] > 1.2 * times[-1]


@pytest.mark.slow
def test_links_move_the_estimate(box: str) -> None:
    answer = silmark.system(box, without=["aries"], model="llama-3.1-70b")
    assert answer.full.row is not None
    assert answer.bare is not None
    assert answer.bare.row is not None
    with_, less = answer.full.row.estimate, answer.bare.row.estimate
    assert with_ is not None
    assert less is not None
    assert less.ttft_s.mid > 1.2 * with_.ttft_s.mid  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('between = ["cpu", "fabric"]', 'between = ["fabric", "network"]', "an island: nothing joins"),
        ('pattern = "pairs"', 'pattern = "each"', "has the pattern all, ring, pairs or torus"),
        ("value = 2.5", "value = 12", "12 m, but astera-taurus-800 reaches 3 m"),
        ("value = 45", "value = 450", "dB of loss"),
        (', date = "2026-10"', "", "a price needs the date"),
        ('unit = "USD"', 'unit = "coins"', "unit 'coins' does not fit"),
        ('part = "astera-leo"', 'part = "astera-aries-5"', "expected a memory-controller"),
        ('parts = ["astera-aries-5"]', 'parts = ["astera-leo"]', "expected a retimer or cable or nic"),
        ('between = ["cpu", "cxl"]', 'between = ["cpu", "moon"]', "expected two of"),
        ('role = "memory"', 'role = "friend"', "expected one of scale_up"),
        ('name = "uplink"', 'name = "slot"', "two tables have this name"),
        ('[[host]]\nname = "cpu"', '[[host]]\nname = "chips"', "the name is taken"),
        ("connectors = 2", "connectors = -2", "whole number from 0"),
        ("vias = 4", "vias = 4\ncolour = 3", "not an entry of such a table"),
        ('technology = "intel-upi-2"', 'technology = "pcie-9"', "unknown link"),
        ('part = "generic-pcie-switch-5"', 'part = "astera-scorpio-p"', "has 64 lanes, the links take 80"),
        ("[[host]]\n", "[[hostess]]\n", "not a key of a system file"),
    ],
)
def test_wrong_wiring_is_refused_with_a_sentence(old: str, new: str, says: str, box_toml: str, own_file: Own) -> None:
    assert old in box_toml
    with pytest.raises(SilmarkError, match=says):
        systems.load(own_file(box_toml.replace(old, new, 1)))


def test_an_island_of_hosts_is_refused(box_toml: str, own_file: Own) -> None:
    start, rest = box_toml.split('[[link]]\nname = "sockets"')
    text = start + "[[link]]" + rest.partition("[[link]]")[2]
    with pytest.raises(BadFile, match="an island: nothing joins chips 4, chips 5"):
        systems.load(own_file(text))


def test_tables_without_links_are_refused(hgx_toml: str, own_file: Own) -> None:
    with pytest.raises(BadFile, match="joined to nothing"):
        systems.load(own_file(hgx_toml + '\n[[host]]\nname = "cpu"\n'))
    with pytest.raises(BadFile, match=r"needs \[\[host\]\] and \[\[link\]\]"):
        systems.load(own_file(hgx_toml + '\n[[memory]]\nname = "cxl"\nkind = "cxl"\npart = "astera-leo"\n'))


@settings(max_examples=60)
@given(lanes=st.integers(1, 16), rate=st.sampled_from(["pcie-3", "pcie-4", "pcie-5"]))
def test_more_lanes_or_a_faster_rate_never_hurt(lanes: int, rate: str, box_toml: str, own_file: Own) -> None:
    plain = box_toml.replace('name = "slot"\n', f'name = "slot"\nlanes = {lanes}\n')
    faster = box_toml.replace('name = "slot"\n', f'name = "slot"\nlanes = {lanes + 1 if lanes < 16 else 16}\n')
    slower = plain.replace('technology = "pcie-5"', f'technology = "{rate}"', 1)
    rates = [
        systems.target(own_file(text, f"{index}.toml")).link("up").bandwidth_bytes_per_s
        for index, text in enumerate((slower, plain, faster))
    ]
    assert rates == sorted(rates)


TORUS = """
[[host]]
name = "cpu"

[[link]]
name = "tray"
role = "host"
technology = "pcie-4"
between = ["cpu", "chips"]
medium = "board-low-loss"
length = { value = 0.2, unit = "m", source = "mine", grade = "assumed" }

[[link]]
name = "ici"
role = "scale_up"
technology = "tpu-ici-v5e"
between = ["chips", "chips"]
pattern = "torus"
sides = [SIDES]
medium = "dac"
length = { value = 0.5, unit = "m", source = "mine", grade = "assumed" }
"""


@pytest.mark.parametrize(("sides", "ports"), [("4, 4", 4), ("2, 8", 3), ("16", 2), ("2, 2, 4", 4), ("1, 16", 2)])
def test_every_chip_of_a_torus_has_its_ports(sides: str, ports: int, own_file: Own) -> None:
    start = 'id = "s"\nname = "s"\nkind = "slice"\nchip = "google-tpu-v5e"\nchips = 16\nunits_max = 1\n'
    found = systems.load(own_file(start + TORUS.replace("SIDES", sides)))
    assert found.si("scale_up.bandwidth", 0) == pytest.approx(ports * 50e9)


def test_a_torus_has_a_place_for_every_chip(own_file: Own) -> None:
    start = 'id = "s"\nname = "s"\nkind = "slice"\nchip = "google-tpu-v5e"\nchips = 16\nunits_max = 1\n'
    with pytest.raises(BadFile, match="15 places for 16 members"):
        systems.load(own_file(start + TORUS.replace("SIDES", "3, 5")))
