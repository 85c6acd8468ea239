"""Uneven experts: the fullest chip sets the time, as far as a chip can be full."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark import api, models
from silmark.api.imbalance import imbalance
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.graph import Collective, Experts, Graph
from silmark.mapping import Plan, shard
from silmark.mapping.skew import fullest, power_law
from silmark.step import compile_step
from silmark.systems.catalog import target
from silmark.workloads import Step

FP8 = Precision.of("fp8")
MODEL = "deepseek-v3"


def cut(factor: float, ep: int = 8, ranks: int = 1) -> Graph:
    plan = Plan(FP8, tp=8, ep=ep, ranks=ranks, expert_imbalance=factor)
    return shard(models.load(MODEL).lower(Step.decode(64, 100)), plan)


def experts(graph: Graph) -> Experts:
    return next(op for op in graph if isinstance(op, Experts))


def test_uniform_routing_is_the_default() -> None:
    assert Plan(FP8).expert_imbalance == 1.0
    assert experts(cut(1.0)).top_k == pytest.approx(8 / 8)


def test_the_fullest_chip_has_so_many_times_the_rows() -> None:
    assert experts(cut(2.5)).top_k == pytest.approx(2.5)
    assert experts(cut(2.5, ep=1)).top_k == experts(cut(1.0, ep=1)).top_k, "every expert is cut over all chips"


def test_a_chip_gets_each_token_once_per_expert() -> None:
    """32 experts of 256 lie on a chip: all eight copies of a token may go there, not more."""
    layer = experts(models.load(MODEL).lower(Step.decode(64, 100)))
    assert fullest(layer, Plan(FP8, tp=8, ep=8, expert_imbalance=100.0)) == pytest.approx(8.0)
    assert fullest(layer, Plan(FP8, tp=256, ep=256, expert_imbalance=1000.0)) == pytest.approx(32.0)


def test_what_is_sent_to_the_fullest_chip_grows_alike() -> None:
    one, two = ({op.pattern: op for op in cut(f, ranks=8) if isinstance(op, Collective)} for f in (1.0, 2.0))
    for phase in ("dispatch", "combine"):
        assert float(two[phase].bytes_) == pytest.approx(2 * float(one[phase].bytes_))


@given(st.floats(1, 20), st.floats(1, 20), st.sampled_from([1, 4, 8]), st.sampled_from([1, 8]), st.integers(1, 4096))
def test_more_uneven_is_never_faster(first: float, second: float, ep: int, ranks: int, batch: int) -> None:
    times = []
    for factor in sorted((first, second)):
        plan = Plan(FP8, tp=8, ep=ep if ranks == 1 else 8, ranks=ranks, expert_imbalance=factor)
        found = compile_step(models.load(MODEL), target("8x:h200"), plan)
        times.append(float(found.cost(Step.decode(batch, 100)).time_s))
    assert times[0] <= times[1] * (1 + 1e-12)


def test_a_power_law_is_more_uneven_over_more_chips() -> None:
    """Against the law drawn here by itself: bounded Pareto popularity of 256 experts, eight per token."""
    assert 1.0 < power_law(256, 8, 8, 1.01) < power_law(256, 8, 32, 1.01) < power_law(256, 8, 64, 1.01)
    assert power_law(256, 8, 8, 1.01) < power_law(256, 8, 8, 1.2)
    assert power_law(256, 8, 1, 1.2) == pytest.approx(1.0, rel=1e-3)
    rng = np.random.default_rng(1)
    high = 0.8 * 8192
    popular = (rng.random((4000, 256)) * (high**-0.2 - 1.0) + 1.0) ** (1 / -0.2)
    loads = np.minimum(popular / popular.sum(axis=1, keepdims=True) * 8, 1.0).reshape(4000, 8, 32).sum(axis=2)
    drawn = float(np.mean(loads.max(axis=1) / loads.mean(axis=1)))
    assert power_law(256, 8, 8, 1.2) == pytest.approx(drawn, rel=0.15)


def test_words() -> None:
    model, plan = models.load(MODEL), Plan(FP8, tp=8, ep=8)
    assert imbalance("1.5", model, plan) == imbalance(1.5, model, plan) == 1.5
    assert imbalance("power-law:1.2", model, plan) == power_law(256, 8, 8, 1.2)
    assert imbalance("1", models.load("llama-3.1-8b"), plan) == 1.0
    for wrong in ("0.5", "nan", "-1", "", "power-law:1", "power-law:9", "power-law", "1e5", True, float("nan"), 1e9):
        with pytest.raises(BadValue, match="imbalance"):
            imbalance(wrong, model, plan)
    for wrong, cannot in ((models.load("llama-3.1-8b"), plan), (model, Plan(FP8, tp=8))):
        with pytest.raises(BadValue, match="expected 1, since"):
            imbalance(2.0, wrong, cannot)


def test_estimates_say_how_uneven_they_are() -> None:
    plain, uneven = (
        api.estimate(MODEL, "8x:h200", tp=8, ep=8, batch=64, precision="fp8", imbalance=factor) for factor in (1, 2.0)
    )
    assert "2 times uneven" in uneven.question["plan"]
    assert "uneven" not in plain.question["plan"]
    assert uneven.rows[0].estimate.tpot_s.mid > 1.1 * plain.rows[0].estimate.tpot_s.mid
