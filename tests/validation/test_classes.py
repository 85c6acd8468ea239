"""Residual classes: weights, widening, what makes one, and the file that they are written to."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tables

from silmark.figures.tables import read_figure, walk
from silmark.validation import rows, run, write
from silmark.validation.classes import METRICS, Class, assumed, classes, from_logs, measured, quantiles, widening
from silmark.validation.predict import work
from silmark.validation.score import Outcome, group, outcome, predicted, score
from silmark.validation.work import Work

RANDOM = np.random.default_rng(7)


def judged(row: rows.Row) -> Outcome:
    done = work(row)
    assert isinstance(done, Work), done
    return outcome(row, done)


def outcomes(folder: Path, hardware: str, ratios: np.ndarray, engine: str = "TensorRT-LLM") -> list[Outcome]:
    tables.put(folder, "trtllm_docs_throughput", {"hardware": hardware, "engine": engine})
    (row,) = rows.read("trtllm_docs_throughput", folder).rows
    one = judged(row)
    return [replace(one, ratio=float(ratio)) for ratio in ratios]


def test_groups_weigh_alike_however_large() -> None:
    low, middle, high = quantiles([np.zeros(10_000), np.ones(10)])
    assert (low, high) == (0.0, 1.0)
    assert 0.0 <= middle <= 1.0


def test_quantiles_of_one_group_are_the_usual_ones() -> None:
    values = RANDOM.normal(size=5000)
    assert quantiles([values]) == pytest.approx(np.quantile(values, (0.1, 0.5, 0.9)), abs=0.01)


def test_like_chips_need_no_widening_and_unlike_ones_do() -> None:
    alike = [RANDOM.normal(0.0, 0.2, 4000) for _ in range(5)]
    assert widening(alike)[0] < 1.05
    unlike = [RANDOM.normal(shift, 0.1, 400) for shift in (-0.15, 0.0, 0.15)]
    factor, held = widening(unlike)
    assert factor > 1.1
    assert held >= 0.8
    assert widening([np.zeros(50) - 1.0, np.zeros(50) + 1.0])[1] < 0.8


def test_a_class_needs_rows_of_two_chips(tmp_path: Path) -> None:
    h100 = outcomes(tmp_path, "H100-SXM-80GB", np.exp(RANDOM.normal(0, 0.1, 40)))
    h200 = outcomes(tmp_path, "H200-SXM-141GB", np.exp(RANDOM.normal(0, 0.1, 40)))
    assert not measured(h100)
    assert not measured([*h100[:6], *h200[:6]])
    (made,) = measured([*h100, *h200])
    assert (made.name, made.metric) == ("gpu-measured", "throughput")
    assert made.low < made.value < made.high


def test_other_engines_and_fitted_rows_set_nothing(tmp_path: Path) -> None:
    ratios = np.full(40, 4.0)
    both = outcomes(tmp_path, "H100-SXM-80GB", ratios, "llama.cpp")
    both += outcomes(tmp_path, "H200-SXM-141GB", ratios, "llama.cpp")
    assert not measured(both)
    fitted = {
        "model": "meta-llama/Llama-2-7b-hf",
        "batch": "1",
        "engine": "vLLM",
        "metric": "batch_latency",
        "unit": "s",
    }
    tables.put(tmp_path, "argonne_llm_inference_bench", fitted)
    (row,) = rows.read("argonne_llm_inference_bench", tmp_path).rows
    assert not judged(row).counts


def test_uncertain_maturity_leaves_only_the_spread(tmp_path: Path) -> None:
    h100 = outcomes(tmp_path, "H100-SXM-80GB", np.exp(RANDOM.normal(0, 0.1, 200)))
    slow = outcomes(tmp_path, "MI300X-192GB", 0.2 * np.exp(RANDOM.normal(0, 0.1, 200)))
    (made,) = measured([*h100, *slow])
    assert made.value == pytest.approx(1.0, abs=0.05)
    assert made.low > 0.7


def test_every_class_and_metric_has_a_bar() -> None:
    have = {(one.name, one.metric) for one in classes([])}
    assert have >= {(name, metric) for name in ("measured", "published", "none") for metric in METRICS}
    assert all(one.why and one.low < 1.0 < one.high for one in assumed())


def test_one_measured_chip_leaves_its_models_out(tmp_path: Path) -> None:
    gaudi: list[Outcome] = []
    for model, shift in (("a", 0.0), ("b", 0.05), ("c", -0.05)):
        made_of = outcomes(tmp_path, "Gaudi2", np.exp(RANDOM.normal(shift, 0.1, 30)), "Deepspeed")
        gaudi += [replace(one, row=replace(one.row, model=model), counts=True) for one in made_of]
    (made,) = measured(gaudi)
    assert (made.name, made.grade, dict(made.rows)) == ("systolic-measured", "derived", {"intel-gaudi-2-96gb": 90})
    assert made.held == pytest.approx(0.8, abs=0.1)
    assert not measured([one for one in gaudi if one.row.model == "a"])


def test_searches_set_nothing(tmp_path: Path) -> None:
    contrastive = {
        "hardware": "Gaudi2",
        "engine": "optimum-habana",
        "notes": "test=test_text_generation_contrastive_search;",
    }
    tables.put(tmp_path, "gaudi_optimum_habana", contrastive)
    (row,) = rows.read("gaudi_optimum_habana", tmp_path).rows
    assert not judged(row).counts


def test_the_written_file_is_read_back_as_figures() -> None:
    made = from_logs("gpu-measured", "tpot", {"a": RANDOM.normal(0, 0.1, 40), "b": RANDOM.normal(0, 0.2, 40)}, 'a "b"')
    table = tomllib.loads(write.residuals([made, *assumed()]))
    figures = {key: read_figure("residuals.toml", key, leaf) for key, leaf in walk(table["classes"])}
    assert figures["gpu-measured.tpot"].low == pytest.approx(made.low, rel=1e-3)
    assert "left out" in figures["gpu-measured.tpot"].note
    assert set(figures) >= {f"none.{metric}" for metric in METRICS}


def test_a_whole_run_on_synthetic_tables(tmp_path: Path) -> None:
    for name in rows.TABLES:
        tables.put(tmp_path, name, {}, {"model": "Eliza"}, {"flag": "SUSPECT"})
    report = run(where=tmp_path)
    assert len(report.scored.outcomes) == len(rows.TABLES)
    assert sum(report.scored.skipped.values()) == 2 * len(rows.TABLES)
    document = report.as_dict()
    assert document["schema"] == "silmark.validate/1"
    assert document["rows"] == len(rows.TABLES)
    assert all(len(cells) == len(part.headers) for part in report.grids() for cells in part.rows)
    said = group(score(predicted(where=tmp_path)).outcomes)
    assert said.rows == len(rows.TABLES)
    assert 0.0 <= said.coverage <= 1.0


def test_the_command_says_which_folder_it_needs(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SILMARK_DATA", raising=False)
    ran = run("validate")
    assert ran.code == 2
    assert "measurements/public" in ran.err


def test_a_class_without_rows_is_assumed() -> None:
    assert Class("none", "tpot", 0.5, 1.0, 2.0, {}).assumed
