"""Data-parallel attention: ranks with sequences and weights of their own, experts over all chips."""

from __future__ import annotations

import numpy as np
import pytest

from silmark import chips, models
from silmark.errors import BadValue
from silmark.formats import Precision
from silmark.graph import Attention, Collective, Experts, Gemm
from silmark.mapping import Infeasible, Memory, Plan, memory, shard
from silmark.workloads import Step

FP8 = Precision.of("fp8")
MODEL = "deepseek-v3"


def plan(ranks: int, ep: int = 8) -> Plan:
    return Plan(FP8, tp=8, ep=ep, ranks=ranks)


def parts(ranks: int, seqs: float = 64.0):
    graph = shard(models.load(MODEL).lower(Step.decode(seqs, 1000)), plan(ranks))
    return {kind: [op for op in graph if isinstance(op, kind)] for kind in (Attention, Experts, Gemm, Collective)}


def held(ranks: int) -> Memory:
    found = memory(models.load(MODEL), chips.load("b200"), plan(ranks))
    assert not isinstance(found, Infeasible), found
    return found


def test_a_rank_attends_to_its_own_sequences_with_all_heads() -> None:
    whole, ranked = parts(1)[Attention][0], parts(8)[Attention][0]
    assert float(ranked.seqs) == pytest.approx(float(whole.seqs) / 8)
    assert ranked.heads == 8 * whole.heads


def test_one_sequence_keeps_one_rank_busy() -> None:
    assert float(parts(8, 1.0)[Attention][0].seqs) == 1.0


def test_experts_see_the_tokens_of_all_ranks() -> None:
    whole, ranked = parts(1)[Experts][0], parts(8)[Experts][0]
    assert (float(ranked.m), ranked.experts, ranked.inner) == (float(whole.m), whole.experts, whole.inner)


def test_full_ranks_exchange_tokens_only_around_experts() -> None:
    kinds = {op.pattern for op in parts(8)[Collective]}
    assert kinds == {"dispatch", "combine"}
    assert "all-reduce" in {op.pattern for op in parts(1)[Collective]}


def test_latent_caches_are_not_copied_but_weights_are() -> None:
    """The point of data-parallel attention: tensor parallelism repeats a latent cache on every chip."""
    one, eight = held(1), held(8)
    assert float(eight.per_sequence(4096)) == pytest.approx(float(one.per_sequence(4096)) / 8)
    assert eight.weights > one.weights


def test_work_of_all_chips_is_that_of_the_model() -> None:
    attention = parts(8)[Attention]
    whole = [op for op in models.load(MODEL).lower(Step.decode(64.0, 1000)) if isinstance(op, Attention)]
    ours = sum(float(np.sum(op.seqs)) * op.heads * op.count * 8 for op in attention)
    assert ours == pytest.approx(sum(float(np.sum(op.seqs)) * op.heads * op.count for op in whole))


@pytest.mark.parametrize(("ranks", "attention"), [(3, "heads"), (0, "heads"), (2, "batch")])
def test_ranks_divide_the_chips(ranks: int, attention: str) -> None:
    with pytest.raises(BadValue):
        Plan(FP8, tp=8, ranks=ranks, attention=attention)  # type: ignore[arg-type]
