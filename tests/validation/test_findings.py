"""What a validation leaves behind: its folder of tables, the HTML report, the pages, and progress."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import re
import time
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tables
from operator_tables import ROWS

from silmark.calibration.engines import Sample
from silmark.calibration.rows import given
from silmark.cli import progress
from silmark.errors import BadFile, BadValue
from silmark.report.accuracy import Findings, find, html, pages, pictures, series
from silmark.validation import rows
from silmark.validation.cross import Judged
from silmark.validation.grid import Grid
from silmark.validation.operators import accuracy
from silmark.validation.operators.kinds import KINDS

Run = Callable[..., Any]
PNG = b"\x89PNG"
SIZES = ("isl", "kv_len", "num_tokens", "message_elements", "size_bytes", "m", "tokens", "kv_prefill", "kv_cache_size")
EACH = 6
"""Rows of a table on each of two chips."""


def operators(folder: Path) -> None:
    """Every operator table, with a few rows of nearly the plain shape, each slower than the one before."""
    for kind in KINDS:
        size = next(name for name in SIZES if ROWS[kind.name].get(name))
        large = int(ROWS[kind.name][size])
        cells = [
            {**ROWS[kind.name], size: f"{large + i}", "time_us": f"{100 * 1.001**i}", "flag": ""} for i in range(48)
        ]
        text = io.StringIO()
        out = csv.DictWriter(text, list(cells[0]))
        out.writeheader()
        out.writerows(cells)
        (folder / f"{kind.table}.csv.gz").write_bytes(gzip.compress(text.getvalue().encode()))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the one that SILMARK_DATA names."""
    root = tmp_path_factory.mktemp("data")
    public = root / "measurements" / "public"
    public.mkdir(parents=True)
    for name in rows.TABLES:
        many = [
            {"value": f"{value}", "hardware": chip}
            for value in range(700, 700 + 20 * EACH, 20)
            for chip in ("H100-SXM-80GB", "H200-SXM-141GB")
        ]
        tables.put(public, name, *many, {"model": "<b>Eliza</b>"})
    operators(public)
    return root


@pytest.fixture(scope="module")
def found(data: Path) -> Findings:
    return find(where=data)


def test_a_folder_is_found_at_three_depths(data: Path) -> None:
    public = data / "measurements" / "public"
    for root in (data, data / "measurements", public):
        assert given(root, rows.TABLES) == public


def test_a_folder_without_tables_or_with_some_is_refused(data: Path, tmp_path: Path, run: Run) -> None:
    ran = run("validate", "--data", str(tmp_path))
    assert (ran.code, ran.out) == (2, "")
    assert "measurements/public" in ran.err
    tables.put(tmp_path, rows.TABLES[0], {})
    with pytest.raises(BadValue, match=f"missing: {rows.TABLES[1]}"):
        given(tmp_path, rows.TABLES)
    with pytest.raises(BadValue, match="missing"):
        find("models", tmp_path)


def test_only_the_tables_of_the_part_are_needed(tmp_path: Path) -> None:
    operators(tmp_path)
    said = find("operators", tmp_path)
    assert said.models is None
    assert {one.kind for one in said.said} >= {"gemm 16 bits, long", "decode, long", "experts, long"}


def test_a_broken_table_is_named(data: Path, tmp_path: Path, run: Run) -> None:
    for path in (data / "measurements" / "public").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / f"{rows.TABLES[0]}.csv.gz").write_bytes(b"not packed")
    ran = run("validate", "--only", "models", "--data", str(tmp_path))
    assert ran.code == 2
    assert f"{rows.TABLES[0]}.csv.gz: not a whole gzip file" in ran.err


