"""Programs: what is read, and the sentence that everything else gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from silmark.errors import SilmarkError
from silmark.machines.lowering import MatMul, lower
from silmark.machines.program import load, packaged, parse, read
from silmark.machines.shapes import multiply_adds, weight_elements

GOOD: dict[str, Any] = {"schema": "silmark.program/1", "operator": "gemm", "shape": {"m": 2, "n": 3, "k": 4}}


@pytest.mark.parametrize("name", packaged())
def test_packaged_programs_count_what_they_lower_to(name: str) -> None:
    program = load(name)
    if program.shape is None or multiply_adds(program.shape) > 1e8:
        return
    lowered = lower(program)
    products = [one for one in lowered.instructions if isinstance(one, MatMul)]
    assert sum(one.multiply_adds for one in products) == multiply_adds(program.shape)
    assert sum(lowered.tensors[one.right].size for one in products if one.stored) == weight_elements(program.shape)


def test_a_model_gives_the_shape_of_its_layer() -> None:
    shape = parse({**GOOD, "operator": "layer", "model": "llama-3.1-8b", "shape": {"tokens": 1}}).sizes().model_dump()
    assert (shape["hidden"], shape["kv_heads"], shape["inner"], shape["gated"]) == (4096, 8, 14336, True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": "silmark.program/2"}, 'schema: expected "silmark.program/1"'),
        ({"operator": "conv"}, "operator: expected one of gemm"),
        ({"colour": 1}, "colour: unknown key"),
        ({"shape": {"m": 2, "n": 3}}, "shape.k: Field required"),
        ({"shape": {"m": 2, "n": 3, "k": 0}}, "shape.k: Input should be greater than or equal to 1"),
        ({"shape": {"m": 2, "n": 3, "k": 4.5}}, "shape.k"),
        ({"shape": {"m": 2, "n": 3, "k": 4, "q": 1}}, "shape.q: unknown size; gemm has m, n, k"),
        ({"shape": {"m": 1 << 20, "n": 1 << 20, "k": 1}}, "weights and inputs; expected at most"),
        ({"shape": {"m": 1 << 14, "n": 1 << 12, "k": 1 << 13}}, "multiply-adds; expected at most"),
        ({"seed": -1}, "seed: expected a whole number"),
        ({"format": 8}, "format: expected a text"),
        ({"graph": {"nodes": 1}}, "graph: expected an object where"),
        ({"weights": "w.pt"}, "pickle files can hold code"),
        ({"weights": "../w.safetensors"}, "in the program's folder"),
        ({"weights": "/etc/w.safetensors"}, "in the program's folder"),
        ({"operator": "layer", "model": "mamba-130m", "shape": {"tokens": 1}}, "model"),
    ],
)
def test_what_is_wrong_gets_its_sentence(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SilmarkError) as wrong:
        parse({**GOOD, **change})
    assert said in str(wrong.value)


def test_weights_are_read_turned_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**GOOD, "weights": "w.safetensors"}))
    stored = np.arange(12, dtype=np.float16).reshape(3, 4)
    save_file({"weight": stored}, tmp_path / "w.safetensors")
    assert np.array_equal(lower(read(path)).tensors["weight"], stored.T.astype(np.float32))
    for bad, said in (
        ({"other": stored}, "weight: missing"),
        ({"weight": stored.T.copy()}, "is of shape [4, 3]; expected [3, 4]"),
        ({"weight": stored.astype(np.int8)}, "is stored as I8"),
        ({"weight": np.full((3, 4), np.nan, np.float32)}, "holds NaN or infinite values"),
    ):
        save_file(bad, tmp_path / "w.safetensors")
        with pytest.raises(SilmarkError, match=said.replace("[", r"\[")):
            lower(read(path))
    (tmp_path / "w.safetensors").write_bytes(b"\x80\x04pickled")
    with pytest.raises(SilmarkError, match="is not a safetensors file"):
        lower(read(path))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=50)
@given(
    key=st.sampled_from(["schema", "operator", "shape", "model", "format", "seed", "weights", "graph", "note"]),
    value=_JSON,
    size=st.sampled_from(["m", "n", "k"]),
)
def test_random_values_are_read_or_refused(tmp_path: Path, key: str, value: object, size: str) -> None:
    for table in ({**GOOD, key: value}, {**GOOD, "shape": {**GOOD["shape"], size: value}}, value):
        path = tmp_path / "p.json"
        path.write_text(json.dumps(table))
        try:
            program = read(path)
        except SilmarkError:
            continue
        assert program.shape is None or multiply_adds(program.shape) <= 1 << 38


def test_the_command(run: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "t.json"
    found = run("machine", "run", "tsp", "--program", "gemm", "--timeline", str(out), "--json", "--explain")
    document = json.loads(found.out)
    assert found.code == 0
    from silmark.report.schema import DOCUMENTS  # noqa: PLC0415

    DOCUMENTS["machine"].model_validate(document)
    slices = [event for event in json.loads(out.read_text())["traceEvents"] if event["ph"] == "X"]
    assert slices
    assert max(e["args"]["cycle"] + e["args"]["cycles"] for e in slices) <= document["run"]["cycles"]
    for words, said in (
        (("tps",), "unknown machine 'tps'"),
        (("tsp", "--program", "gem"), "gemm"),
        (("tsp", "--program", "no.json"), "no such file"),
        (("tsp", "--chip", "h100"), "one that tsp stands for"),
        (("tsp", "--set", "chips"), "name=value"),
        (("tsp", "--precision", "fp3"), "one of int8, fp16 on tsp"),
        (("tsp", "--set", "chips=9"), "a whole number from 1 to 8"),
        (("tsp", "--set", "lanes=9"), "one of chips on tsp"),
        (("tsp", "--timeline", "/no/where.json"), "a file that can be written"),
        (("tsp", "--plot", "x.gif"), ".png"),
    ):
        wrong = run("machine", "run", *words)
        assert wrong.code == 2
        assert said in wrong.err
    other = json.loads(run("machine", "run", "tsp", "--program", "gemm", "--precision", "fp16", "--json").out)
    assert (document["run"]["format"], other["run"]["format"]) == ("int8", "fp16")
    DOCUMENTS["machines"].model_validate(json.loads(run("machine", "list", "--json").out))
