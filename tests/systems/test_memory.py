"""Memory tiers: what files may say about them, and what a chip gets from them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark import systems
from silmark.errors import BadFile

CXL = """
[[memory]]
name = "cxl"
kind = "cxl"
capacity = { value = 1, unit = "TB", source = "mine", grade = "assumed" }
bandwidth = { value = 40, unit = "GB/s", source = "mine", grade = "assumed" }
latency = { value = 250, unit = "ns", source = "mine", grade = "assumed" }
"""


def test_the_leo_node_has_both_tiers() -> None:
    tiers = systems.target("hgx-h100-8-leo").tiers()
    assert list(tiers) == ["host", "cxl"]
    assert tiers["cxl"].capacity_bytes > tiers["host"].capacity_bytes
    assert tiers["cxl"].bandwidth_bytes_per_s < tiers["host"].bandwidth_bytes_per_s
    assert tiers["cxl"].latency_s > tiers["host"].latency_s


def test_a_chip_pulls_what_was_measured_over_its_slot() -> None:
    """Copies from host memory to a chip on PCIe 5.0 x16: 55.43 GB/s (nvbandwidth on a node of eight H200)."""
    tier = systems.target("hgx-h200-8").tiers()["host"]
    assert tier.chip_bytes_per_s == pytest.approx(55.43e9, rel=0.02)


def test_systems_without_the_table_have_no_tiers() -> None:
    assert systems.target("groqrack-9").tiers() == {}


def test_a_chip_never_pulls_more_than_the_tier_gives(hgx_toml: str, own_file: Callable[..., str]) -> None:
    tier = systems.target(own_file(hgx_toml + CXL)).tiers()["cxl"]
    assert tier.chip_bytes_per_s == 40e9


@given(st.floats(0, 1e12), st.floats(0, 1e12), st.integers(1, 8), st.integers(1, 8))
def test_more_bytes_or_more_chips_never_take_less_time(a: float, b: float, m: int, n: int) -> None:
    tier = systems.target("hgx-h100-8-leo").tiers()["cxl"]
    assert tier.seconds(min(a, b), min(m, n)) <= tier.seconds(max(a, b), max(m, n))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "cxl"', 'name = "host"', "taken"),
        ('name = "cxl"', 'name = "a b"', "name in lower case"),
        ('kind = "cxl"', 'kind = "tape"', "one of host, cxl, ssd"),
        ("value = 40", "value = 0", "above 0"),
        ('unit = "TB"', 'unit = "W"', "unit of B"),
        ("capacity =", "size =", "not an entry"),
        ('capacity = { value = 1, unit = "TB", source = "mine", grade = "assumed" }', "", "missing"),
        ("[[memory]]", "[memory]", "tables [[memory]]"),
    ],
)
def test_bad_tables_are_named(old: str, new: str, says: str, hgx_toml: str, own_file: Callable[..., str]) -> None:
    start = hgx_toml.split("[[memory]]", maxsplit=1)[0] if new == "[memory]" else hgx_toml
    with pytest.raises(BadFile, match=says.replace("[", r"\[")):
        systems.load(own_file(start + CXL.replace(old, new)))
