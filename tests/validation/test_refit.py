"""`benchmarks/refit.py`: which numbers of two calibration files count as different."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest

from silmark.figures.tables import data_folder

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "refit.py"
TEXT = """\
date = "2026-01-01"
rows = 3
[parameters.layer]
fixed = { value = 2.0, low = 1.0, high = 3.0, unit = "us" }
[left_out]
"a" = 1.0
[covariance]
"x" = [1.0, 2.0]
"""


@pytest.fixture(scope="module")
def refit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("refit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["refit"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("2026-01-01", "2027-02-03", []),
        ("value = 2.0", "value = 2.0005", []),
        ("value = 2.0", "value = 2.01", ["parameters.layer.fixed.value"]),
        ('"a" = 1.0', '"a" = 0.9', ["left_out.a"]),
        ('"a" = 1.0', '"b" = 1.0', ["left_out.a", "left_out.b"]),
        ("[1.0, 2.0]", "[1.0, 2.5]", []),
    ],
)
def test_what_counts_as_different(refit, tmp_path, before, after, named):
    committed, found = tmp_path / "a.toml", tmp_path / "b.toml"
    committed.write_text(TEXT)
    found.write_text(TEXT.replace(before, after))
    count, apart = refit.differences(committed, found)
    assert count == 5 + ("b" in after)
    assert [one.key for one in apart] == named


def test_a_missing_number_is_named(refit, tmp_path):
    committed, found = tmp_path / "a.toml", tmp_path / "b.toml"
    committed.write_text(TEXT)
    found.write_text(TEXT.replace('"a" = 1.0\n', ""))
    ((one,),) = [refit.differences(committed, found)[1]]
    assert one.key == "left_out.a"
    assert math.isnan(one.found)


def test_every_fitted_file_is_compared(refit):
    named = {path.stem for patterns in refit.WRITES.values() for p in patterns for path in data_folder().glob(p)}
    assert {path.stem for path in (data_folder() / "calibration").glob("*.toml")} - named == {"cpu", "photonic"}


@pytest.mark.data
def test_fits_of_published_points_come_out_as_committed(refit, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["refit.py", "streaming", "wafer", "dimc"])
    assert refit.main() == 0
    assert capsys.readouterr().out.count("all as committed") == 3
