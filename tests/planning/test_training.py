"""A search over training plans finds what `silmark train` says of every plan, and loses none on the way."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import models, systems
from silmark.errors import BadValue
from silmark.figures import Figure
from silmark.formats import Precision
from silmark.planning.training import Answer, Asked, search
from silmark.planning.training.space import divisors, space
from silmark.systems import Target
from silmark.training import RECOMPUTE, Job, TrainingEstimate, train

BF16 = Precision.of("bf16")
CASES = {
    "dense": ("llama-3.1-8b", "16x:nvidia-h100-sxm5-80gb", Job(BF16, 4096, 1, 96, stack="torchtitan", fused=True)),
    "unfused": ("gpt3-175b", "128x:nvidia-a100-sxm4-80gb", Job(BF16, 2048, 1, 48, stack="megatron", flash=False)),
    "experts": ("llama-4-scout", "64x:google-tpu-v5p", Job(BF16, 8192, 1, 64, stack="maxtext", fused=True)),
    "context": ("llama-3.1-70b", "64x:nvidia-h100-sxm5-80gb", Job(BF16, 8192, 1, 32, cp=2, stack="torchtitan")),
    "slices": ("llama-3.1-8b", "512x:google-tpu-v5e", Job(BF16, 2048, 1, 512, stack="maxtext", fused=True)),
}
SMALL = {"recompute": (0, 3), "zero": (0, 1, 3), "interleave": (1, 2), "pp": (1, 2, 4), "tp": (1, 2)}


def asked(name: str, **only: tuple[int, ...]) -> Asked:
    model, on, base = CASES[name]
    return Asked(models.load(model), systems.target(on), base, only)


@cache
def found(name: str) -> Answer:
    return search(asked(name))


def faster(target: Target, key: str, factor: float) -> Target:
    """The same chips, or their network, with one figure scaled."""

    def scaled(figures: Mapping[str, Figure]) -> dict[str, Figure]:
        figure = figures[key]
        return {**figures, key: replace(figure, value=figure.value * factor, high=figure.high * factor)}

    if key in target.chip.figures:
        return replace(target, chip=replace(target.chip, figures=scaled(target.chip.figures)))
    return replace(target, system=replace(target.system, figures=scaled(target.system.figures)))


@settings(max_examples=60)
@given(st.sampled_from(sorted(CASES)), st.floats(0, 1, exclude_max=True))
def test_every_plan_is_what_train_says(name: str, where: float) -> None:
    answer = found(name)
    plans = answer.result.plans
    index = int(where * plans.size)
    alone = train(answer.asked.model, answer.asked.target, plans.job(index))
    assert isinstance(alone, TrainingEstimate)
    assert plans.step_s[index] == pytest.approx(alone.step_s.mid, rel=1e-9)
    assert alone.memory is not None
    assert plans.bytes_[index] == pytest.approx(float(alone.memory.total), rel=1e-9)


def test_search_equals_trying_everything() -> None:
    question = asked("dense", **SMALL, micro=(1, 4))
    question = replace(question, base=replace(question.base, global_batch=24))
    model, target, base = question.model, question.target, question.base
    steps, tried = [], 0
    for tp, pp, dp, micro in itertools.product((1, 2), (1, 2, 4), divisors(24), (1, 4)):
        if tp * pp * dp > 16 or 24 % (dp * micro):
            continue
        cut = replace(base, tp=tp, pp=pp, dp=dp, micro=micro, sequence_parallel=tp > 1)
        for v, mode, zero in itertools.product((1, 2) if pp > 1 else (1,), (0, 3), (0, 1, 3)):
            tried += 1
            job = replace(cut, interleave=v, recompute=RECOMPUTE[mode], zero=zero)
            if (v > 1 and job.passes % pp) or (zero and dp == 1):
                continue
            answer = train(model, target, job)
            steps += [answer.step_s.mid] if isinstance(answer, TrainingEstimate) else []
    result = search(question).result
    assert result.tried == tried
    assert np.sort(result.plans.step_s) == pytest.approx(sorted(steps), rel=1e-9)


@pytest.mark.parametrize("name", sorted(CASES))
def test_no_plan_is_lost(name: str) -> None:
    result = found(name).result
    assert result.tried == result.plans.size + sum(result.refused.values())
    assert result.plans.size > 100
    assert result.plans.jobs.chips.max() <= found(name).asked.target.count
    assert (result.plans.bytes_ <= 1.0001 * found(name).at(0).estimate.memory.capacity).all()  # type: ignore[union-attr]


@pytest.mark.parametrize("name", sorted(CASES))
def test_frontier_is_undominated_and_complete(name: str) -> None:
    answer = found(name)
    plans, front = answer.result.plans, answer.frontier
    chips, step = plans.jobs.chips, plans.step_s
    assert (np.diff(chips[front]) < 0).all()
    assert (np.diff(step[front]) > 0).all()
    for n in (1, 3, 8, 16, 24, 50, 64):
        fitting = step[chips <= n]
        if fitting.size:
            assert step[front][chips[front] <= n].min() == pytest.approx(fitting.min(), rel=1e-8)
    assert answer.verdicts[0].winner.estimate.step_s.mid == pytest.approx(step.min())
    assert answer.verdicts[1].winner.estimate.step_s.mid * answer.verdicts[1].winner.job.chips == pytest.approx(
        (step * chips).min()
    )


@pytest.mark.parametrize(
    "key",
    ["memory.main.capacity", "memory.main.bandwidth", "link.scale_up.bandwidth", "scale_out.bandwidth", "peak.bf16"],
)
@settings(max_examples=5)
@given(factor=st.floats(1.1, 4))
def test_more_of_anything_never_hurts_the_best(key: str, factor: float) -> None:
    question = asked("dense", **SMALL)
    better = replace(question, target=faster(question.target, key, factor))
    before, after = (float(search(each).result.plans.step_s.min()) for each in (question, better))
    assert after <= before * (1 + 1e-9)


def test_runner_up_is_another_cut_and_no_better() -> None:
    for verdict in found("dense").verdicts:
        assert verdict.second is not None
        cuts = [(f.job.tp, f.job.pp, f.job.dp) for f in (verdict.winner, verdict.second)]
        assert cuts[0] != cuts[1]
        assert verdict.ratio >= 1
        assert verdict.why


def test_eight_thousand_plans_of_a_530b_model_in_half_a_second() -> None:
    """Calculon takes 49 CPU-seconds for 8,112 executions."""
    base = Job(BF16, 2048, 1, 2520, stack="torchtitan", fused=True)
    question = Asked(models.load("turing-530b"), systems.target("5128x:nvidia-a100-sxm4-80gb"), base)
    answer, seconds = None, math.inf
    for _ in range(3):
        start = time.process_time()
        answer = search(question)
        assert answer.verdicts
        seconds = min(seconds, time.process_time() - start)
    assert answer is not None
    assert answer.result.tried >= 8_000
    assert len(answer.result.refused) >= 4
    assert seconds <= 0.5


def test_best_is_at_least_as_good_as_the_published_plan() -> None:
    """280 A100 train 530 billion parameters with TP8 PP35, interleaved three times (arXiv:2205.05198, table 5)."""
    target = systems.target("280x:nvidia-a100-sxm4-80gb")
    base = Job(Precision.of("fp16"), 2048, 1, 280, stack="megatron", flash=False)
    published = replace(base, tp=8, pp=35, interleave=3, recompute="full")
    model = models.load("turing-530b")
    theirs = train(model, target, published)
    assert isinstance(theirs, TrainingEstimate)
    ours = search(Asked(model, target, base)).verdicts[0].winner
    assert ours.estimate.step_s.mid <= theirs.step_s.mid * (1 + 1e-9)


def test_the_cut_that_trained_llama_405b_is_among_the_best() -> None:
    """16,384 H100, 8,192 tokens, 16 million tokens a step: TP8, PP16, DP128 (arXiv:2407.21783, table 4)."""
    base = Job(BF16, 8192, 1, 2048, stack="torchtitan", fused=True)
    question = Asked(models.load("llama-3.1-405b"), systems.target("16384x:nvidia-h100-sxm5-80gb"), base)
    used = replace(question, only={"tp": (8,), "pp": (16,), "dp": (128,)})
    best, theirs = (float(search(each).result.plans.step_s.min()) for each in (question, used))
    assert best <= theirs <= 1.1 * best


def test_what_does_not_fit_says_what_the_smallest_plan_takes() -> None:
    answer = search(Asked(models.load("llama-3.1-405b"), systems.target("8x:nvidia-h100-sxm5-80gb"), CASES["dense"][2]))
    assert not answer.verdicts
    assert "no plan fits; the smallest is TP8" in answer.reason
    assert answer.result.tried == sum(answer.result.refused.values())
    assert any(reason.startswith("memory: ") for reason in answer.result.refused)


@pytest.mark.parametrize(("on", "word"), [("groq-groqchip-1", "inference"), ("extropic-z1", "samples")])
def test_chips_that_cannot(on: str, word: str) -> None:
    answer = search(Asked(models.load("llama-3.1-8b"), systems.target(on), CASES["dense"][2]))
    assert answer.result.tried == 0
    assert word in answer.reason


def test_wafers_are_replicas() -> None:
    question = Asked(models.load("llama-3.1-70b"), systems.target("8x:cerebras-wse-3"), CASES["dense"][2])
    answer = search(question)
    assert sorted(answer.result.plans.jobs.dp.tolist()) == [1, 2, 3, 4, 6, 8]
    assert answer.verdicts[0].winner.job.dp == 8
    assert answer.verdicts[0].winner.headroom is None
    assert "data parallel only" in search(replace(question, only={"tp": (2,)})).reason


def test_too_many_plans_say_what_to_fix() -> None:
    base = Job(BF16, 512, 1, 720_720, stack="maxtext")
    with pytest.raises(BadValue, match="fix tp, pp, dp"):
        space(Asked(models.load("llama-3.1-405b"), systems.target("8960x:google-tpu-v5p"), base))


def test_run_is_time_and_money_of_its_tokens() -> None:
    winner = found("dense").verdicts[0].winner
    run, twice = winner.run(1e12), winner.run(2e12)
    assert run.days.mid == pytest.approx(1e12 / winner.estimate.tokens_per_s.mid / 86_400)
    assert run.usd is not None
    assert twice.usd is not None
    assert twice.usd.mid == pytest.approx(2 * run.usd.mid)
    assert run.usd.low < run.usd.mid < run.usd.high
    assert run.joules.mid == pytest.approx(run.days.mid * 86_400 * winner.estimate.power_w.mid)


def test_recompute_modes_are_all_tried() -> None:
    modes = {RECOMPUTE[i] for i in np.unique(found("unfused").result.plans.jobs.recompute)}
    assert modes == set(RECOMPUTE)
