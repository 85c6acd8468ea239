"""`silmark predict` end to end: any table in, one line per row out, and sentences for what is no table."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from operator_tables import ROWS

from silmark.calibration.rows import folder
from silmark.errors import BadFile
from silmark.validation import bulk, targets
from silmark.validation.operators import accuracy, table
from silmark.validation.operators.curves import SEEN, UNSEEN
from silmark.validation.operators.trials import Trial

Run = Callable[..., Any]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    text = io.StringIO()
    out = csv.DictWriter(text, list(rows[0]))
    out.writeheader()
    out.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
def test_a_line_per_row_in_order_and_in_microseconds(tmp_path: Path, run: Run, ending: str) -> None:
    rows = [{"row_id": f"q:{i}", **ROWS["gemm"], "m": m} for i, m in enumerate(["8192", "many", "1"])]
    asked, answer = write(tmp_path / f"q.{ending}", rows), tmp_path / "a.csv"
    found = run("predict", str(asked), "-o", str(answer))
    assert (found.code, found.err) == (0, "")
    assert "2 of 3 rows predicted (gemm)" in found.out
    lines = read(answer)
    assert [line["row_id"] for line in lines] == ["q:0", "q:1", "q:2"]
    assert list(lines[0]) == list(bulk.HEADER)
    assert 275 < float(lines[0]["mid"]) < 700  # 275 GFLOP at 989 TFLOP/s take 278 us
    assert lines[1]["low"] == lines[1]["mid"] == lines[1]["high"] == lines[1]["grade"] == ""
    assert "number above 0" in lines[1]["why"]
    assert float(lines[2]["low"]) < float(lines[2]["mid"]) < float(lines[2]["high"])


def test_rows_without_an_id_get_one(tmp_path: Path) -> None:
    assert table.read(write(tmp_path / "mine.csv", [ROWS["gemm"], ROWS["gemm"]])).ids == ["mine:0", "mine:1"]


def test_two_runs_write_the_same(tmp_path: Path) -> None:
    asked = write(tmp_path / "q.csv", [ROWS["moe"]] * 5)
    assert bulk.predict_table(asked).lines == bulk.predict_table(asked).lines


def test_single_requests_of_an_unknown_server_say_so(tmp_path: Path) -> None:
    row = {"row_id": "r:0", "request_id": "1", "arrival_s": "0", "input_tokens": "9", "output_tokens": "9"}
    done = bulk.predict_table(write(tmp_path / "r.csv", [row]))
    assert (done.kind, done.answered) == ("requests", 0)
    assert "not in the catalogue" in done.lines[0].why


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "first line"),
        ("a,a\n1,2\n", "different columns"),
        ("a,b\n1,2,3\n", "line 2"),
        ('a,b\n"1,2\n', "not CSV"),
        ("a,b\n1,2\n", "fit no kind of table"),
        ("a,\xff\n", "UTF-8"),
    ],
)
def test_what_is_no_table_is_said_in_a_sentence(tmp_path: Path, run: Run, text: str, said: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_bytes(text.encode("latin-1"))
    found = run("predict", str(path), "-o", str(tmp_path / "out.csv"))
    assert found.code == 2
    assert said in found.err
    assert "broken.csv" in found.err
    assert not (tmp_path / "out.csv").exists()


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="No such file"):
        bulk.predict_table(tmp_path / "none.csv")
    whole = write(tmp_path / "t.csv.gz", [ROWS["gemm"]]).read_bytes()
    (tmp_path / "t.csv.gz").write_bytes(whole[:-9])
    with pytest.raises(BadFile, match="whole gzip"):
        bulk.predict_table(tmp_path / "t.csv.gz")
    with pytest.raises(BadFile, match="none"):
        bulk.write([], tmp_path / "none" / "out.csv")


def test_validate_knows_its_parts(run: Run) -> None:
    found = run("validate", "--only", "weather")
    assert found.code == 2
    assert "operators" in found.err


@pytest.mark.data
@pytest.mark.slow
def test_every_public_row_of_operators_is_within_what_was_promised(tmp_path: Path) -> None:
    rows = accuracy.measured(accuracy.public())
    said = {(one.kind, one.evidence): one for one in accuracy.judge(rows)}
    assert rows.logs.size > 70_000
    for kind, most in (("gemm 16 bits, short", 0.1), ("gemm narrow, long", 0.1), ("prefill, long", 0.1),
                       ("decode, short", 0.12), ("experts, long", 0.16), ("collective", 0.12)):  # fmt: skip
        assert said[kind, SEEN].error < most
    assert said["decode, long", UNSEEN].error < 0.25
    found = list(targets.operators(said.values()))
    for kind in said.values():
        own = [one for one in targets.operators([kind]) if one.side == "seen"]
        if sum(one.rows for one in own) >= accuracy.LEAST_ROWS:
            assert 0.65 < held(own) < 0.95
    assert 0.75 < held([one for one in found if one.side == "seen"]) < 0.85
    assert 0.75 < held([one for one in found if one.side == "unseen"]) < 0.95
    written = accuracy.write(rows, list(said.values()), _folders(tmp_path))
    assert all(path.stat().st_size < 1 << 20 for path in written)


@pytest.mark.data
@pytest.mark.slow
def test_kernels_fitted_to_half_of_the_shapes_predict_the_other_half() -> None:
    """One of the fits that `silmark validate` makes to judge rows by."""
    tables = accuracy.public()
    trial = Trial(SEEN, 0, frozenset(), frozenset())
    again = accuracy.refits(tables)
    assert again is not None
    found = again(trial)
    assert np.any(found.errors != accuracy.measured(tables).errors)
    _, judges = trial.divide(found.half, found.chips)
    gpus = np.char.startswith(found.chips, "nvidia")
    assert np.median(np.abs(found.errors[judges & gpus])) < 0.15


def held(parts: Sequence[targets.Part]) -> float:
    """Share of the rows that their bars hold."""
    return float(np.average([one.inside for one in parts], weights=[one.rows for one in parts]))


def _folders(root: Path) -> Path:
    for name in ("corrections", "calibration"):
        (root / name).mkdir()
    return root


@pytest.mark.data
@pytest.mark.slow
def test_every_question_about_operators_gets_a_number() -> None:
    rows = 0
    for path in sorted((folder().parent / "questions").glob("ops_*.csv.gz")):
        done = bulk.predict_table(path)
        assert done.answered == len(done.lines), done.reasons
        rows += len(done.lines)
    assert rows > 125_000
