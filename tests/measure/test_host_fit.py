"""`silmark calibrate host`: a machine of known rates is found again, and its file used or refused rightly."""

from __future__ import annotations

import numpy as np
import pytest
from machine import RATES, measured, truth

from silmark.calibration import host as calibration
from silmark.calibration import host_fit
from silmark.calibration.measure import write
from silmark.chips import catalog, host
from silmark.chips.mechanisms import Placement, build
from silmark.errors import BadFile
from silmark.figures import Grade
from silmark.formats import Precision
from silmark.graph import Gemm

pytest.importorskip("scipy", reason="scipy is not installed: pip install 'silmark[calibrate]'")


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    write(path, measured(noise=0.02))
    return path


@pytest.fixture
def calibrated(home, known):
    return calibration.run(known)


def test_rates_are_found_again(calibrated):
    chip = catalog.load("host")
    assert chip.evidence == "measured"
    assert calibrated.name == "host.toml"
    m = np.array([1.0, 3.0, 24.0, 200.0])
    for fmt in ("fp32", "bf16"):
        for n, k in ((1536, 1536), (5000, 700)):
            op = Gemm(name="g", m=m, n=n, k=k)
            mine, theirs = (build(c, Precision.of(fmt), Placement()).cost(op).time_s for c in (chip, truth()))
            assert np.all(np.abs(np.log(mine / theirs)) < 0.1)


def test_figures_carry_grade_unit_and_source(calibrated):
    chip = catalog.load("host")
    peak = chip.figure("peak.fp32")
    assert peak.grade is Grade.MEASURED
    assert peak.source == "host-measurement"
    # The best product reaches the share of the peak that the library reaches.
    share = RATES["calibration.cpu.gemm.fp32.flop_share"]
    assert 0.8 * share < peak.value / RATES["peak.fp32"] < 1.1 * share
    assert chip.si("compute.launch") == pytest.approx(RATES["compute.launch"], rel=0.1)
    assert chip.figure("calibration.cpu.gemm.restart").unit == "s"
    for figure in chip.figures.values():
        assert 0 < figure.low <= figure.value <= figure.high < np.inf


def test_residuals_tell_fitted_left_out_and_whole(calibrated):
    table = dict(calibration.summary())
    assert table["gemm fp32"]["median_error"] < 0.05
    assert table["gemm left out"]["median_error"] < 0.1
    assert table["transformer decode bf16"]["median_error"] < 0.1
    fitted = sum(row["rows"] for label, row in table.items() if label.startswith("gemm ") and "left" not in label)
    assert table["gemm left out"]["rows"] == fitted


def test_before_and_after(home, known):
    assert catalog.load("host").evidence == "none"
    assert catalog.load("host").figure("peak.fp32").grade is Grade.ASSUMED
    calibration.run(known)
    assert catalog.load("host").figure("peak.fp32").grade is Grade.MEASURED


def test_another_machines_file_is_ignored_and_named(calibrated, home):
    text = calibrated.read_text(encoding="utf-8")
    calibrated.write_text(text.replace(f'machine = "{host.machine()}"', 'machine = "Abacus 1"'), encoding="utf-8")
    host.host.cache_clear()
    chip = catalog.load("host")
    assert chip.evidence == "none"
    assert "Abacus 1" in chip.notes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1", "silmark calibrate host"),
        ('machine = "M"\n[parameters]\ngemm = 3', "gemm"),
        (
            'machine = "M"\n[parameters.chip.peak]\n'
            'fp32 = { value = 0, unit = "FLOP/s", source = "s", grade = "measured" }',
            "above 0",
        ),
    ],
)
def test_a_damaged_file_is_named(home, text, said):
    home.mkdir()
    (home / "host.toml").write_text(text.replace('"M"', f'"{host.machine()}"'), encoding="utf-8")
    with pytest.raises(BadFile, match=said):
        host.host()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"device": "Abacus 1"}, "Abacus 1"),
        ({"system": "cuda"}, "not on this processor"),
        ({"flag": "DISTURBED"}, "0 undisturbed products"),
    ],
)
def test_rows_of_something_else_are_refused(home, tmp_path, change, said):
    write(tmp_path / "r.csv", [{**row, **change} for row in measured()])
    with pytest.raises(BadFile, match=said):
        calibration.run(tmp_path / "r.csv")
    assert not host.own_file().exists()


def test_rows_of_two_thread_counts_are_refused(home, tmp_path):
    some = measured()
    write(tmp_path / "r.csv", [*some, {**some[0], "threads": "2"}])
    with pytest.raises(BadFile, match="several thread counts"):
        calibration.run(tmp_path / "r.csv")


def test_kinds_without_rows_keep_the_assumed_parameters(home, tmp_path):
    write(tmp_path / "r.csv", [row for row in measured() if row["kind"] in ("gemm", "copy", "launch")])
    calibration.run(tmp_path / "r.csv")
    chip = catalog.load("host")
    assert not any(key.startswith("calibration.cpu.attention") for key in chip.figures)
    assert chip.figure("calibration.cpu.gemm.fp32.flop_share").source == host.SOURCE


def test_the_command_writes_and_reports(run, home, known):
    found = run("calibrate", "host", "--rows", str(known))
    assert (found.code, found.err) == (0, "")
    assert str(home / "host.toml") in found.out
    assert "transformer decode bf16" in found.out


@pytest.mark.parametrize(
    ("words", "said"), [(("host",), "silmark measure"), (("dimc", "--rows", "r.csv"), "SILMARK_DATA")]
)
def test_the_command_says_what_rows_are_for(run, words, said):
    found = run("calibrate", *words)
    assert found.code == 2
    assert said in found.err


def test_a_parameter_that_no_row_feels_is_not_certain(known):
    rows = [row for row in calibration.check(known) if row["m"] != "1"]
    chip, _ = calibration.facts(rows)
    _, entries = host_fit.parameters(chip, host_fit.batched(rows, "gemm"))
    entry = entries["gemm.fp32.vector_gain"]
    assert float(entry["high"]) / float(entry["low"]) > 4
