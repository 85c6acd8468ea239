"""Links, media and parts: whole, sourced, and in agreement with what chips say of their own links."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from silmark import chips
from silmark.errors import BadFile, UnknownName
from silmark.fabric import physical
from silmark.figures import Figure, Grade, load_sources
from silmark.figures.tables import data_folder

READ = {"links": physical.technology, "media": physical.medium, "parts": physical.part}
EVERY = [(folder, name) for folder in READ for name in physical.names(folder)]
SAID = [
    (name, role)
    for name in chips.names()
    for role in ("scale_up", "scale_out", "host")
    if f"link.{role}.technology" in chips.load(name).kinds
]


def figures(folder: str, name: str) -> dict[str, Figure]:
    return dict(READ[folder](name).figures)


@pytest.mark.parametrize(("folder", "name"), EVERY)
def test_every_figure_has_a_source_and_what_is_assumed_an_interval(folder: str, name: str) -> None:
    known = load_sources()
    for key, figure in figures(folder, name).items():
        assert figure.source in known, key
        if figure.grade is Grade.ASSUMED and key not in ("lanes", "lane.count"):
            assert figure.low < figure.high, key
        if key.startswith("price."):
            assert figure.date, key


@pytest.mark.parametrize("name", physical.names("parts"))
def test_parts_speak_technologies_that_exist(name: str) -> None:
    part = physical.part(name)
    assert part.links
    assert set(part.links) <= set(physical.names("links"))
    assert not part.medium or part.medium in physical.names("media")


@pytest.mark.parametrize("name", physical.names("links"))
def test_what_a_link_falls_to_is_slower_and_exists(name: str) -> None:
    link = physical.technology(name)
    if link.falls_to:
        assert physical.technology(link.falls_to).bandwidth(1) < link.bandwidth(1)


@pytest.mark.parametrize(("name", "role"), SAID)
def test_ports_times_lanes_times_rate_explain_the_bandwidth_of_a_chip(name: str, role: str) -> None:
    """Vendors round: PCIe 6.0 is written without flits (126 GB/s for 121), LP30 without error correction."""
    chip = chips.load(name)
    link = physical.technology(chip.kinds[f"link.{role}.technology"])
    said = chip.figure(f"link.{role}.bandwidth")
    derived = chip.si(f"link.{role}.ports") * link.bandwidth(link.lanes())
    assert derived == pytest.approx(said.value, rel=0.05)
    assert said.low * 0.98 <= derived <= said.high * 1.02


def test_most_chips_name_their_technology() -> None:
    named = {name for name, role in SAID if role == "scale_up"}
    linked = {name for name in chips.names() if "link.scale_up.bandwidth" in chips.load(name).figures}
    assert len(named) >= 0.75 * len(linked)


def own(folder: str, name: str) -> str:
    return (data_folder() / folder / f"{name}.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("folder", "name", "old", "new", "says"),
    [
        ("links", "pcie-5", 'modulation = "nrz"', 'modulation = "qam"', "expected one of nrz, pam4"),
        ("links", "pcie-5", "value = 0.887", "value = 8.87", "low"),
        ("links", "pcie-5", 'unit = "dB"', 'unit = "W"', "unit of dB"),
        ("links", "pcie-5", "loss = { value = 36", "loss = { value = 0", "above 0"),
        ("links", "pcie-5", "count = { value = 16", "count = { value = 0.4", "number of lanes"),
        ("links", "nvlink-4", "[latency]\nport", "[latency]\nmail", "not a key"),
        ("media", "dac", "25 = {", "fast = {", "lane rate in Gbit/s"),
        ("media", "dac", ', date = "2026-06"', "", "date of the quote"),
        ("media", "board-fr4", "dielectric", "magnetic", "not a key"),
        ("parts", "astera-aries-5", 'kind = "retimer"', 'kind = "wizard"', "expected one of retimer"),
        ("parts", "astera-aries-5", "through = {", "throu = {", "not a key"),
        ("parts", "astera-aries-5", ', date = "2026-06"', "", "date of the quote"),
        ("parts", "astera-leo", 'id = "astera-leo"', 'id = "Leo!"', "lower-case"),
    ],
)
def test_wrong_files_are_refused_with_a_sentence(
    folder: str, name: str, old: str, new: str, says: str, own_file: Callable[..., str]
) -> None:
    text = own(folder, name)
    assert old in text
    with pytest.raises(BadFile, match=says):
        READ[folder](own_file(text.replace(old, new)))


@pytest.mark.parametrize("folder", READ)
def test_unknown_names_come_with_near_ones(folder: str) -> None:
    with pytest.raises(UnknownName, match="did you mean"):
        READ[folder](physical.names(folder)[0] + "x")
