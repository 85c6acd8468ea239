"""What fits and what runs: negative answers carry numbers, names and reasons; layouts grow in order."""

from __future__ import annotations

import re

import pytest

from silmark import chips, models, systems
from silmark.chips.mechanisms import Placement
from silmark.estimation import Asked, Estimate, choose
from silmark.formats import Precision
from silmark.mapping import Infeasible, Memory, Plan, memory, probe, refusal
from silmark.mapping.candidates import Layout, layouts, least_chips, placements
from silmark.workloads import WORKLOADS, Step, Workload

BF16 = Precision.of("bf16")


def test_weights_that_do_not_fit_say_how_much_is_missing() -> None:
    found = memory(models.load("llama-3.1-70b"), chips.load("h100"), Plan(BF16))
    assert isinstance(found, Infeasible)
    need, holds = (float(x) for x in re.findall(r"([\d.]+) GB", found.reason))
    assert need == pytest.approx(70.55 * 2, rel=0.01)
    assert 60 < holds < 86
    assert "at 1 chips" in found.reason or "at 1 chip," in found.reason
    assert "HBM3" in found.reason


def test_weights_and_cache_share_the_memory() -> None:
    model, chip = models.load("llama-3.1-8b"), chips.load("h100")
    found = memory(model, chip, Plan(BF16))
    assert isinstance(found, Memory)
    assert found.weights == pytest.approx(8.03e9 * 2, rel=0.01)
    assert found.weights + found.capacity <= chip.si("memory.main.capacity")
    # Two bytes for keys and values of 8 heads of 128 in 32 layers: 128 KiB per token.
    assert float(found.per_sequence(1000)) == 1000 * 131_072
    assert found.sequences(1000) == int(found.capacity // (1000 * 131_072))


def test_a_cut_divides_weights_and_cache() -> None:
    model, chip = models.load("llama-3.1-8b"), chips.load("h100")
    one, four = (memory(model, chip, Plan(BF16, tp=tp)) for tp in (1, 4))
    assert isinstance(one, Memory)
    assert isinstance(four, Memory)
    assert four.weights == pytest.approx(one.weights / 4)
    assert float(four.per_sequence(100)) == pytest.approx(float(one.per_sequence(100)) / 4)
    piped = memory(model, chip, Plan(BF16, pp=2))
    assert isinstance(piped, Memory)
    assert float(piped.per_sequence(100)) == pytest.approx(float(one.per_sequence(100)) / 2)


def test_a_window_bounds_the_cache() -> None:
    """gpt-oss-20b: of 24 layers with 8 KV heads of 64, every other one keeps 128 tokens only."""
    found = memory(models.load("gpt-oss-20b"), chips.load("h100"), Plan(BF16))
    assert isinstance(found, Memory)
    short, long = float(found.per_sequence(10_000)), float(found.per_sequence(20_000))
    token = 12 * 2 * 8 * 64 * 2
    assert long - short == 10_000 * token
    assert short == (10_000 + 128) * token


def ask(model: str, chip: str, workload: Workload, precision: str = "bf16") -> Estimate | Infeasible:
    loaded = chips.load(chip)
    return choose(Asked(models.load(model), loaded, systems.usual(loaded), workload, Precision.of(precision), "own"))


@pytest.mark.parametrize(
    ("model", "chip", "workload", "pattern"),
    [
        ("llama-3.1-405b", "nvidia-rtx-4090-24gb", WORKLOADS["chat"], r"\d+ chips would be needed .* joins \d+"),
        (
            "llama-3.1-8b",
            "h100",
            WORKLOADS["edge"],
            r"takes 1,025 W with its part of the host, the limit is 75 W",
        ),
        ("llama-3.1-70b", "h100", Workload("w", 10, 10, power_w=1100.0), r"needed .* the power limit allows 1"),
        ("llama-3.1-8b", "nvidia-l4-24gb", Workload("w", 9_000_000, 10), r"one sequence of 9000010 tokens .* GB"),
        ("llama-3.1-8b", "nvidia-rtx-4090-24gb", Workload("w", 100_000, 10, users=5000), r"5000 sequences .* \d+"),
    ],
)
def test_negative_answers_carry_numbers(model: str, chip: str, workload: Workload, pattern: str) -> None:
    found = ask(model, chip, workload)
    assert isinstance(found, Infeasible)
    assert re.search(pattern, found.reason), found.reason


def test_a_missed_promise_says_by_how_much() -> None:
    found = ask("llama-3.1-70b", "nvidia-l4-24gb", Workload("w", 1024, 256, ttft_s=1e-3, tpot_s=1e-4))
    assert isinstance(found, Estimate)
    assert re.search(r"misses TTFT .* > 1 ms, TPOT .* > 0\.1 ms", found.misses)


@pytest.mark.parametrize(
    ("model", "chip", "precision", "words"),
    [
        ("mamba-codestral-7b", "etched-sohu", "fp8", ("state-space scan", "mamba.scan")),
        ("llama-3.1-8b", "extropic-z1", "bf16", ("attention", "layer.attention")),
        ("resnet-50", "extropic-x0", "bf16", ("convolution", "stem")),
        ("llama-3.1-8b", "nvidia-a100-sxm4-80gb", "fp8", ("fp8 matrix products", "bf16", "int8")),
        ("llama-3.1-8b", "h100", "fp4", ("fp4 matrix products", "fp8")),
        ("ising-70x70", "groq", "fp16", ("Gibbs sampling",)),
    ],
)
def test_refusals_name_operator_and_format(model: str, chip: str, precision: str, words: tuple[str, ...]) -> None:
    reason = refusal(chips.load(chip), probe(models.load(model)), Precision.of(precision))
    assert reason is not None
    assert reason.startswith("cannot run: ")
    for word in words:
        assert word in reason


def test_the_probe_holds_every_kind_of_operator() -> None:
    for name in models.names():
        model = models.load(name)
        steps = [Step.forward(2, 3)] if model.kind != "decoder" else [Step.prefill(2, 3), Step.decode(2, 3)]
        kinds = {op.kind for step in steps for op in model.lower(step)}
        assert {op.kind for op in probe(model)} == kinds, name


MAIN, SRAM = Placement("main", "main"), Placement("sram", "main")


def sizes(rounds: list[list[Layout]]) -> list[int]:
    return [max(layout.chips * layout.replicas for layout in round_) for round_ in rounds]


def test_rounds_ascend_and_fill_whole_units() -> None:
    system = systems.load("hgx-h100-8")
    rounds = list(layouts(system, {MAIN: 3}, 1024, alone=False, rounds=6))
    found = sizes(rounds)
    assert found == sorted(set(found))
    assert all(size % 8 == 0 for size in found)
    assert {(x.chips, x.replicas) for x in rounds[0]} == {(4, 2), (8, 1)}
    assert len(rounds) == 7


def test_one_replica_grows_chip_by_chip() -> None:
    rounds = list(layouts(systems.load("hgx-h100-8"), {MAIN: 1}, 1024, alone=True, rounds=9))
    assert sizes(rounds)[:5] == [1, 2, 4, 8, 16]
    assert all(layout.replicas == 1 for round_ in rounds for layout in round_)


def test_a_model_larger_than_a_unit_starts_beyond_it() -> None:
    rounds = list(layouts(systems.load("groqrack-9"), {MAIN: 150}, 10_000, alone=False, rounds=3))
    least = systems.load("groqrack-9").chips
    assert sizes(rounds)[0] == -(-150 // least) * least
    assert sizes(rounds) == sorted(set(sizes(rounds)))


def test_nothing_fits_into_fewer_chips_than_needed() -> None:
    assert list(layouts(systems.load("hgx-h100-8"), {MAIN: 9}, 8, alone=False, rounds=4)) == []
    mixed = list(layouts(systems.load("corsair-server"), {SRAM: 6, MAIN: 1}, 8, alone=True, rounds=9))
    for layout in (layout for round_ in mixed for layout in round_):
        assert layout.chips >= (6 if layout.place == SRAM else 1)


@pytest.mark.parametrize("name", [name for name in chips.names() if "gemm" not in chips.load(name).cannot])
def test_the_least_number_of_chips_holds_the_weights(name: str) -> None:
    chip, model = chips.load(name), models.load("llama-3.1-8b")
    precision = Precision.of(chip.precision)
    for place in placements(chip):
        least = least_chips(model, chip, precision, place)
        if least >= 100_000:
            continue
        assert isinstance(memory(model, chip, Plan(precision, tp=least, placement=place)), Memory)
        if least > 2:
            fewer = memory(model, chip, Plan(precision, tp=int(0.9 * least), placement=place))
            assert isinstance(fewer, Infeasible)
