"""A search finds what trying everything finds, and its two pools never exceed their own bounds."""

from __future__ import annotations

import itertools
import time
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import models, systems
from silmark.estimation import disaggregated as closed
from silmark.estimation import estimate
from silmark.estimation.mixture import Mixture
from silmark.estimation.request import prepare
from silmark.formats import Precision
from silmark.mapping import Infeasible
from silmark.planning import split
from silmark.planning.answer import Answer, search
from silmark.planning.evaluate import evaluate
from silmark.planning.pools import prompt_j, undominated
from silmark.planning.space import Asked, Tally, plans
from silmark.step import compile_step
from silmark.workloads import Workload

CHAT = Workload("chat", 1024, 256, ttft_s=2.0, tpot_s=0.05)


def asked(model: str = "llama-3.1-8b", on: str = "4x:h100", work: Workload = CHAT, precision: str = "bf16") -> Asked:
    return Asked(models.load(model), systems.target(on), work, (Precision.of(precision),))


@cache
def both() -> Answer:
    return search(None, asked(on="8x:h100"), "both")


@pytest.mark.parametrize(
    ("model", "on", "precision"),
    [
        ("llama-3.1-8b", "4x:h100", "bf16"),
        pytest.param("deepseek-v2-lite", "4x:h200", "bf16", marks=pytest.mark.slow),
        ("llama-3.1-8b", "4x:corsair", "mxint8"),
    ],
)
def test_best_is_the_best_of_all(model: str, on: str, precision: str) -> None:
    question = asked(model, on, precision=precision)
    rates, joules = [], []
    for plan in plans(question, Tally()):
        compiled = compile_step(question.model, question.target, plan)
        found = compiled if isinstance(compiled, Infeasible) else prepare(compiled, CHAT)
        if isinstance(found, Infeasible):
            continue
        assert isinstance(found, Mixture)
        kept = (found.ttft <= CHAT.ttft_s) & (found.tpot <= CHAT.tpot_s)
        rates += list(found.rate[kept] * plan.dp)
        joules += [found.estimate(i).power_w.mid / (found.rate[i] * plan.dp) for i in np.flatnonzero(kept)]
    answer = search(None, question, "aggregated")
    best = {verdict.objective.name: verdict.winner for verdict in answer.verdicts}
    assert best["throughput"].tokens_per_s.mid == pytest.approx(max(rates), rel=1e-9)
    assert best["energy"].power_w.mid / best["energy"].tokens_per_s.mid == pytest.approx(min(joules), rel=1e-9)


def test_shared_steps_are_those_of_every_plan() -> None:
    for curve in evaluate(asked("llama-3.1-70b", "16x:h100"), Tally()):
        alone = prepare(curve.step_model, CHAT)
        assert isinstance(alone, Mixture)
        for mine, exact in ((curve.steady.tpot, alone.tpot), (curve.steady.ttft, alone.ttft)):
            np.testing.assert_allclose(mine, exact, rtol=1e-12)
        np.testing.assert_allclose(curve.steady.dynamic_w(), alone.dynamic_w(), rtol=1e-12)


def test_every_plan_is_counted_once() -> None:
    tally = Tally()
    curves = evaluate(asked("llama-3.1-70b", "12x:h100"), tally)
    assert tally.tried == tally.rejected + len(curves)
    assert len({curve.plan for curve in curves}) == len(curves)
    assert "GB" in tally.refused["weights"][1]


@settings(max_examples=40)
@given(st.randoms(use_true_random=False))
def test_pools_keep_their_bounds_and_equal_the_exact_step(random: np.random.RandomState) -> None:
    answer = both()
    split = np.flatnonzero(answer.points.prefill >= 0)
    index = int(random.choice(list(split)))
    points, found = answer.points, answer.at(index)
    send, receive = answer.prefill[points.prefill[index]], answer.decode[points.decode[index]]
    requests = points.rate[index] / CHAT.output
    assert requests <= points.senders[index] / send.steady.prompt_s()
    assert requests <= points.workers[index] * points.batch[index] / ((CHAT.output - 1) * points.tpot[index]) * (
        1 + 1e-9
    )
    taken = points.senders[index] * send.worker + points.workers[index] * receive.worker
    assert taken <= answer.chips
    assert found.tokens_per_s.mid == pytest.approx(points.rate[index], rel=1e-9)
    assert found.ttft_s.mid == pytest.approx(points.ttft[index], rel=1e-9)
    assert found.tpot_s.mid == pytest.approx(points.tpot[index], rel=1e-9)
    assert found.power_w.mid == pytest.approx(points.watts[index], rel=1e-9)
    assert sum(found.chip_s.values()) == pytest.approx(answer.chips / points.rate[index], rel=1e-6)
    assert prompt_j(send) > 0


