"""Reading one figure: what is refused, and that the sentence names file, key and what would be right."""

from __future__ import annotations

import datetime
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from silmark.errors import BadFile
from silmark.figures import Grade
from silmark.figures.tables import MAX_BYTES, expected_unit, read_figure, read_toml, walk

GOOD: dict[str, Any] = {"value": 3.35, "unit": "TB/s", "source": "sheet", "grade": "datasheet"}
KEY = "memory.main.bandwidth"


def read(**changes: object) -> Any:
    return read_figure("my-chip.toml", KEY, {**GOOD, **changes}, "B/s")


def test_a_good_figure_is_held_in_si() -> None:
    figure = read(low=3.0, high=3.5, note="n", date="2026-01")
    assert (figure.low, figure.value, figure.high) == pytest.approx((3.0e12, 3.35e12, 3.5e12))
    assert figure.unit == "B/s"
    assert figure.shown == "3.35 TB/s"
    assert figure.grade is Grade.DATASHEET


def test_without_bounds_the_value_stands_alone() -> None:
    figure = read()
    assert figure.low == figure.value == figure.high


REFUSED: dict[str, tuple[dict[str, object], str]] = {
    "another dimension": ({"unit": "GB"}, "a unit of B/s"),
    "no unit at all": ({"unit": "parsec"}, "a unit of B/s"),
    "unit of another type": ({"unit": ["TB/s"]}, "a unit of B/s"),
    "unknown entry": ({"valeu": 3}, "valeu"),
    "grade of another vocabulary": ({"grade": "vendor"}, "expected one of measured, datasheet"),
    "grade that is no text": ({"grade": 3}, "grade must be text"),
    "source that is no text": ({"source": ["a", "b"]}, "source must be text"),
    "text for a number": ({"value": "3.35"}, "value must be a number"),
    "truth for a number": ({"value": True}, "value must be a number"),
    "date for a number": ({"value": datetime.date(2026, 1, 1)}, "value must be a number"),
    "not a number": ({"value": math.nan}, "out of range"),
    "infinite": ({"value": math.inf}, "out of range"),
    "negative": ({"value": -1}, "out of range"),
    "too large": ({"value": 1e31}, "out of range"),
    "400 digits": ({"value": 10**400}, "out of range"),
    "bound not a number": ({"low": math.nan}, "low"),
    "low above value": ({"low": 4.0}, "low 4 <= value 3.35"),
    "high below value": ({"high": 3.0}, "high 3 does not hold"),
    "alternatives that are no list": ({"alternatives": 5}, "alternatives"),
    "alternatives that are no tables": ({"alternatives": ["x"]}, "alternatives"),
}


@pytest.mark.parametrize(("changes", "expected"), REFUSED.values(), ids=REFUSED)
def test_refusals_name_file_key_and_remedy(changes: dict[str, object], expected: str) -> None:
    with pytest.raises(BadFile) as caught:
        read(**changes)
    message = str(caught.value)
    assert message.startswith(f"my-chip.toml: {KEY}: ")
    assert expected in message
    assert len(message) < 600


@pytest.mark.parametrize("missing", ["value", "unit", "source", "grade"])
def test_what_is_missing_is_named(missing: str) -> None:
    leaf = {key: entry for key, entry in GOOD.items() if key != missing}
    with pytest.raises(BadFile, match=rf"my-chip\.toml: memory\.main\.bandwidth: missing {missing}"):
        read_figure("my-chip.toml", KEY, leaf, "B/s")


def test_schema_patterns_give_units() -> None:
    assert expected_unit("chip", "peak.bf16") == "FLOP/s"
    assert expected_unit("chip", "memory.main.latency") == "s"
    assert expected_unit("chip", "memory.main.speed") is None
    assert expected_unit("system", "price.purchase") == "USD"


def test_walk_tells_figures_from_paths() -> None:
    table = tomllib.loads('a = "x"\n[b.c]\nd = { value = 1, unit = "W" }\ne = 5\n[b.f]\nunit = "s"')
    assert dict(walk(table)) == {"a": "x", "b.c.d": {"value": 1, "unit": "W"}, "b.c.e": 5, "b.f": {"unit": "s"}}


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "binary": (bytes(range(256)) * 8, "not UTF-8"),
    "not TOML": ("value ==== 3", "not valid TOML"),
    "a key twice": ("a = 1\na = 2", "not valid TOML"),
    "five megabytes": ("a = 1\n" + "#" * 5_000_000, "larger than"),
    "lists in lists": ("x = " + "[" * 5000 + "]" * 5000, "nested|recursion"),
    "tables in tables": ("[" + ".".join("a" * 5000) + "]\nx = 1", "nested"),
    "a number of 5000 digits": ("x = 1" + "0" * 5000, "mine.toml"),
}


@pytest.mark.parametrize(("content", "expected"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_refused(content: str | bytes, expected: str, own_file: Callable[[str | bytes], str]) -> None:
    with pytest.raises(BadFile, match=expected):
        list(walk(read_toml(Path(own_file(content)))))


def test_a_file_at_the_limit_is_read(own_file: Callable[[str | bytes], str]) -> None:
    text = "a = 1\n"
    assert read_toml(Path(own_file(text + "#" * (MAX_BYTES - len(text))))) == {"a": 1}


@pytest.mark.parametrize("name", ["missing.toml", ".", "x" * 5000 + ".toml", "null\0byte.toml"])
def test_paths_that_are_no_files(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadFile) as caught:
        read_toml(tmp_path / name)
    assert len(str(caught.value)) < 1000


def test_a_device_is_no_file(tmp_path: Path) -> None:
    link = tmp_path / "null.toml"
    link.symlink_to("/dev/null")
    with pytest.raises(BadFile):
        read_toml(link)
