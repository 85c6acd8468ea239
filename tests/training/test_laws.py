"""Laws that any training step obeys, whatever was fitted."""

from dataclasses import replace

import pytest

from silmark import chips, models, systems
from silmark.chips.mechanisms import Placement, build
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.mapping import Infeasible
from silmark.models import Model
from silmark.systems import Target
from silmark.training import Job, TrainingEstimate, train
from silmark.training.flops import hardware_per_token, per_token
from silmark.training.memory import Memory, activations, layers_keep, memory
from silmark.training.network import replicas
from silmark.training.software import effective, outgrown, powered, values
from silmark.training.timing import components, timing
from silmark.training.work import work

BF16 = Precision.of("bf16")
BASE = Job(BF16, seq=2048, micro=2, global_batch=16, dp=8, zero=3)


def target(chip: str = "nvidia-a100-sxm4-80gb", count: int = 8) -> Target:
    loaded = chips.load(chip)
    return Target(loaded, systems.usual(loaded), count)


def step(job: Job = BASE, model: str = "llama-3.1-8b", on: Target | None = None) -> TrainingEstimate:
    answer = train(models.load(model), on or target(count=job.chips), job, check_memory=False)
    assert isinstance(answer, TrainingEstimate)
    return answer


def kept(model: Model, job: Job) -> float:
    return float(activations(model, job, layers_keep(model, job)))


def held(model: Model, job: Job) -> Memory:
    return memory(model, target().chip, job, layers_keep(model, job))


def test_parts_add_up_and_interval_holds_the_middle() -> None:
    answer = step()
    assert sum(answer.timing.parts.values()) == pytest.approx(answer.step_s.mid)
    assert answer.step_s.low < answer.step_s.mid < answer.step_s.high
    assert answer.tokens_per_s.mid == pytest.approx(16 * 2048 / answer.step_s.mid)


def test_twice_the_micro_batches_cost_twice_the_layers() -> None:
    once, twice = step(), step(replace(BASE, global_batch=32))
    assert twice.timing.matrix == pytest.approx(2 * once.timing.matrix)
    assert twice.timing.optimizer == pytest.approx(once.timing.optimizer)
    assert twice.step_s.mid < 2 * once.step_s.mid


def test_backward_takes_twice_the_products_and_two_and_a_half_times_the_attention() -> None:
    at = target()
    got = work(models.load("llama-3.1-8b"), at, build(at.chip, BF16, Placement()), BASE)
    assert got.backward.matrix / got.forward.matrix == pytest.approx(2.0, rel=0.1)
    assert got.backward.attention == pytest.approx(2.5 * got.forward.attention)


def test_recomputation_costs_time_and_saves_memory() -> None:
    model = models.load("llama-3.1-8b")
    modes = [replace(BASE, recompute=mode) for mode in ("none", "alternate", "full")]
    seconds = [step(job).step_s.mid for job in modes]
    sizes = [kept(model, job) for job in modes]
    assert seconds == sorted(seconds)
    assert sizes == sorted(sizes, reverse=True)
    assert seconds[2] / seconds[0] < 4 / 3


def test_bubble_is_the_published_share() -> None:
    """(p - 1) / m of the ideal time, divided by the chunks per stage (arXiv:2104.04473, section 2.2)."""
    model, on = models.load("gpt3-175b"), target(count=64)
    job = Job(BF16, seq=2048, micro=1, global_batch=64, tp=8, pp=8, stack="megatron")
    mechanism = build(on.chip, BF16, Placement())
    ones = dict.fromkeys(effective(values(), job, on.chip, model), 1.0) | {"layer": 0.0, "exchange": 0.0}

    def bubble(job: Job) -> float:
        parts = replace(components(model, on, mechanism, job), send_s=0.0)
        return timing(parts, ones).bubble

    plain, chunked = bubble(job), bubble(replace(job, interleave=3))
    assert chunked == pytest.approx(plain / 3)
    whole = timing(replace(components(model, on, mechanism, job), send_s=0.0), ones)
    layers = whole.matrix + whole.attention + whole.stream + whole.tensor_link
    assert plain / layers == pytest.approx(7 / 64, rel=0.05)  # the head runs on the last stage only


def test_activations_follow_the_paper() -> None:
    """34 s b h + 5 a s^2 b bytes per layer (arXiv:2205.05198, equation 1), over t with sequence parallelism."""
    model = models.load("gpt3-175b")
    job = Job(BF16, seq=2048, micro=1, global_batch=8, pp=8, tp=1, flash=False, stack="megatron")
    paper = 96 * (34 * 2048 * 12288 + 5 * 96 * 2048**2)
    assert kept(model, job) == pytest.approx(paper, rel=0.05)
    assert kept(model, replace(job, tp=8, sequence_parallel=True)) == pytest.approx(paper / 8, rel=0.05)


