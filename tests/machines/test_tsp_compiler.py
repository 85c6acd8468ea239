"""The compiler of the tensor streaming processor: chains, exchanges of heads, passes over rows, banks, the skew."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import chips
from silmark.machines.base import Facts
from silmark.machines.lowering import Layout, Move, lower
from silmark.machines.program import Program, parse
from silmark.machines.tsp.chains import chained
from silmark.machines.tsp.compile import Compiler
from silmark.machines.tsp.execute import Executor
from silmark.machines.tsp.geometry import Geometry, geometry
from silmark.machines.tsp.instructions import Compute, Load, Read, Schedule, Write
from silmark.machines.tsp.moves import due
from silmark.machines.tsp.numbers import values
from silmark.machines.tsp.tensors import Tensor

FLOOR = geometry(Facts("tsp", chips.load("groq-groqchip-1")))
LAYER = {"tokens": 48, "hidden": 320, "heads": 5, "kv_heads": 5, "head_dim": 64, "inner": 640, "rotary": False}


def program(operator: str, form: str = "int8", **shape: object) -> Program:
    return parse({"schema": "silmark.program/1", "operator": operator, "shape": shape, "format": form})


def compiled(one: Program, floor: Geometry = FLOOR) -> Schedule:
    return Compiler(lower(one), floor, exact=one.format == "int8").compile()


def chains(**shape: object) -> set[tuple[str, ...]]:
    lowered = lower(program("layer", **(LAYER | shape)))
    found = chained(lowered, [0] * len(lowered.instructions), FLOOR.alus)
    assert sorted(one.name for _, chain in found for one in chain) == sorted(one.name for one in lowered.instructions)
    return {tuple(one.name.removeprefix("0.") for one in chain) for _, chain in found if len(chain) > 1}


def test_what_follows_a_product_element_by_element_joins_its_stream() -> None:
    ends = {("o", "attention.add"), ("down", "mlp.add")}
    assert chains(gated=False) == {("k.split", "k.transposed"), ("up", "gelu"), *ends}
    assert chains(gated=True) == {("k.split", "k.transposed"), ("gate", "silu", "multiply"), *ends}
    assert chains(past=7) == {("gate", "silu", "multiply"), *ends}  # cached keys come in between


def test_a_chain_ends_with_the_alus() -> None:
    lowered = lower(program("layer", **(LAYER | {"gated": False})))
    found = chained(lowered, [0] * len(lowered.instructions), alus=8)
    assert not any(chain[-1].name == "0.gelu" and len(chain) > 1 for _, chain in found)


def test_a_chain_stays_on_one_chip() -> None:
    lowered = lower(program("layer", **LAYER))
    apart = list(range(len(lowered.instructions)))
    assert [chip for chip, _ in chained(lowered, apart, FLOOR.alus)] == apart


@pytest.mark.parametrize("form", ["int8", "fp16"])
def test_every_operation_of_a_chain_has_an_alu_and_its_latency(form: str) -> None:
    one = program("mlp", form, tokens=8, hidden=1700, inner=900, gated=False)
    schedule = compiled(one)
    met = [one for one in schedule.instructions if isinstance(one, Compute) and one.position == 0]
    assert max(len(one.unit) for one in met) <= FLOOR.alus
    assert all(one.delay == len(one.unit) * FLOOR.vxm for one in met)
    assert not any(isinstance(one, Write) and one.name == "gelu" for one in schedule.instructions)
    found = Executor(schedule, FLOOR).run().outputs["down.out"]
    assert np.array_equal(found, values(lower(one), form == "int8")["down.out"])


def source(layout: Layout, heads: int, tokens: int, width: int, at: tuple[int, int, int]) -> tuple[int, int, int]:
    """Group, row and column of the element of the input that is at a place of the result."""
    group, row, column = at
    if layout == "split-heads":
        return 0, row % tokens, (group * heads + row // tokens) * width + column
    if layout == "merge-heads":
        head = column // width
        return head // heads, head % heads * tokens + row, column % width
    return group, column, row


@settings(max_examples=60)
@given(
    layout=st.sampled_from(["split-heads", "merge-heads", "transpose"]),
    groups=st.integers(1, 3),
    heads=st.integers(1, 3),
    tokens=st.integers(1, 9),
    width=st.integers(1, 7),
    data=st.data(),
)
def test_rows_leave_an_sxm_behind_what_they_are_made_of(
    layout: Layout, groups: int, heads: int, tokens: int, width: int, data: st.DataObject
) -> None:
    lanes, merged, split = 8, (tokens, groups * heads * width), (groups, heads * tokens, width)
    shape = (1, *merged) if layout == "split-heads" else split
    made = {"split-heads": split, "merge-heads": (1, *merged), "transpose": (groups, width, heads * tokens)}[layout]
    x = Tensor("x", *shape, shape[1:] if layout == "split-heads" else shape, 0)
    move = Move("m", layout, ("x",), "y", 0, {"groups": groups, "tokens": tokens, "width": width})
    region = (data.draw(st.integers(0, made[0] - 1)), 0, made[2])
    keys = [(g, 0, c) for g in range(shape[0]) for c in range(0, shape[2], lanes)]
    first = {("x", key): data.draw(st.integers(0, 50)) for key in keys}
    (begins,) = due([move], {"x": x}, first, region, [("vector", 0, made[1], 0, made[2])], lanes)
    late = []
    for row in range(made[1]):
        for column in range(made[2]):
            g, r, c = source(layout, heads, tokens, width, (region[0], row, column))
            late.append(first["x", (g, 0, c // lanes * lanes)] + r - (0 if layout == "transpose" else row))
    assert begins == max(*late, *first.values(), 0)


def test_a_narrow_sxm_gives_the_same_bits_later() -> None:
    one = program("attention", "fp16", tokens=40, hidden=320, heads=10, kv_heads=5, head_dim=32, rotary=False)
    narrow = replace(FLOOR, sxm_streams=2)
    slow, quick = compiled(one, narrow), compiled(one)
    assert quick.cycles < slow.cycles
    for schedule, floor in ((slow, narrow), (quick, FLOOR)):
        found = Executor(schedule, floor).run()
        assert found.cycles == schedule.cycles
        assert np.array_equal(found.outputs["o.out"], values(lower(one), exact=False)["o.out"])


@pytest.mark.parametrize("tokens", [16, 200])
def test_a_pass_follows_the_one_before_row_by_row(tokens: int) -> None:
    """The next pass waits for the first row's sum, or for the port of the bank that the pass before reads."""
    schedule = compiled(program("layer", **(LAYER | {"tokens": tokens, "norm": "layer"})))
    norm = [one for one in schedule.instructions if isinstance(one, Compute) and one.name == "0.attention.norm"]
    for earlier, later in pairwise(norm):
        sums = earlier.delay + 2 * FLOOR.sxm_at + FLOOR.sxm
        assert later.cycle - earlier.cycle == max(tokens, sums)


def test_the_last_superlane_is_behind_by_one_cycle_each() -> None:
    one = program("gemv", n=320, k=320)
    assert compiled(one).cycles == compiled(one, replace(FLOOR, superlanes=1)).cycles + 19


def test_weights_and_activations_lie_in_different_banks() -> None:
    schedule = compiled(program("mlp", tokens=32, hidden=640, inner=1280, gated=True))
    loads = {one.burst for one in schedule.instructions if isinstance(one, Load)}
    for one in schedule.instructions:
        if isinstance(one, Read):
            assert {bank % FLOOR.banks for bank in one.place.banks} == {int(one.burst in loads)}
