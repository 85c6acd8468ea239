"""Random words and random changes to files: an answer or a sentence, never another exception, never a NaN."""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import api
from silmark.errors import SilmarkError
from silmark.figures.tables import data_folder
from silmark.report import catalogue
from silmark.report.schema import CompareDocument, EstimateDocument

Run = Callable[..., Any]
SEEDS = ("nvidia-h100-sxm5-80gb", "groq-groqchip-1", "cerebras-wse-3", "dmatrix-corsair", "google-tpu-v5e",
         "lightmatter-envise-2021", "extropic-z1")  # fmt: skip


def bounded(examples: int) -> settings:
    return settings(
        max_examples=examples,
    )


texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["", "bf16", "gpu", "wafer", "TB/s", "1", "measured", "hgx-h100-8", "cs-3", "\x1b[2J", "x" * 500]),
)
numbers = st.one_of(
    st.integers(-3, 3),
    st.integers(-(10**20), 10**20),
    st.sampled_from([10**31, 10**400, -(10**400)]),
    st.floats(),
    st.floats(1e-30, 1e30),
)
values = st.recursive(
    st.one_of(numbers, texts, st.booleans(), st.dates()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=4,
)


def toml(value: object) -> str:
    """One value as TOML text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return str(value)


def leaves(table: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of all entries, tables included."""
    found = []
    for key, value in table.items():
        found.append((*path, key))
        if isinstance(value, dict):
            found += leaves(value, (*path, key))
    return found


def changed(table: dict[str, Any], path: tuple[str, ...], value: object) -> str:
    whole = copy.deepcopy(table)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return "\n".join(f"{toml(key)} = {toml(entry)}" for key, entry in whole.items())


def original(folder: str, name: str) -> dict[str, Any]:
    return tomllib.loads((data_folder() / folder / f"{name}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_writer_of_these_tests_keeps_a_file_as_it_is(seed: str) -> None:
    table = original("chips", seed)
    assert tomllib.loads(changed(table, ("id",), table["id"])) == table


@pytest.mark.parametrize("seed", SEEDS)
@bounded(60)
@given(data=st.data())
def test_chips_with_one_entry_changed(seed: str, data: st.DataObject, tmp_path: Path) -> None:
    table = original("chips", seed)
    path = data.draw(st.sampled_from(leaves(table)), label="path")
    value = data.draw(numbers if path[-1] in ("value", "low", "high") else values, label="value")
    file = tmp_path / "mine.toml"
    file.write_text(changed(table, path, value), encoding="utf-8")
    model = "ising-70x70" if table["family"] == "thermodynamic" else "llama-3.2-1b"
    try:
        document = api.compare(model, chips=[str(file)], batch=4).as_dict()
        page = catalogue.page("chip", str(file)).as_dict()
    except SilmarkError:
        return
    CompareDocument.model_validate_json(json.dumps(document, allow_nan=False))
    json.dumps(page, allow_nan=False)


@bounded(120)
@given(data=st.data())
def test_systems_with_one_entry_changed(data: st.DataObject, tmp_path: Path) -> None:
    table = original("systems", data.draw(st.sampled_from(["hgx-h100-8", "google-tpu-v5e-slice-256", "groqrack-9"])))
    path = data.draw(st.sampled_from(leaves(table)), label="path")
    value = data.draw(numbers if path[-1] in ("value", "low", "high", "chips", "group") else values, label="value")
    file = tmp_path / "mine.toml"
    file.write_text(changed(table, path, value), encoding="utf-8")
    try:
        document = api.estimate("llama-3.2-1b", str(file), batch=4).as_dict()
    except SilmarkError:
        return
    EstimateDocument.model_validate_json(json.dumps(document, allow_nan=False))


words = st.one_of(
    st.text(max_size=10),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ["", "all", "auto", "none", "h100", "-h100", "h100,,groq", "host", "2s", "1e-9s", "bf16", "int4:bf16:fp8",
         "1,2", "own", "own,equal", "ttft", "edge", "²", "٣", "1_000", "1,024", "/", ".", "~", "*", "x.toml", "hf:"]
    ),
)  # fmt: skip
COMPARE = ("workload", "prompt", "output", "ttft", "tpot", "batch", "power", "chips", "precision", "maturity", "sort")
ESTIMATE = ("on", "tp", "pp", "dp", "ep", "batch", "workload", "precision", "weights-in", "region", "maturity")
ENGINE = ("cp", "chunk", "kv-in", "reuse", "reuse-share", "think", "offload", "draft", "acceptance", "draft-tokens")


def check(found: Any) -> None:
    assert found.code in (0, 2)
    assert "Traceback" not in found.err
    assert "Warning" not in found.err
    if found.code == 0:
        json.loads(found.out)
    else:
        assert found.err
        assert found.out == ""


@bounded(150)
@given(options=st.dictionaries(st.sampled_from(COMPARE), words, min_size=1, max_size=2))
def test_options_of_compare(options: dict[str, str], run: Run) -> None:
    given_ = [f"--{name}={value}" for name, value in ({"chips": "h100,groq"} | options).items()]
    check(run("compare", "llama-3.2-1b", "--json", *given_))


@bounded(150)
@given(options=st.dictionaries(st.sampled_from(ESTIMATE), words, min_size=1, max_size=2))
def test_options_of_estimate(options: dict[str, str], run: Run) -> None:
    given_ = [f"--{name}={value}" for name, value in ({"on": "8x:h100"} | options).items()]
    check(run("estimate", "llama-3.2-1b", "--json", *given_))


@bounded(150)
@given(options=st.dictionaries(st.sampled_from(ENGINE), words, min_size=1, max_size=2))
def test_options_of_the_engine(options: dict[str, str], run: Run) -> None:
    usual = {"reuse": "500", "draft": "llama-3.2-1b", "acceptance": "0.5", "draft-tokens": "2"}
    given_ = [f"--{name}={value}" for name, value in (usual | options).items()]
    check(run("estimate", "llama-3.2-1b", "--on=8x:h100", "--json", *given_))


@bounded(100)
@given(name=words.filter(lambda word: not word.startswith(("hf:", "-"))))
def test_names_of_models_chips_and_systems(name: str, run: Run) -> None:
    check(run("compare", "--json", "--chips=h100", "--", name))
    check(run("chips", "show", "--json", "--", name))
    check(run("systems", "show", "--json", "--", name))