class _Page(HTMLParser):
    """Collects what a page refers to, and whether its elements close."""

    def __init__(self) -> None:
        super().__init__()
        self.images: list[str] = []
        self.anchors: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.tables = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.images += [found["src"] or ""] if tag == "img" else []
        self.anchors += [found["href"] or ""] if tag == "a" else []
        self.ids += [found["id"] or ""] if "id" in found else []
        self.tables += tag == "table"
        if tag not in ("img", "meta", "br", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_whole_and_needs_nothing_else(data: Path, tmp_path: Path, run: Run) -> None:
    ran = run("validate", "--data", str(data), "--html", str(tmp_path / "a" / "report"))
    assert ran.code == 0
    page = tmp_path / "a" / "report" / "index.html"
    assert f"wrote {page}" in ran.out
    text = page.read_text(encoding="utf-8")
    read = _Page()
    read.feed(text)
    assert read.open == []
    assert len(read.images) == 6
    assert all((page.parent / name).read_bytes().startswith(PNG) for name in read.images)
    assert {anchor.removeprefix("#") for anchor in read.anchors} == set(read.ids)
    assert "http" not in text
    assert "<script" not in text
    assert "Eliza" in text
    assert "<b>Eliza" not in text
    said = find(where=data)
    assert read.tables == len(said.grids())


def test_a_report_that_cannot_be_written_is_refused(data: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "taken").write_text("a file")
    ran = run("validate", "--only", "models", "--data", str(data), "--html", str(tmp_path / "taken"))
    assert ran.code == 2
    assert "html" in ran.err
    assert "Traceback" not in ran.err


def test_a_report_of_nothing_but_one_part(data: Path, tmp_path: Path) -> None:
    text = html.write(find("operators", data), tmp_path).read_text(encoding="utf-8")
    assert "Whole models" not in text
    assert {path.name for path in tmp_path.iterdir()} == {
        "index.html",
        "operators-scatter.png",
        "operators-histogram.png",
        "operators-coverage.png",
    }


def test_json_has_both_parts(data: Path, run: Run) -> None:
    ran = run("validate", "--json", "--data", str(data))
    document = json.loads(ran.out)
    assert document["rows"] == 2 * EACH * len(rows.TABLES)
    assert {line["operators"] for line in document["operators"]} >= {"gemm 16 bits, long", "collective"}


def judged(chip: str, seconds: float, left: float, kind: str = "tpot") -> Judged:
    """A row on a chip whose bar holds a factor of 1.1 either way."""
    levels = {"chip": chip, "model": "m", "vendor": "v"}
    return Judged(Sample("fast", kind, levels, seconds, (1.0,)), left, np.log(1.1), np.log(1.1))


def test_points_are_the_rows_that_fits_left_out(found: Findings) -> None:
    assert found.models is not None
    panels = {panel.title: panel for panel in series.of_models(found.models.judged)}
    rows_ = found.models.judged["throughput", "chip"]
    assert panels["throughput"].note == "every chip left out"
    assert sorted(panels["throughput"].logs) == pytest.approx(sorted(one.left for one in rows_))
    assert set(panels["throughput"].chips) == {"nvidia-h100-sxm5-80gb", "nvidia-h200-sxm-141gb"}


def test_the_hardest_question_is_drawn() -> None:
    easy, hard = ([judged("google-tpu-v6e", 0.1, left)] * 6 for left in (0.01, 0.3))
    (panel,) = series.of_models({("tpot", "row"): easy, ("tpot", "chip"): hard})
    assert panel.predicted == pytest.approx(0.1 / np.exp(0.3))
    (panel,) = series.of_models({("power", "model"): [judged("google-tpu-v6e", 300.0, 0.0, "power")] * 6})
    assert (panel.unit, panel.note) == ("W", "every model left out")
    assert not series.of_models({("tpot", "row"): easy[: series.LEAST_ROWS - 1]})


def test_bars_hold_what_they_hold() -> None:
    good, bad = judged("google-tpu-v6e", 0.1, 0.05), judged("amd-mi300x-192gb", 0.1, 0.2)
    (seen, unseen) = series.held_by_models({("tpot", "row"): [good] * 5, ("tpot", "chip"): [good] * 6 + [bad] * 2})
    assert (seen.label, seen.share, seen.chips) == ("tpot, chip measured", 1.0, (1.0,))
    assert (unseen.label, unseen.share, unseen.chips) == ("tpot, chip never measured", 0.75, (1.0, 0.0))
    assert unseen.width == pytest.approx(1.21)


def test_operators_are_drawn_without_the_rows_of_their_chip() -> None:
    """Two chips that err by different factors: what is drawn is what is left where the other chip corrects."""
    logs = np.log(np.geomspace(1e-6, 1e-3, 60))
    errors = np.concatenate([np.full(60, 0.5), np.full(60, 0.1)])
    chips = np.repeat(np.array(["nvidia-h100-sxm5-80gb", "nvidia-a100-sxm4-80gb"]), 60)
    measured = accuracy.Measured(np.full(120, "grouped/x"), chips, np.tile(logs, 2), errors, np.arange(120) % 2)
    said = accuracy.judge(measured)
    (panel,) = series.of_operators(said)
    assert panel.note == "every generation left out"
    assert np.sort(panel.measured) == pytest.approx(np.sort(np.exp(measured.logs + measured.errors)))
    h100 = panel.chips == "nvidia-h100-sxm5-80gb"
    assert panel.logs[h100] == pytest.approx(0.4)
    assert panel.logs[~h100] == pytest.approx(-0.4)


def test_pictures_are_the_same_for_the_same_rows(tmp_path: Path) -> None:
    values = np.geomspace(1e-3, 1.0, 30)
    panel = series.Panel("tpot", "s", np.full(30, "google-tpu-v6e"), values, values * 1.1)
    for name in ("a", "b"):
        pictures.scatter([panel], tmp_path / f"{name}.png", "title")
        pictures.histograms([panel], tmp_path / f"{name}-h.png", "title")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a-h.png").read_bytes() == (tmp_path / "b-h.png").read_bytes()
    with pytest.raises(BadFile):
        pictures.scatter([panel], tmp_path / "no folder" / "c.png", "title")


def page(*names: str) -> str:
    parts = [f"<!-- accuracy:{name} -->\nold {name}\n<!-- /accuracy:{name} -->" for name in names]
    return "before\n" + "\n".join(parts) + "\nafter\n"


def docs(folder: Path) -> Path:
    (folder / "img").mkdir(parents=True)
    (folder / "accuracy.md").write_text(page("summary", "plans", "models", "operators"))
    (folder / "accuracy-detail.md").write_text(page("models", "operators"))
    return folder


def test_pages_get_summary_details_and_pictures(found: Findings, tmp_path: Path) -> None:
    written = pages.write(found, docs(tmp_path / "docs"))
    assert [path.name for path in written] == [*pages.PAGES, pages.SCATTER, pages.HISTOGRAM]
    front, detail = (path.read_text() for path in written[:2])
    assert front.startswith("before\n")
    assert front.endswith("after\n")
    assert "old" not in front + detail
    titles = [grid.title for grid in found.model_grids() + found.operator_grids()]
    assert all((f"### {title}" in front) != (f"### {title}" in detail) for title in titles)
    assert found.grids()[0].title not in front + detail  # the summary stands without a heading
    assert "<b>Eliza</b>" in detail
    assert all(path.read_bytes().startswith(PNG) for path in written[2:])
    assert pages.write(found, tmp_path / "docs") == written
    assert written[0].read_text() == front


def test_half_a_run_leaves_the_other_half_of_the_pages(found: Findings, tmp_path: Path) -> None:
    half = replace(found, models=None)
    written = pages.write(half, docs(tmp_path / "docs"))
    assert len(written) == 2
    front = written[0].read_text()
    assert "old summary" in front
    assert "old models" in front
    assert "old plans" in front
    assert "old operators" not in front


def test_a_page_wants_its_markers() -> None:
    start, end = "<!-- accuracy:summary -->", "<!-- /accuracy:summary -->"
    for broken in ("", start, f"{end}{start}", f"{start}{start}{end}", f"{start}{end}{end}"):
        with pytest.raises(BadFile, match="accuracy:summary"):
            pages.page(broken, {"summary": "text"})


def test_the_pages_of_the_checkout_have_all_markers() -> None:
    folder = pages.folder()
    assert folder is not None
    front, detail = ((folder / name).read_text(encoding="utf-8") for name in pages.PAGES)
    assert re.findall(r"<!-- accuracy:(\w+) -->", front) == ["summary", "plans", "models", "operators"]
    assert re.findall(r"<!-- accuracy:(\w+) -->", detail) == ["models", "operators"]


def test_long_tables_are_folded() -> None:
    short, long = (html.table(Grid("a < b", ("x", "y"), (("1 & 2", "3"),), 1, detail)) for detail in (False, True))
    assert "a &lt; b" in short
    assert '<td>1 &amp; 2</td><td class="n">3</td>' in short
    assert long.startswith("<details>")
    assert "<details>" not in short


def test_progress_is_silent_when_quick_and_speaks_when_slow(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("silmark.validation.score")
    with progress.shown(60.0):
        logger.info("quick")
    assert capsys.readouterr().err == ""
    with progress.shown(0.02):
        logger.info("slow %s", "part")
        time.sleep(0.3)
    assert re.fullmatch(r" +0 s  slow part\n", capsys.readouterr().err)
    with progress.shown(0.1):
        logger.info("first")
        logger.info("last")
        time.sleep(0.4)
    assert re.fullmatch(r" +0 s  last\n", capsys.readouterr().err)
    logger.info("nobody listens")
    assert capsys.readouterr().err == ""


@pytest.mark.data
@pytest.mark.slow
def test_measured_rows_make_a_report(run: Run, tmp_path: Path) -> None:
    """The real tables; progress appears since it takes longer than two seconds."""
    ran = run("validate", "--only", "models", "--html", str(tmp_path), "--json")
    assert ran.code == 0
    document = json.loads(ran.out)
    assert document["schema"] == "silmark.validate/1"
    assert {"targets", "groups", "chips", "classes", "conditions", "skipped"} <= set(document)
    assert " s  predicting " in ran.err
    assert len(list(tmp_path.glob("*.png"))) == 3
    assert (tmp_path / "index.html").stat().st_size > 20_000
