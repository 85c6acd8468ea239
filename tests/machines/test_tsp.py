"""The tensor streaming processor: bits, cycles, laws, published points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import chips
from silmark.chips.mechanisms import build
from silmark.chips.mechanisms.base import Placement
from silmark.formats import Precision
from silmark.graph import Gemm
from silmark.machines import Refusal, Run, machine
from silmark.machines.base import Facts
from silmark.machines.lowering import lower
from silmark.machines.program import Program, load, parse
from silmark.machines.tsp.compile import Compiler
from silmark.machines.tsp.execute import Executor, Fault
from silmark.machines.tsp.geometry import geometry
from silmark.machines.tsp.instructions import Multiply, Write
from silmark.machines.tsp.lines import Line
from silmark.machines.tsp.memory import Bank
from silmark.machines.tsp.numbers import chunk_sums, values
from silmark.numerics import arithmetic

CHIP = chips.load("groq-groqchip-1")
FLOOR = geometry(Facts("tsp", CHIP))


def program(operator: str, form: str = "int8", **shape: object) -> Program:
    return parse({"schema": "silmark.program/1", "operator": operator, "shape": shape, "format": form})


def run(one: Program, **options: float) -> Run:
    found = machine("tsp").ask(one, CHIP, **options)
    assert isinstance(found, Run), found
    return found


def test_the_memory_has_the_words_of_220_mebibytes() -> None:
    assert FLOOR.words == 4096
    assert FLOOR.memory_bytes == 220 << 20
    assert FLOOR.c2c_vector == 24  # 320 B at 12.19 GB/s and 900 MHz: 23.6 cycles


@settings(max_examples=25)
@given(m=st.integers(1, 700), n=st.integers(1, 700), k=st.integers(1, 1500), form=st.sampled_from(["int8", "fp16"]))
def test_tiles_on_streams_compute_what_numerics_computes(m: int, n: int, k: int, form: str) -> None:
    one = program("gemm", form, m=m, n=n, k=k)
    lowered = lower(one)
    schedule = Compiler(lowered, FLOOR, exact=form == "int8").compile()
    done = Executor(schedule, FLOOR).run()
    assert done.cycles == schedule.cycles
    ways = arithmetic.get(f"groq-{form}")
    left = lowered.tensors["x"].astype(np.float16).astype(np.float32)
    expected = ways.matmul(left, lowered.tensors["weight"]).astype(np.float16).astype(np.float32)
    assert np.array_equal(done.outputs["weight.out"], expected)
    assert schedule.memory_bytes <= FLOOR.memory_bytes


@pytest.mark.parametrize("form", ["int8", "fp16"])
@pytest.mark.parametrize("chips_", [1, 2, 4])
def test_a_layer_on_one_chip_or_several_has_the_same_bits(form: str, chips_: int) -> None:
    one = program("layer", form, tokens=16, past=40, hidden=512, heads=8, kv_heads=2, head_dim=64, inner=1408, layers=2)
    expected = values(lower(one), form == "int8")["1.mlp.add.out"]
    found = run(one, chips=chips_)
    assert np.array_equal(found.outputs["1.mlp.add.out"], expected)
    assert found.cycles == found.facts["predicted_cycles"]
    assert ("C2C" in found.energy_j) == (chips_ > 1)


@pytest.mark.parametrize(
    "shape",
    [
        {"tokens": 300, "hidden": 96, "heads": 3, "kv_heads": 1, "head_dim": 32},
        {"tokens": 5, "past": 700, "hidden": 64, "heads": 2, "kv_heads": 2, "head_dim": 160, "rotary": False},
        {"tokens": 1, "past": 3, "hidden": 40, "heads": 4, "kv_heads": 4, "head_dim": 10, "causal": False},
    ],
)
def test_attention_of_odd_shapes(shape: dict[str, object]) -> None:
    one = program("attention", "fp16", **shape)
    assert np.array_equal(run(one).outputs["o.out"], values(lower(one), exact=False)["o.out"])


def test_noise_is_that_of_the_format() -> None:
    from silmark.machines.reference import distance, outputs  # noqa: PLC0415

    for form, least, most in (("int8", 36, 42), ("fp16", 64, 74)):
        one = program("gemm", form, m=64, n=320, k=640)
        away = distance(run(one).outputs, outputs(one)).snr_db
        assert away is not None
        assert least < away < most


def test_the_executor_finds_what_a_wrong_schedule_would_do() -> None:
    schedule = Compiler(lower(program("gemm", m=64, n=320, k=640)), FLOOR).compile()
    late = [
        replace(one, burst=replace(one.burst, centre=one.burst.centre + 1)) if isinstance(one, Write) else one
        for one in schedule.instructions
    ]
    with pytest.raises(Fault, match="nothing on streams"):
        Executor(replace(schedule, instructions=tuple(late)), FLOOR).run()
    twice = [one for one in schedule.instructions if isinstance(one, Multiply)]
    with pytest.raises(Fault, match="asked for twice"):
        Executor(replace(schedule, instructions=(*schedule.instructions, twice[0])), FLOOR).run()


def test_peak_rates_are_never_exceeded_and_nearly_reached() -> None:
    for form, peak in (("int8", 409_600), ("fp16", 102_400)):
        one = program("gemm", form, m=2048, n=1280, k=1280)
        rate = 2048 * 1280 * 1280 / run(one).cycles
        assert 0.7 * peak < rate <= peak


def test_weights_cross_at_most_at_the_rate_of_the_streams() -> None:
    size = 2560
    cycles = run(program("gemv", n=size, k=size)).cycles
    assert size * size / 20_480 < cycles < 3 * size * size / 20_480


@pytest.mark.slow
def test_resnet_50_as_products() -> None:
    """Stated before: within a factor of 1.5 of 20,400 images per second (ISCA 2020), one chip, batch 1."""
    found = run(load("resnet-50"))
    assert 1 / 1.5 < 1 / found.time_s / 20_400 < 1.5


@pytest.mark.slow
def test_bert_base() -> None:
    """Stated before: 130 us (arXiv:2206.11062) within a factor of 1.5 in 8 bits, below the time in 16 bits."""
    one = load("bert-base")
    assert 1 / 1.5 < run(replace(one, format="int8")).time_s / 130e-6 < 1.5


@pytest.mark.parametrize("form", ["int8", "fp16"])
def test_cycles_against_the_mechanism(form: str) -> None:
    """The mechanism knows no pipeline to fill and no reading of rows anew: it may be below, not above by much."""
    precision = Precision.of(form)
    mechanism = build(CHIP, precision, Placement("sram", "sram"))
    for m in (1, 16, 256, 1024):
        for size in (320, 1280):
            op = Gemm(name="g", m=np.asarray(float(m)), n=size, k=size)
            predicted = float(mechanism.cost(op).time_s) * FLOOR.clock_hz
            ratio = run(program("gemm", form, m=m, n=size, k=size)).cycles / predicted
            assert 0.9 < ratio < 12, (m, size, ratio)


def test_what_does_not_fit_is_an_answer() -> None:
    found = machine("tsp").ask(program("gemm", "fp16", m=1, n=16384, k=8192), CHIP)
    assert isinstance(found, Refusal)
    assert found.reason == "weights of 268.4 MB do not fit the 230.7 MB of SRAM on 1 chip; at least 2 chips"
    gpu_like = machine("tsp").ask(program("gemm", "int8", m=1, n=8, k=8), chips.load("groq-lp30"))
    assert isinstance(gpu_like, Refusal)
    assert gpu_like.cannot


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=30))
def test_a_line_never_gives_a_cycle_twice(asked: list[tuple[int, int]]) -> None:
    line, taken = Line(), set()
    for cycle, length in asked:
        start = line.next_free(cycle, length)
        cells = set(range(start, start + length))
        assert not cells & taken
        assert all(set(range(s, s + length)) & taken for s in range(cycle, start))  # none earlier was free
        line.take(start, length)
        taken |= cells
    assert line.busy == len(taken)


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 20), st.integers(0, 20)), max_size=30))
def test_a_bank_never_gives_a_word_twice(asked: list[tuple[int, int, int]]) -> None:
    bank, held, cycle = Bank(0, 1, 40), [], 0
    for words, wait, keep in asked:
        cycle += wait
        if bank.has_room(words, cycle):
            start = bank.take(words, cycle)
            assert 0 <= start <= 40 - words
            for other, size, until in held:
                assert start + words <= other or other + size <= start or until <= cycle
            held.append((start, words, cycle + keep))
            bank.release(start, words, cycle + keep)
    assert bank.used == 0
    assert bank.has_room(40, 10**6)


def test_chunks_round_once() -> None:
    left, right = np.full((1, 160), 2.0**-12, np.float32), np.full((160, 1), 1.0, np.float32)
    left[0, 0] = 2.0**13
    assert chunk_sums(left, right)[0, 0] == np.float32(2.0**13 + 159 * 2.0**-12)
