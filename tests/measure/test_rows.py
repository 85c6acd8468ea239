"""The CSV: what goes in comes out, and a damaged one is told where."""

from __future__ import annotations

import pytest
from machine import device, measured

from silmark.calibration.measure import Point, load, read, rows, write
from silmark.calibration.measure.operators import Call
from silmark.calibration.measure.timer import Timing
from silmark.errors import BadFile


def _line(point: Point, timing: Timing = Timing(1e-3, 2e-3, 5, 1)) -> dict[str, str]:  # noqa: B008 - frozen
    return rows.row(device(), point, Call(lambda: None, False, "linear"), timing)


def test_every_point_of_every_kind_survives_the_file(tmp_path):
    points = [*load("small"), Point("collective", {"op": "all_reduce", "bytes": 4096})]
    write(tmp_path / "r.csv", [_line(point) for point in points])
    found = read(tmp_path / "r.csv")
    assert [rows.point(line) for line in found] == points


def test_units_and_conventions_are_those_of_the_public_tables():
    line = _line(Point("gemm", {"dtype": "bf16", "m": 4, "n": 1000, "k": 500}))
    assert (line["gemm_dtype"], line["time_us"], line["best_us"], line["repeats"]) == ("bfloat16", "2000", "1000", "5")
    assert float(line["tflops"]) == pytest.approx(2 * 4 * 1000 * 500 / 2e-3 / 1e12)
    line = _line(Point("collective", {"op": "all_reduce", "bytes": 4096}))
    assert line["message_elements"] == "2048"
    sizes = {"batch_size": 1, "isl": 3, "num_heads": 1, "num_key_value_heads": 1, "head_dim": 1}
    line = _line(Point("attention_prefill", {"dtype": "fp32", **sizes}))
    assert float(line["tflops"]) == pytest.approx(4 * 6 / 2e-3 / 1e12)  # 1 + 2 + 3 pairs under the causal mask


def test_a_row_that_was_never_left_alone_is_flagged():
    point = Point("launch", {})
    assert _line(point, Timing(1e-3, 1e-3, 0, 9))["flag"] == "DISTURBED"
    assert _line(point, Timing(1e-3, 1e-3, 1, 9))["flag"] == ""


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("kind", "gem", "line 2, kind"),
        ("time_us", "fast", "line 2, time_us"),
        ("time_us", "nan", "above 0"),
        ("best_us", "-1", "line 2, best_us"),
        ("m", "", "line 2, m"),
        ("gemm_dtype", "fp7", "line 2, gemm_dtype"),
    ],
)
def test_a_damaged_row_is_named(tmp_path, column, value, said):
    line = _line(Point("gemm", {"dtype": "bf16", "m": 4, "n": 8, "k": 8}))
    write(tmp_path / "r.csv", [{**line, column: value}])
    with pytest.raises(BadFile) as caught:
        read(tmp_path / "r.csv")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"), [(b"a,b\n1,2\n", "no column kind"), (b"\xff\xfe", "UTF-8"), (b"", "no column")]
)
def test_a_file_that_is_none_is_told_so(tmp_path, content, said):
    (tmp_path / "r.csv").write_bytes(content)
    with pytest.raises(BadFile, match=said):
        read(tmp_path / "r.csv")
    with pytest.raises(BadFile):
        read(tmp_path / "absent.csv")


def test_a_path_that_cannot_be_written(tmp_path):
    with pytest.raises(BadFile):
        write(tmp_path / "no" / "r.csv", measured()[:1])
