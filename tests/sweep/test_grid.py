"""The grid file: what it may say, what is refused and how, and how its points are numbered."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.api.sweep import prepare
from silmark.errors import BadFile, SilmarkError
from silmark.planning.sweep import Grid, parse, read
from silmark.planning.sweep.columns import columns_of
from silmark.planning.sweep.grid import PLAN_AXES, POINT_AXES, Block

LEAST = {"models": "llama-3.1-8b", "on": "1x:h100", "batch": 1, "prompt": 1024, "output": 256}


def test_a_range_has_even_ratios_or_distances() -> None:
    powers = parse("g", LEAST | {"batch": {"from": 1, "to": 1024, "steps": 11, "log": True}})
    assert powers.values("batch") == [2**i for i in range(11)]
    even = parse("g", LEAST | {"prompt": {"from": 100, "to": 500, "steps": 5}})
    assert even.values("prompt") == [100, 200, 300, 400, 500]


def test_a_dense_range_has_every_number_once() -> None:
    dense = parse("g", LEAST | {"batch": {"from": 1, "to": 8, "steps": 100, "log": True}})
    assert dense.values("batch") == list(range(1, 9))


def test_blocks_take_what_they_lack_from_the_top() -> None:
    grid = parse("g", LEAST | {"grid": [{"tp": [1, 2]}, {"batch": [1, 2, 3], "on": ["8x:h100"]}]})
    assert [block.plans * block.points_each for block in grid.blocks] == [2, 3]
    assert grid.values("on") == ["1x:h100", "8x:h100"]


def test_the_default_is_every_column() -> None:
    assert parse("g", LEAST).columns == columns_of("steady")
    few = parse("g", LEAST | {"results": {"columns": ["tpot_s", "batch", "model"]}})
    assert few.columns == ("model", "batch", "tpot_s")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"batch": 0}, "batch: expected whole numbers from 1"),
    ({"batch": [1, 2, 1]}, "batch: 1 is given twice"),
    ({"batch": True}, "batch: expected whole numbers"),
    ({"batch": []}, "batch: 0 values"),
    ({"batch": {"from": 1, "to": 4}}, "batch: expected a list, or a range"),
    ({"batch": {"from": 4, "to": 1, "steps": 3}}, "batch.from: expected a number below `to`"),
    ({"batch": {"from": 1, "to": 4, "steps": 1}}, "batch.steps: expected a whole number from 2"),
    ({"batch": {"from": 1, "to": 4, "steps": 2, "log": 1}}, "batch.log: expected true"),
    ({"tp": "all"}, "tp: expected whole numbers from 1 to 100,000, or auto"),
    ({"models": 3}, "models: expected names"),
    ({"models": {"from": 1, "to": 2, "steps": 2}}, "models: expected a list of names"),
    ({"maturity": "old"}, "maturity: 'old'; expected own or equal"),
    ({"batches": 1}, "'batches' is not an axis; axes are models, on"),
    ({"grid": 3}, "grid: expected [[grid]] blocks"),
    ({"grid": [{"tp": 2}, {"tp": 0}]}, "grid 2: tp: expected whole numbers"),
    ({"results": {"rows": 3}}, "results: 'rows' is not known; it takes folder"),
    ({"results": {"columns": ["speed"]}}, "results.columns: 'speed'; columns are point, model"),
    ({"results": {"rows_per_file": 0}}, "results.rows_per_file: expected a whole number from 1"),
    ({"prompt": {"from": 1, "to": 100000, "steps": 99999}, "output": {"from": 1, "to": 100000, "steps": 99999},
      "batch": {"from": 1, "to": 100, "steps": 100}}, "shorten an axis"),
    ({"prompt": {"from": 1, "to": 100000, "steps": 99999}, "grid": [{}] * 50}, "more than 1,000,000 values"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "sentence"), WRONG, ids=[sentence[:30] for _, sentence in WRONG])
def test_what_makes_no_sense_is_refused_with_its_key(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadFile) as refused:
        parse("mine.toml", LEAST | change)
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("mine.toml: ")


@pytest.mark.parametrize("axis", ["models", "on", "batch", "prompt", "output"])
def test_an_axis_without_a_default_must_be_there(axis: str) -> None:
    with pytest.raises(BadFile, match=f"{axis}: missing"):
        parse("g", {key: value for key, value in LEAST.items() if key != axis})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"models": "lama-3.1-8b"}, "models: unknown model 'lama-3.1-8b': did you mean llama-3.1-8b"),
        ({"models": "resnet-50"}, "makes no tokens"),
        ({"on": "8x:h1000"}, "on: unknown chip"),
        ({"on": "900000x:h100"}, "on: number of chips"),
        ({"precision": "fp7"}, "precision: unknown format"),
        ({"kv_in": "floppy"}, "kv_in: 'floppy' is in none of the systems"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_names_are_checked_before_anything_runs(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadFile) as refused:
        prepare(LEAST | change)
    assert sentence in str(refused.value)


def test_a_file_is_the_same_as_its_mapping(small_toml: str, own_file: Callable[..., str]) -> None:
    assert read(Path(own_file(small_toml))) == parse("g", tomllib.loads(small_toml))


sizes = st.integers(1, 4)


@given(
    blocks=st.lists(st.tuples(*[sizes] * 5), min_size=1, max_size=3),
    rows=st.integers(1, 40),
)
def test_every_point_lies_in_one_shard_in_order(blocks: list[tuple[int, ...]], rows: int) -> None:
    names = ("on", "tp", "batch", "prompt", "output")
    made = []
    for counts in blocks:
        axes: dict[str, tuple[str | int, ...]] = dict.fromkeys((*PLAN_AXES, *POINT_AXES), (1,))
        made.append(Block(axes | {name: tuple(range(1, n + 1)) for name, n in zip(names, counts, strict=True)}))
    grid = Grid(tuple(made), rows, ("point",))
    seen = []
    for shard in range(grid.shards):
        stretches = list(grid.stretches(shard))
        assert sum(stretch.stop - stretch.start for stretch in stretches) <= rows
        for stretch in stretches:
            batch, prompt, output = stretch.block.points(stretch.start, stretch.stop)
            assert stretch.first == len(seen)
            cut = stretch.block.cut(stretch.plan)
            seen += [
                (id(stretch.block), cut.on, cut.sizes["tp"], *at) for at in zip(batch, prompt, output, strict=True)
            ]
    assert len(seen) == grid.points == len(set(seen))


texts = st.one_of(st.text(max_size=8), st.sampled_from(["auto", "bf16", "8x:h100", "tpot_s", "own", "\0", "x" * 500]))
numbers = st.one_of(st.integers(-3, 9), st.integers(-(10**20), 10**20), st.just(10**400), st.floats())
values = st.recursive(
    st.one_of(numbers, texts, st.booleans(), st.dates()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(texts, st.sampled_from(["from", "to", "steps", "log"])), inner, max_size=4),
    ),
    max_leaves=5,
)
keys = st.one_of(texts, st.sampled_from([*PLAN_AXES, *POINT_AXES, "grid", "results"]))


@given(changes=st.dictionaries(keys, values, max_size=4), results=st.dictionaries(
    st.sampled_from(["folder", "columns", "rows_per_file", "other"]), values, max_size=2))  # fmt: skip
@settings(max_examples=300)
def test_any_table_is_a_grid_or_a_sentence(changes: dict[str, Any], results: dict[str, Any]) -> None:
    try:
        grid = parse("g", LEAST | {"results": results} | changes)
    except SilmarkError as error:
        sentence = str(error)
    else:
        sentence = f"{grid.points} points, the first of them number {next(grid.stretches(0)).first}"
    assert sentence.isprintable()
