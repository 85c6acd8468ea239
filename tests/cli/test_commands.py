"""The commands print what they promise, whole, and end as shells expect."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from silmark import api, chips, models, systems
from silmark.figures import load_sources
from silmark.figures.numbers import si
from silmark.report.schema import DOCUMENTS, CompareDocument, EstimateDocument

Run = Callable[..., Any]


def lines(text: str) -> dict[str, str]:
    """First word of each line -> the line."""
    return {line.split()[0]: line for line in text.splitlines() if line.strip()}


def test_help_names_every_command(run: Run) -> None:
    found = run("--help")
    assert found.code == 0
    asked = "compare estimate engine search size serve-sim capacity sweep train"
    money = "cost port build-or-buy collective channel cable memory"
    known = "chips system links media parts models schema claims validate predict measure calibrate"
    for command in f"{asked} {money} {known}".split():
        assert command in found.out
        assert run(command, "--help").code == 0


def test_compare_as_json(run: Run) -> None:
    found = run("compare", "llama-3.1-8b", "--chips", "h100,groq,rain-npu", "--json", "--sort", "chip")
    assert (found.code, found.err) == (0, "")
    document = json.loads(found.out)
    CompareDocument.model_validate(document)
    assert document == api.compare("llama-3.1-8b", chips="h100,groq,rain-npu", sort="chip").as_dict()


def test_options_reach_the_question(run: Run) -> None:
    words = "--workload code --prompt 100 --output 20 --ttft 3s --tpot none --batch 4 --power 9000 --precision fp8"
    words += " --maturity equal --sort cost --chips h100 --json"
    found = run("compare", "llama-3.1-8b", *words.split())
    asked = json.loads(found.out)["question"]
    assert asked == {
        "model": "llama-3.1-8b", "workload": "code", "prompt": 100, "output": 20, "ttft_s": 3.0, "tpot_s": None,
        "batch": 4, "power_w": 9000.0, "chips": "h100", "precision": "fp8", "maturity": "equal", "sort": "cost",
    }  # fmt: skip


def test_the_heading_is_of_the_model_even_where_nothing_runs(run: Run) -> None:
    found = run("compare", "llama-3.1-8b", "--chips", "extropic-z1")
    assert found.out.startswith("llama-3.1-8b, chat: 1024 tokens in, 256 out; TTFT 2 s, TPOT 50 ms")
    assert "tok/s/chip" in found.out
    assert "items/s" not in found.out


def test_no_chip_and_no_reason_is_cut(run: Run) -> None:
    """Sixty rows in a pipe: every id and every reason whole, one line each."""
    answer = api.compare("mamba-codestral-7b")
    found = run("compare", "mamba-codestral-7b")
    assert found.code == 0
    table = lines(found.out)
    for row in answer.rows:
        assert row.reason in table[row.chip.id]
        if row.estimate is not None:
            assert row.estimate.step_model.target.system.id in table[row.chip.id]
    assert "…" not in found.out
    assert "\x1b" not in found.out


def test_long_reasons_of_an_own_chip_are_not_cut(run: Run, own_file: Any, h100_toml: str) -> None:
    reason = "because " * 300 + "of the end"
    path = own_file(h100_toml.replace("[cannot]", f'[cannot]\nattention = "{reason}"'), "long.toml")
    found = run("compare", "llama-3.1-8b", "--chips", path)
    assert reason in found.out


def test_a_page_holds_every_figure_whole(run: Run) -> None:
    for name in chips.names():
        found = run("chips", "show", name)
        assert found.code == 0
        chip = chips.load(name)
        table = lines(found.out)
        for key, figure in chip.figures.items():
            assert figure.source in table[key]
            assert str(figure.grade) in table[key]
            assert figure.note in table[key]


def test_explain_lists_every_used_figure_with_a_source(run: Run) -> None:
    found = run("compare", "llama-3.1-8b", "--chips", "h100,groq", "--explain")
    known = load_sources()
    for row in api.compare("llama-3.1-8b", chips="h100,groq").rows:
        page = found.out.split(f"\n\n{row.chip.id}", 1)[1].split("\n\n")[0]
        table = lines(page)
        assert len(row.figures) > 10
        for key, figure in row.figures.items():
            assert figure.source in table[key], key
            assert figure.source in known, key


def test_estimate_prints_batches_and_operators(run: Run) -> None:
    found = run("estimate", "llama-3.1-8b", "--on", "8x:h100", "--batch", "2,32", "--tp", "4", "--dp", "2")
    assert (found.code, found.err) == (0, "")
    assert found.out.startswith("llama-3.1-8b on 8x:nvidia-h100-sxm5-80gb, TP4 DP2 bf16")
    table = lines(found.out)
    assert "all-reduce" in found.out
    assert "link" in table["layer.attention.out.all-reduce"]
    assert "2" in table
    assert "32" in table


def test_estimate_as_json(run: Run) -> None:
    found = run("estimate", "mixtral-8x7b", "--on", "hgx-h100-8", "--json", "--explain")
    EstimateDocument.model_validate(json.loads(found.out))


def test_estimate_says_why_not(run: Run) -> None:
    found = run("estimate", "mamba-codestral-7b", "--on", "etched-sohu", "--explain")
    assert found.code == 0
    assert "cannot run: state-space scan" in found.out


def test_the_lists_are_the_catalogue(run: Run) -> None:
    every = {"chips": (*chips.names(), "host"), "systems": systems.names(), "models": models.names()}
    for command, names in every.items():
        table = lines(run(command).out)
        assert set(names) == set(table) - {command[:-1]}
        listed = json.loads(run(command, "--json").out)
        assert DOCUMENTS["list"].model_validate(listed)
        assert listed["schema"] == f"silmark.{command}/1"
        assert [entry[command[:-1]] for entry in listed["rows"]] == list(names)


def test_a_chips_page(run: Run) -> None:
    found = run("chips", "show", "h100")
    table = lines(found.out)
    assert table["id"].split() == ["id", "nvidia-h100-sxm5-80gb"]
    assert "3.35 TB/s" in table["memory.main.bandwidth"]
    assert "NVIDIA" in table["nvidia-h100-datasheet"]
    page = json.loads(run("chips", "show", "h100", "--json").out)
    assert page["facts"]["usual system"] == "hgx-h100-8"
    assert DOCUMENTS["page"].model_validate(page)
    assert {entry["source"] for entry in page["figures"]} == {entry["key"] for entry in page["sources"]}
    bandwidth = next(entry for entry in page["figures"] if entry["key"] == "memory.main.bandwidth")
    assert (bandwidth["value"], bandwidth["unit"]) == (3.35e12, "B/s")


def test_a_systems_page(run: Run) -> None:
    page = json.loads(run("systems", "show", "hgx-h100-8", "--json").out)
    assert page["facts"]["chips"] == "8 x nvidia-h100-sxm5-80gb"
    assert any(entry["key"] == "scale_out.bandwidth" for entry in page["figures"])
    assert "InfiniBand NDR" in run("systems", "show", "hgx-h100-8").out


@pytest.mark.parametrize("name", ["compare", "estimate"])
def test_the_schema_is_a_json_schema(name: str, run: Run) -> None:
    schema = json.loads(run("schema", name).out)
    assert schema["properties"]["schema"]["const"] == f"silmark.{name}/1"
    row = schema["$defs"]["RowDocument"]
    assert row["additionalProperties"] is False
    keys = set(api.compare("llama-3.1-8b", chips="h100").as_dict()["rows"][0])
    assert set(row["properties"]) == set(row["required"]) == keys


@pytest.mark.parametrize(("ending", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_pictures(ending: str, magic: bytes, run: Run, tmp_path: Path) -> None:
    path = tmp_path / f"picture{ending}"
    found = run("compare", "llama-3.1-8b", "--chips", "h100,groq,rain-npu,extropic-z1", "--plot", str(path))
    assert found.code == 0
    assert path.read_bytes().startswith(magic)
    assert path.stat().st_size > 5000


def test_a_picture_of_nothing_that_runs(run: Run, tmp_path: Path) -> None:
    found = run("compare", "llama-3.1-8b", "--chips", "extropic-z1", "--plot", str(tmp_path / "x.png"))
    assert found.code in (0, 2)
    assert "Traceback" not in found.err


@pytest.mark.parametrize("name", ["x.bmp", "x", "missing/x.png", "", "folder.png"])
def test_pictures_that_cannot_be_written(name: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    found = run("compare", "llama-3.1-8b", "--chips", "h100", "--plot", str(tmp_path / name) if name else "")
    assert found.code == 2
    assert found.err.startswith("silmark: plot: ")
    assert found.err.count("\n") == 1


def shell(*words: str, **more: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "silmark", *words], capture_output=True, check=False, **more)


def test_a_closed_pipe_is_no_error() -> None:
    for words in (("chips",), ("compare", "llama-3.1-8b", "--explain"), ("compare", "llama-3.1-8b", "--json")):
        writer = subprocess.Popen(
            [sys.executable, "-m", "silmark", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert writer.stdout is not None
        assert writer.stderr is not None
        writer.stdout.readline()
        writer.stdout.close()
        errors = writer.stderr.read()
        writer.stderr.close()
        assert writer.wait() == 0, words
        assert errors == b"", words


def test_errors_go_to_stderr_with_code_2() -> None:
    found = shell("compare", "llama-3.1-8b", "--chips", "h1000")
    assert found.returncode == 2
    assert found.stdout == b""
    assert found.stderr.startswith(b"silmark: unknown chip 'h1000': did you mean ")
    assert found.stderr.count(b"\n") == 1


def test_a_negative_answer_is_an_answer() -> None:
    found = shell("compare", "llama-3.1-8b", "--chips", "extropic-z1,rain-npu")
    assert found.returncode == 0
    assert found.stderr == b""
    assert b"cannot run: attention" in found.stdout


@pytest.mark.parametrize("columns", [60, 80, 120, 300])
def test_a_terminal_of_any_width_shows_ids_and_numbers_whole(columns: int) -> None:
    """Lines may wrap on the screen, but nothing is dropped from them."""
    pty = pytest.importorskip("pty")
    outer, inner = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    words = [sys.executable, "-m", "silmark", "compare", "llama-3.1-8b", "--chips", "h100,groq,rain-npu"]
    shown = b""
    with subprocess.Popen(words, stdout=inner, env=environment):
        os.close(inner)
        with contextlib.suppress(OSError):  # Linux ends a terminal whose other side is closed with an error
            while more := os.read(outer, 65_536):
                shown += more
    os.close(outer)
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    for row in api.compare("llama-3.1-8b", chips="h100,groq,rain-npu").rows:
        assert row.chip.id in text
        assert row.reason in text
        if row.estimate is not None:
            assert row.estimate.ttft_s is not None
            assert si(row.estimate.ttft_s.mid, "s") in text
            assert si(row.estimate.joules.mid, "J") in text
            assert row.estimate.step_model.target.system.id in text
