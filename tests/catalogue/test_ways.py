"""Files that say how chips run operators: every feature has a way, every way a source that resolves."""

from __future__ import annotations

from pathlib import Path

import pytest

from silmark import chips, formats, models
from silmark.chips.mechanisms import FAMILIES, family
from silmark.chips.ways import FEATURES, of_family, read_all
from silmark.errors import BadFile
from silmark.figures import Grade, load_sources
from silmark.models.catalogue import architectures

PATH = Path("mine.toml")
WAY = {"by": "native", "on": "arrays", "how": "as a product", "source": "silmark-assumption", "grade": "assumed"}


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_says_how_it_runs_what_its_mechanism_prices(name: str) -> None:
    kinds = family(name).runs - {"boundary"}
    assert kinds <= of_family(name).runs.keys()
    assert {FEATURES[feature] for feature in of_family(name).runs} == kinds


def test_every_way_has_a_source_that_resolves() -> None:
    known = load_sources()
    own = {chip.id: chip.support for chip in map(chips.load, chips.names())}
    families = {name: {**of_family(name).runs, **of_family(name).stores} for name in FAMILIES}
    for where, ways in {**families, **own}.items():
        for key, way in ways.items():
            assert way.source in known, (where, key)
            assert (way.source == "silmark-assumption") == (way.grade is Grade.ASSUMED), (where, key)


def test_chips_that_a_source_is_about_exist() -> None:
    """A misspelt generation would silently make an assumption of what was shown."""
    known = [chips.load(name) for name in chips.names()]
    for name in FAMILIES:
        for key, way in {**of_family(name).runs, **of_family(name).stores}.items():
            for pattern in way.shown:
                alone = type(way)(way.by, way.on, way.how, way.source, Grade.PAPER, (pattern,))
                about = [chip for chip in known if chip.family == name
                         and alone.on_chip(chip.id, chip.generation, "published").grade is Grade.PAPER]  # fmt: skip
                assert about, (name, key, pattern)


def test_a_chip_says_otherwise_only_of_what_it_has() -> None:
    """A way for what a chip cannot run, or a conversion of what it does not multiply, would contradict its file."""
    for chip in map(chips.load, chips.names()):
        for key, way in chip.support.items():
            assert key in formats.FORMATS or FEATURES[key] not in chip.cannot, (chip.id, key)
            assert way.by != "converted" or key in chip.formats, (chip.id, key)


def test_classes_of_architectures_ask_for_every_special_case() -> None:
    """The table of classes would be silent on a feature that none of its models has."""
    assert {entry["model"] for entry in architectures().values()} <= set(models.names())
    assert len({entry["model"] for entry in architectures().values()}) == len(architectures())


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ([], "support"),
        ({"gemmm": WAY}, "support.gemmm"),
        ({"gemm": 3}, "support.gemm"),
        ({"gemm": {**WAY, "speed": "1"}}, "support.gemm"),
        ({"gemm": {k: v for k, v in WAY.items() if k != "source"}}, "support.gemm"),
        ({"gemm": {**WAY, "how": "x" * 301}}, "support.gemm"),
        ({"gemm": {**WAY, "how": 1}}, "support.gemm"),
        ({"gemm": {**WAY, "by": "converted"}}, "support.gemm"),
        ({"fp8": {**WAY, "by": "native"}}, "support.fp8"),
        ({"gemm": {**WAY, "grade": "sure"}}, "support.gemm"),
        ({"gemm": {**WAY, "shown": "hopper"}}, "support.gemm"),
        ({"gemm": {**WAY, "shown": [1]}}, "support.gemm"),
    ],
)
def test_what_makes_no_sense_is_refused(table: object, key: str) -> None:
    with pytest.raises(BadFile, match=key) as refused:
        read_all(table, PATH)
    assert str(PATH) in str(refused.value)


def test_what_was_shown_elsewhere_is_assumed_here() -> None:
    way = read_all({"gemm": {**WAY, "grade": "paper", "shown": ["hopper", "google-tpu-*"]}}, PATH)["gemm"]
    assert way.on_chip("nvidia-h20-96gb", "hopper", "published").grade is Grade.PAPER
    assert way.on_chip("google-tpu-v4", "", "measured").grade is Grade.PAPER
    assert way.on_chip("google-tpu-v4", "", "none").grade is Grade.ASSUMED
    assert way.on_chip("amd-mi300x-192gb", "cdna3", "measured").grade is Grade.ASSUMED
    assert way.on_chip("intel-gaudi-3-128gb", "", "measured").grade is Grade.ASSUMED
