"""The catalogue: every id that users expect is there, every figure resolves, and the figures agree with each other."""

from __future__ import annotations

import math

import pytest

from silmark import chips, systems
from silmark.chips import catalog
from silmark.figures import Grade, load_sources

NVIDIA = """a40-48gb a100-sxm4-40gb a100-sxm4-80gb a100-pcie-80gb h100-sxm5-80gb h100-pcie-80gb h100-nvl-94gb
h100-sxm5-96gb-500w h200-sxm-141gb h200-nvl-141gb gh200-96gb gh200-144gb b200-sxm-180gb gb200-186gb b300-sxm-288gb
gb300-288gb h20-96gb h800-sxm5-80gb l4-24gb l40s-48gb rtx-4090-24gb rtx-pro-6000-96gb jetson-agx-orin-64gb"""
OTHERS = """amd-mi210-64gb amd-mi250-128gb amd-mi250x-128gb amd-mi300x-192gb amd-mi325x-256gb amd-mi355x-288gb
intel-gaudi-1-32gb intel-gaudi-2-96gb intel-gaudi-3-128gb intel-max-1550-128gb intel-arc-pro-b60-24gb google-tpu-v3
google-tpu-v4 google-tpu-v5e google-tpu-v5p google-tpu-v6e google-tpu-7x microsoft-maia-100 microsoft-maia-200
aws-inferentia-2 aws-trainium-1 aws-trainium-2 groq-groqchip-1 groq-lp30 cerebras-wse-2 cerebras-wse-3
dmatrix-corsair etched-sohu matx-one rain-npu lightmatter-envise-2021 lightmatter-processor-2025 extropic-x0
extropic-z1 sambanova-sn40l"""
EXPECTED = {f"nvidia-{name}" for name in NVIDIA.split()} | set(OTHERS.split())

ALL = [chips.load(name) for name in chips.names()]
by_chip = pytest.mark.parametrize("chip", ALL, ids=lambda chip: chip.id)


def test_every_expected_chip_is_in_the_catalogue() -> None:
    assert set(chips.names()) == EXPECTED


def test_aliases_mean_the_usual_sku() -> None:
    assert chips.resolve("h100") == "nvidia-h100-sxm5-80gb"
    assert chips.resolve("H100") == "nvidia-h100-sxm5-80gb"
    taken = [alias for chip in ALL for alias in chip.aliases]
    assert len(taken) == len(set(taken))
    assert not set(taken) & set(chips.names())


@by_chip
def test_every_figure_has_a_source_that_resolves(chip: chips.Chip) -> None:
    known = load_sources()
    for key, figure in chip.figures.items():
        assert figure.source in known, key
        for rival in figure.alternatives:
            assert rival["source"] in known, key


@by_chip
def test_assumed_figures_have_an_interval(chip: chips.Chip) -> None:
    for key, figure in chip.figures.items():
        if figure.grade is Grade.ASSUMED and key not in ("die.node", "compute.splits"):  # a name, a yes or no
            assert figure.low < figure.high, key


@by_chip
def test_prices_are_dated(chip: chips.Chip) -> None:
    for key, figure in chip.figures.items():
        if key.startswith("price."):
            assert figure.date, key


@by_chip
def test_power_shares_are_ordered(chip: chips.Chip) -> None:
    idle, decode = chip.si("power.idle_share"), chip.si("power.decode_share")
    assert 0 < idle <= decode <= 1


@by_chip
def test_narrower_formats_are_not_slower(chip: chips.Chip) -> None:
    ladder = [name for name in ("tf32", "bf16", "fp8", "fp4") if name in chip.formats]
    rates = [chip.si(f"peak.{name}") for name in ladder]
    assert rates == sorted(rates)


@by_chip
def test_achievable_is_below_peak(chip: chips.Chip) -> None:
    for key, figure in chip.figures.items():
        if key.startswith("achievable."):
            assert figure.value <= chip.si(f"peak.{key.split('.')[1]}"), key
    if "memory.main.achievable" in chip.figures:
        assert chip.si("memory.main.achievable") <= chip.si("memory.main.bandwidth")


@pytest.mark.parametrize("chip", [c for c in ALL if c.family in ("systolic", "streaming")], ids=lambda c: c.id)
def test_array_geometry_explains_the_peak(chip: chips.Chip) -> None:
    """arrays x rows x columns x 2 x clock is the peak of one format (the widest rate that the geometry describes)."""
    cells = chip.si("compute.arrays") * chip.si("compute.rows") * chip.si("compute.columns")
    rate = 2 * cells * chip.si("compute.clock")
    best = min(abs(math.log(rate / chip.si(f"peak.{name}"))) for name in chip.formats)
    assert best < math.log(1.25), f"{rate:.3g} FLOP/s from the geometry"


@by_chip
def test_the_usual_system_holds_the_chip(chip: chips.Chip) -> None:
    system = systems.usual(chip)
    assert chip.id in (system.chip, *system.also)


@pytest.mark.parametrize("name", systems.names())
def test_systems_are_whole(name: str) -> None:
    system = systems.load(name)
    known = load_sources()
    assert system.chip == chips.HOST or system.chip in EXPECTED
    assert system.group <= system.chips
    for key, figure in system.figures.items():
        assert figure.source in known, key
        assert figure.date or not key.startswith("price."), key


def test_statuses_and_claims_are_explicit() -> None:
    sohu = chips.load("etched-sohu")
    assert sohu.cannot["scan"]
    assert any(figure.derived_from.startswith("claim:") for figure in sohu.figures.values())
    assert chips.load("lightmatter-envise-2021").status != "shipping"
    assert {chip.status for chip in ALL} <= set(catalog.STATUSES)


def test_host_is_read_from_the_machine() -> None:
    chip = chips.load("host")
    assert chip.si("compute.units") >= 1
    assert chip.figures["memory.main.capacity"].grade is Grade.MEASURED
    assert chip.figures["memory.main.bandwidth"].grade is Grade.ASSUMED