def test_zero_divides_states_by_replicas() -> None:
    """16 bytes per parameter, 4 of them left whole by ZeRO 1 (arXiv:1910.02054, figure 1)."""
    model = models.load("llama-3.1-8b")
    whole = held(model, replace(BASE, zero=0, reduce_bytes=2.0))
    assert whole.weights + whole.gradients + whole.optimizer == pytest.approx(16 * model.parameters)
    one = held(model, replace(BASE, zero=1, reduce_bytes=2.0))
    assert one.weights + one.gradients + one.optimizer == pytest.approx((4 + 12 / 8) * model.parameters)


def test_model_flops_are_those_of_palm() -> None:
    """6 N + 12 L H Q T (arXiv:2204.02311, appendix B), by hand for GPT-3."""
    model = models.load("gpt3-175b")
    assert per_token(model, 2048) == pytest.approx(6 * model.parameters + 12 * 96 * 12288 * 2048)
    full = replace(BASE, recompute="full")
    assert hardware_per_token(model, full) / per_token(model, 2048) == pytest.approx(4 / 3)


def test_exchanges_between_nodes_cost_more_than_inside() -> None:
    model = models.load("llama-3.1-8b")
    inside = replicas(model, target(), BASE)
    across = replicas(model, target(count=32), replace(BASE, dp=32, global_batch=64))
    assert across.forward > inside.forward


def test_less_power_is_less_speed() -> None:
    """The 500 W part of the H100 clocks below the 700 W one; chips that are alone in their silicon are untouched."""
    assert powered(chips.load("nvidia-h100-sxm5-96gb-500w")) < 0.8
    assert powered(chips.load("nvidia-h100-sxm5-80gb")) == 1.0
    assert outgrown(chips.load("nvidia-h100-sxm5-80gb"))
    assert not outgrown(chips.load("nvidia-a100-sxm4-80gb"))


def test_what_does_not_fit_says_what_takes_most() -> None:
    answer = train(models.load("llama-3.1-70b"), target(), replace(BASE, micro=1, recompute="full"))
    assert isinstance(answer, Infeasible)
    assert "optimizer states take most" in answer.reason


@pytest.mark.parametrize(("chip", "word"), [("groq-groqchip-1", "inference"), ("extropic-z1", "samples")])
def test_inference_chips_refuse(chip: str, word: str) -> None:
    answer = train(models.load("llama-3.1-8b"), target(chip, 1), replace(BASE, dp=1))
    assert isinstance(answer, Infeasible)
    assert answer.reason.startswith("cannot train")
    assert word in answer.reason


def test_wafer_streams_its_weights() -> None:
    """No step is shorter than 4 bytes per parameter over 1.2 Tb/s."""
    model, job = models.load("llama-3.1-70b"), replace(BASE, dp=1, micro=1, global_batch=1)
    answer = train(model, target("cerebras-wse-3", 1), job)
    assert isinstance(answer, TrainingEstimate)
    assert answer.step_s.low >= 4 * model.parameters / 150e9
    assert answer.step_s.high / answer.step_s.low > 2.9
    assert isinstance(train(model, target("cerebras-wse-3", 2), replace(job, tp=2)), Infeasible)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seq", 0),
        ("zero", 4),
        ("recompute", "some"),
        ("stack", "torch"),
        ("global_batch", 17),
        ("interleave", 2),
        ("cp", 3),
    ],
)
def test_jobs_that_make_no_sense(field: str, value: object) -> None:
    with pytest.raises(BadValue, match=field.replace("_", " ")):
        replace(BASE, **{field: value})  # type: ignore[arg-type]


def test_power_of_a_node_is_what_was_measured() -> None:
    """Demanding training takes 76 % of the 10.2 kW of a node of eight H100 (arXiv:2506.14551), 8.4 kW at most."""
    answer = step(
        Job(BF16, 4096, micro=1, global_batch=64, dp=8, zero=3), "llama-2-13b", target("nvidia-h100-sxm5-80gb")
    )
    assert answer.power_w.low < 0.76 * 10_200 < answer.power_w.high
    assert answer.power_w.mid < 8_400


def test_power_grows_with_chips_and_stays_below_their_limit() -> None:
    one, two = step(), step(replace(BASE, dp=16, global_batch=32))
    assert two.power_w.mid == pytest.approx(2 * one.power_w.mid, rel=0.1)
    limit = 8 * one.target.chip.si("power.tdp") + one.target.system.si("power.host", 0.0)
    assert 0.5 * limit < one.power_w.mid < limit
    assert one.joules_per_token.mid == pytest.approx(one.power_w.mid / one.tokens_per_s.mid)


def test_uneven_stages_hold_and_wait_for_the_fullest() -> None:
    """105 layers on 4 stages: 27 in the fullest."""
    model, job = models.load("turing-530b"), Job(BF16, 2048, 1, 64, tp=8, pp=4, stack="megatron")
    even = replace(job, pp=5)
    assert held(model, job).weights * 4 == pytest.approx(held(model, even).weights * 5 * (4 * 27 / 105))
    assert step(job, "turing-530b").timing.matrix > step(even, "turing-530b").timing.matrix * 5 / 4