@pytest.mark.parametrize(
    ("sending", "on", "network"),
    [
        (None, "8x:h100", False),
        (None, "16x:h100", True),
        ("2x:h100", "2x:nvidia-a100-sxm4-80gb", True),  # two machines, between which caches move
        ("2x:h100", "4x:google-tpu-v6e", True),
    ],
)
def test_points_cost_what_their_plans_in_full_do(sending: str | None, on: str, network: bool) -> None:
    answer = search(asked(on=sending) if sending else None, asked(on=on), "disaggregated" if sending else "both")
    points = answer.points
    for index in range(0, points.size, max(1, points.size // 7)):
        found = answer.at(index)
        assert found.usd_per_mtok is not None
        assert found.usd_per_mtok.mid == pytest.approx(1e6 * points.usd[index] / points.rate[index], rel=1e-9)
        assert ("network.port" in found.figures) is network


def test_split_at_whole_load_is_no_better_than_each_pool_alone() -> None:
    answer = both()
    points, split = answer.points, answer.points.prefill >= 0
    prompts = max(8 // curve.worker / curve.steady.prompt_s() for curve in answer.prefill)
    tokens = max(
        float((8 // c.worker * c.steady.batches / (c.steady.decode.time_s * c.steady.stall)).max())
        for c in answer.decode
    )
    best = points.rate[split].max()
    assert best < prompts * CHAT.output
    assert best < tokens * CHAT.output / (CHAT.output - 1)


def test_winners_keep_the_promises_and_stand_on_the_frontier() -> None:
    answer = both()
    for best in answer.best:
        assert answer.points.ttft[best.winner] <= CHAT.ttft_s
        assert answer.points.tpot[best.winner] <= CHAT.tpot_s
        assert best.ratio >= 1.0
    throughput = answer.best[0]
    front = answer.points.take(answer.frontier)
    faster = front.tpot <= answer.points.tpot[throughput.winner]
    assert front.rate[faster].max() >= answer.points.rate[throughput.winner]


def test_promises_that_cannot_be_kept_give_the_nearest_miss() -> None:
    answer = search(None, asked(work=Workload("chat", 1024, 256, ttft_s=2.0, tpot_s=1e-4)), "both")
    assert not answer.best
    assert answer.nearest is not None
    assert "TPOT" in answer.nearest.misses


def test_error_bars_are_those_of_estimate() -> None:
    answer = search(None, asked(), "aggregated")
    found = answer.verdicts[0].winner
    curve = answer.decode[answer.points.decode[answer.best[0].winner]]
    work = Workload("chat", 1024, 256, ttft_s=2.0, tpot_s=0.05, users=int(found.pools[0].batch) * curve.plan.dp)
    exact = estimate(curve.step_model, work)
    assert not isinstance(exact, Infeasible)
    assert found.tpot_s == exact.tpot_s
    assert found.joules == exact.joules


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20))
def test_only_beaten_plans_are_left_out(rows: list[tuple[int, int]]) -> None:
    facts = np.array(rows, dtype=float)
    kept = undominated(facts, [0] * len(rows))
    assert kept.size
    for row in facts:
        assert any((facts[i] <= row).all() for i in kept)


def test_two_pools_of_the_same_chips_are_all_those_chips() -> None:
    each = asked(on="4x:h100"), asked(on="4x:h100")
    answer = search(*each, "both")
    assert answer.chips == 8
    best = answer.at(answer.best[0].winner)
    assert sum(pool.plan.chips for pool in best.pools) == 8
    assert best.chips == 8
    free = search(None, asked(on="8x:h100"), "disaggregated")  # may split them four and four as well
    assert free.points.rate[free.best[0].winner] >= answer.points.rate[answer.best[0].winner]


def test_pools_of_the_same_chips_share_a_checkpoint() -> None:
    both_ways = Asked(
        models.load("llama-3.1-8b"), systems.target("2x:h100"), CHAT, (Precision.of("bf16"), Precision.of("fp8"))
    )
    answer = search(None, both_ways, "disaggregated")
    pairs = {(p, d) for p, d in zip(answer.points.prefill, answer.points.decode, strict=True)}
    formats = {(str(answer.prefill[p].plan.precision), str(answer.decode[d].plan.precision)) for p, d in pairs}
    assert formats == {("bf16", "bf16"), ("fp8", "fp8")}


def test_a_search_takes_tenths_of_a_second() -> None:
    question = asked("llama-3.1-70b", "32x:nvidia-h100-sxm5-80gb")
    search(None, question, "both")
    times = []
    for _ in range(3):
        start = time.process_time()
        assert search(None, question, "both").verdicts
        times.append(time.process_time() - start)
    assert min(times) < 0.5  # a tenth of it on an idle machine


def test_no_pair_of_pools_at_any_split_does_better() -> None:
    question = asked(on="4x:h100")
    answer = search(None, question, "disaggregated")
    best = {each.objective.name: each.objective.score(answer.points, CHAT)[each.winner] for each in answer.best}
    curves = evaluate(question, Tally())
    tried = 0
    for first, decode in itertools.product(curves, curves):
        for senders in range(1, 4 // first.worker + 1):
            workers = (4 - senders * first.worker) // decode.worker
            for batch in decode.steady.batches[::3] if workers else ():
                found = split.disaggregated(first, decode, senders, workers, float(batch))
                tried += 1
                if not found.misses:
                    assert 1 / found.tokens_per_s.mid >= best["throughput"] * (1 - 1e-9)
                    assert found.joules.mid >= best["energy"] * (1 - 1e-9)
                    assert found.ttft_s.mid + (CHAT.output - 1) * found.tpot_s.mid >= best["latency"] * (1 - 1e-9)
    assert tried > 100


def test_a_closed_loop_of_as_many_users_serves_as_much() -> None:
    """The model that is validated against measurements keeps users fixed; in the same state it says nearly the same."""
    answer = both()
    points = answer.points
    index = int(np.argmax(np.where((points.prefill >= 0) & (points.tpot < 0.05), points.rate, 0.0)))
    senders, workers = int(points.senders[index]), int(points.workers[index])
    requests = float(points.rate[index]) / CHAT.output
    users = workers * points.batch[index] + requests * points.ttft[index]
    pools = (
        closed.Pool(answer.prefill[points.prefill[index]].step_model, senders),
        closed.Pool(answer.decode[points.decode[index]].step_model, workers),
    )
    served = closed.disaggregated(*pools, CHAT.prompt, CHAT.output, round(float(users)))
    assert not isinstance(served, Infeasible)
    assert served.tokens_per_s == pytest.approx(points.rate[index], rel=0.12)  # its batches lie a tenth apart
