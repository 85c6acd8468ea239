"""Two pools, and ranks in one pool: what must hold whatever the numbers are."""

from __future__ import annotations

import pytest

from silmark import chips, models, systems
from silmark.estimation.disaggregated import Pool, Served, aggregated, disaggregated
from silmark.formats import Precision
from silmark.mapping import Infeasible, Plan
from silmark.step import compile_step
from silmark.systems import Target


def pool(workers: int = 1, tp: int = 1, ranks: int = 1, name: str = "llama-3.1-8b", chip: str = "h200") -> Pool:
    spec = chips.load(chip)
    plan = Plan(Precision.of("fp8"), tp=tp, ep=tp if ranks > 1 else 1, ranks=ranks)
    model = compile_step(models.load(name), Target(spec, systems.usual(spec), tp), plan)
    assert not isinstance(model, Infeasible), model
    return Pool(model, workers)


def served(users: int, prefill: int = 1, decode: int = 1, prompt: int = 1024, output: int = 1024) -> Served:
    found = disaggregated(pool(prefill), pool(decode), prompt, output, users)
    assert isinstance(found, Served), found
    return found


def test_users_are_either_in_prefill_or_in_decode() -> None:
    found = served(64)
    requests = found.tokens_per_s / 1024
    assert requests * (found.ttft_s + 1023 * found.tpot_s) == pytest.approx(64, rel=0.25)


def test_more_users_wait_longer_and_get_more_tokens() -> None:
    few, many = served(4), served(128)
    assert many.tpot_s > few.tpot_s
    assert many.ttft_s >= few.ttft_s
    assert many.tokens_per_s > 5 * few.tokens_per_s


def test_more_decode_workers_make_tokens_faster_not_first_tokens() -> None:
    one, four = served(64), served(64, decode=4)
    assert four.tpot_s < one.tpot_s
    assert four.ttft_s >= 0.9 * one.ttft_s


def test_a_starved_prefill_pool_makes_users_wait() -> None:
    short = {n: served(256, prefill=n, decode=8, prompt=8192, output=64) for n in (1, 8)}
    assert short[1].ttft_s > 3 * short[8].ttft_s
    assert short[1].tokens_per_s < short[8].tokens_per_s


def test_what_does_not_fit_is_said() -> None:
    small = pool(chip="rtx-4090")
    found = disaggregated(small, small, 900_000, 100_000, 4)
    assert isinstance(found, Infeasible)
    assert "does not fit" in found.reason


def test_ranks_hold_more_sequences_and_pay_for_it_when_few_users_come() -> None:
    """DeepSeek-V3: latent caches are copied under tensor parallelism, dense weights under data parallelism."""
    tensor, ranked = (pool(tp=8, ranks=n, name="deepseek-v3").step_model for n in (1, 8))
    assert ranked.memory.sequences(9000) > 3 * tensor.memory.sequences(9000)
    alone = {n: aggregated(one, 1024, 1024, 1) for n, one in ((1, tensor), (8, ranked))}
    assert all(isinstance(found, Served) for found in alone.values())
    assert alone[8].tpot_s > alone[1].tpot_s  # type: ignore[union-attr]
