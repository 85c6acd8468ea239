"""Which arithmetic a chip computes in: every rule resolves, and every chip has one or says why not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from silmark import chips, numerics
from silmark.chips.arithmetic import chip_rules, of_family
from silmark.chips.catalog import FAMILIES
from silmark.errors import SilmarkError
from silmark.figures import Grade, load_sources
from silmark.quality import chosen, known

ALL = [chips.load(name) for name in chips.names()]


@pytest.mark.parametrize("chip", ALL, ids=lambda chip: chip.id)
def test_every_rule_resolves(chip: chips.Chip) -> None:
    for name, rule in chip_rules(chip).items():
        assert numerics.arithmetic.get(rule.name), name
        assert rule.source in load_sources(), name
        assert rule.grade is Grade.ASSUMED or rule.source != "silmark-assumption" or rule.grade is Grade.DERIVED


@pytest.mark.parametrize("chip", ALL, ids=lambda chip: chip.id)
@pytest.mark.parametrize("precision", ["default", "fastest", "fp8"])
def test_every_chip_has_a_way_or_a_reason(chip: chips.Chip, precision: str) -> None:
    found = chosen(chip, precision)
    assert (found.way is None) == (chip.family == "thermodynamic" or (precision == "fp8" and "fp8" not in chip.formats))
    assert found.way or found.reason


def test_tables_are_of_families() -> None:
    for family in FAMILIES:
        generations = {chip.generation for chip in ALL if chip.family == family} | {"all"}
        assert set(of_family(family)) <= generations, family


def test_a_chip_comes_before_its_generation_and_that_before_its_family() -> None:
    assert chosen(chips.load("dmatrix-corsair"), "mxint8").way.arithmetic == "dmatrix-basic"  # type: ignore[union-attr]
    assert chosen(chips.load("h100"), "fp8").way.arithmetic == "hopper-fp8"  # type: ignore[union-attr]
    assert chosen(chips.load("nvidia-a100-sxm4-80gb"), "int8").way.arithmetic == "int8-row"  # type: ignore[union-attr]


def test_stored_formats_are_kept_apart() -> None:
    way = chosen(chips.load("h100"), "int4:bf16:fp8").way
    assert way is not None
    assert (way.arithmetic, way.weights, way.kv) == ("bf16", "int4-group128", "fp8-e4m3")
    assert way.weight_bits == pytest.approx(4.125)
    assert chosen(chips.load("h100"), "bf16").way.weight_bits == 16  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["fp7", "bf16:fp16:fp8:fp4", ""])
def test_unknown_precisions_are_refused(name: str) -> None:
    with pytest.raises(SilmarkError):
        known(name)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("arithmetic = 3", "expected a table"),
        ('[arithmetic]\nfp99 = { name = "bf16", source = "x", grade = "paper" }', "not a number format"),
        ('[arithmetic]\nfp8 = { name = "bf16" }', "expected { name"),
        ('[arithmetic]\nfp8 = { name = "bf16", source = "x", grade = "sure" }', "grade 'sure'"),
        ('[arithmetic]\nfp8 = { name = 8, source = "x", grade = "paper" }', "must be texts"),
    ],
)
def test_a_chips_own_table_is_checked(own_file: Callable[..., str], h100_toml: str, table: str, said: str) -> None:
    text = f"{table}\n{h100_toml}" if table.startswith("arithmetic") else f"{h100_toml}\n{table}\n"
    with pytest.raises(SilmarkError, match=said):
        chips.load(own_file(text))


def test_an_arithmetic_that_is_not_there_is_named(own_file: Callable[..., str], h100_toml: str) -> None:
    text = f'{h100_toml}\n[arithmetic]\nbf16 = {{ name = "bf17", source = "x", grade = "paper" }}\n'
    way = chosen(chips.load(own_file(text)), "bf16").way
    with pytest.raises(SilmarkError, match="unknown arithmetic 'bf17'"):
        _ = way.rules  # type: ignore[union-attr]
