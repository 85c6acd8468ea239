"""`silmark support`: tables, documents, pictures, and sentences for what makes no sense."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import silmark
from silmark.errors import SilmarkError
from silmark.report.schema import DOCUMENTS

Run = Callable[..., Any]
FEW = "h100,groq,wse-3,sohu,z1,lightmatter-envise-2021"


def answer(run: Run, *words: str) -> Any:
    found = run("support", *words)
    assert found.code == 0, found.err
    return json.loads(found.out)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("support", ("mamba2-2.7b", "--on", FEW)),
        ("support", ("dtm-fashion-mnist", "--on", FEW)),
        ("support", ("llama-3.1-8b", "--on", FEW, "--precision", "int4:fp16")),
        ("support-matrix", ("--matrix", "--on", FEW, "--context", "512")),
        ("support-formats", ("--formats",)),
    ],
)
def test_documents_have_the_documented_shape(name: str, words: tuple[str, ...], run: Run) -> None:
    document = answer(run, *words, "--json")
    assert document["schema"] == f"silmark.{name}/1"
    DOCUMENTS[name].model_validate(document)
    assert "NaN" not in json.dumps(document)


def test_chips_come_in_the_order_of_their_verdicts(run: Run) -> None:
    rows = answer(run, "mamba2-2.7b", "--json")["rows"]
    order = [["native", "fallback", "cannot"].index(row["status"]) for row in rows]
    assert order == sorted(order)
    assert set(order) == {0, 1, 2}
    for row in rows:
        assert (row["status"] == "cannot") == bool(row["reason"])


def test_words_say_what_colours_would(run: Run) -> None:
    """The listing of one model: state, factor and what falls back, in plain text."""
    found = run("support", "mamba2-2.7b")
    assert found.code == 0
    lines = {line.split()[0]: line for line in found.out.splitlines() if line.strip()}
    assert " native " in lines["nvidia-h100-sxm5-80gb"]
    assert " fallback " in lines["groq-groqchip-1"]
    assert "on VXM lanes" in lines["groq-groqchip-1"]
    assert " cannot " in lines["etched-sohu"]
    assert "state-space scan" in lines["etched-sohu"]
    assert "\x1b" not in found.out


def test_one_chip_is_shown_operator_by_operator_and_format_by_format(run: Run) -> None:
    found = run("support", "mixtral-8x7b", "--on", "tpu-v6e")
    assert found.code == 0
    for word in ("operators", "experts", "matrix arrays", "formats", "converts", "computes"):
        assert word in found.out


def test_weights_that_are_only_stored_are_told(run: Run) -> None:
    (h100,) = answer(run, "llama-3.1-8b", "--on", "h100", "--precision", "int4:bf16", "--json")["rows"]
    assert (h100["status"], h100["weights"]) == ("native", "stores")
    (groq,) = answer(run, "llama-3.1-8b", "--on", "groq", "--precision", "int4:fp16", "--json")["rows"]
    assert (groq["status"], groq["weights"]) == ("native", "no")
    assert "nothing is known" in run("support", "llama-3.1-8b", "--on", "groq", "--precision", "int4:fp16").out


def test_tables_and_documents_agree(run: Run) -> None:
    document = answer(run, "--matrix", "--on", FEW, "--json")
    header, *lines = run("support", "--matrix", "--on", FEW).out.splitlines()
    assert header.split()[1:] == list(document["classes"])
    for line in lines:
        chip, *_ = line.split()
        states = [word.rstrip("?") for word in line.split()[1:] if not word.startswith("x")]
        assert states == [cell["status"] for cell in document["rows"][chip].values()]


@pytest.mark.parametrize(
    "words", [("--matrix", "--on", "h100,sohu"), ("--formats", "--on", "h100,corsair"), ("--formats", "--on", "z1")]
)
@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_pictures(words: tuple[str, ...], ending: str, run: Run, tmp_path: Path) -> None:
    path = tmp_path / f"support{ending}"
    assert run("support", *words, "--plot", str(path)).code == 0
    assert path.stat().st_size > 3000
    if ending == ".svg":  # one shape per square at least
        assert path.read_text(encoding="utf-8").count("<path") > 16


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ("one of a model, --matrix and --formats",)),
        (("llama-3.1-8b", "--matrix"), ("one of a model",)),
        (("--matrix", "--formats"), ("one of a model",)),
        (("llama-3.1-8c",), ("unknown model 'llama-3.1-8c'", "llama-3.1-8b")),
        (("llama-3.1-8b", "--on", "h10"), ("unknown chip 'h10'",)),
        (("llama-3.1-8b", "--on", ","), ("chips",)),
        (("llama-3.1-8b", "--precision", "fp88"), ("unknown format 'fp88'",)),
        (("llama-3.1-8b", "--precision", "bf16:bf16:bf16:bf16"), ("precision",)),
        (("llama-3.1-8b", "--context", "0"), ("context",)),
        (("llama-3.1-8b", "--context", "9" * 30), ("context",)),
        (("--matrix", "--batch", "nan"), ("batch",)),
        (("llama-3.1-8b", "--plot", "a.png"), ("plot", "--matrix or --formats")),
        (("--formats", "--plot", "a.gif"), ("plot", ".png")),
        (("--formats", "--plot", "/nowhere/a.png"), ("plot", "existing folder")),
        (("nowhere/config.json",), ("nowhere/config.json",)),
        (("hf:nobody\x1b/nothing",), ("hub",)),
    ],
)
def test_wrong_words_get_a_sentence(words: tuple[str, ...], expected: tuple[str, ...], run: Run) -> None:
    found = run("support", *words)
    assert found.code == 2
    assert found.out == ""
    assert found.err.startswith("silmark: ")
    assert found.err.count("\n") == 1
    for text in expected:
        assert text in found.err


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('[support]\nscan = "slow"\n', "support.scan"),
        ("support = 3\n", "support"),
        ('[support]\nteleport = { by = "native" }\n', "support.teleport"),
        ('[support]\nscan = { by = "magic", on = "", how = "", source = "s", grade = "paper" }\n', "native, fallback"),
    ],
)
def test_a_chip_file_with_odd_ways_is_refused(
    table: str, expected: str, run: Run, h100_toml: str, own_file: Callable[..., str]
) -> None:
    where = own_file(h100_toml.replace("[cannot]", table + "\n[cannot]", 1) if "[" in table else table + h100_toml)
    found = run("support", "mamba2-2.7b", "--on", where)
    assert found.code == 2
    assert found.out == ""
    assert expected in found.err


def test_a_chip_file_of_the_users_own_speaks_for_itself(run: Run, h100_toml: str, own_file: Callable[..., str]) -> None:
    own = '[support]\nscan = { by = "fallback", on = "host", how = "sent away", source = "me", grade = "assumed" }\n'
    path = own_file(h100_toml.replace("[cannot]", own + "\n[cannot]", 1).replace("nvidia-h100-sxm5-80gb", "mine"))
    (row,) = answer(run, "mamba2-2.7b", "--on", path, "--json")["rows"]
    assert row["status"] == "fallback"
    assert {use["on"] for use in row["operators"] if use["status"] == "fallback"} == {"host"}


def test_a_format_with_a_peak_is_multiplied_whatever_else_is_said(
    run: Run, h100_toml: str, own_file: Callable[..., str]
) -> None:
    own = '[support]\nfp8 = { by = "%s", on = "", how = "widened", source = "me", grade = "assumed" }\n'
    for by, use in (("stored", "computes"), ("converted", "converts")):
        path = own_file(h100_toml.replace("[cannot]", own % by + "\n[cannot]", 1))
        (row,) = answer(run, "--formats", "--on", path, "--json")["rows"].values()
        assert next(entry["use"] for entry in row if entry["format"] == "fp8") == use


leaves = st.one_of(st.text(max_size=9), st.integers(), st.booleans(), st.sampled_from(["native", "paper", "x" * 400]))
ways = st.dictionaries(st.sampled_from(["by", "on", "how", "source", "grade", "shown", "of"]), leaves, max_size=6)


@given(st.dictionaries(st.sampled_from(["scan", "gemm", "fp8", "spin"]), st.one_of(ways, leaves), max_size=3))
@settings(max_examples=40)
def test_any_table_is_an_answer_or_a_sentence(h100_toml: str, tmp_path: Path, table: dict[str, Any]) -> None:
    def toml(value: Any) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{key} = {toml(leaf)}" for key, leaf in value.items()) + " }"
        return json.dumps(value).replace("\x7f", "\\u007f")

    text = "[support]\n" + "".join(f"{key} = {toml(value)}\n" for key, value in table.items())
    path = tmp_path / "own.toml"
    path.write_text(h100_toml.replace("[cannot]", text + "\n[cannot]", 1), encoding="utf-8")
    said = ""
    try:
        silmark.support("mamba2-2.7b", str(path)).as_dict()
    except SilmarkError as refused:
        said = str(refused)
    assert len(said) < 1500
