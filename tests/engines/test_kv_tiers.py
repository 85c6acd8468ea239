"""KV blocks beyond the chips: what they take to move, and when that pays."""

from __future__ import annotations

import pytest
from replicas import running

from silmark.errors import BadValue
from silmark.serving.kv_tiers import NEVER, kv_tiers


def test_blocks_move_as_sessions_do_in_an_estimate() -> None:
    found = running("llama-3.1-70b", "8x:h100")
    tier = kv_tiers(found, ["host"])[0]
    host = found.step_model.target.tiers()["host"]
    blocks = 64.0
    cache = float(found.step_model.memory.per_sequence(blocks * found.options.block_size))
    assert tier.seconds(blocks) == pytest.approx(host.seconds(cache, 8), rel=1e-6)


def test_a_tier_holds_blocks_once_whatever_the_chips_of_a_group_keep() -> None:
    """Eight chips keep a copy each of a latent cache; the host keeps one."""
    found = running("deepseek-v3", "8x:nvidia-h200-sxm-141gb", "fp8")
    tier = kv_tiers(found, ["host"])[0]
    capacity = found.step_model.target.tiers()["host"].capacity_bytes
    assert tier.blocks * found.blocks.bytes_ == pytest.approx(capacity, rel=0.01)


def test_restoring_pays_from_where_it_is_said() -> None:
    found = running("llama-3.1-8b", "1x:h100")
    tier = kv_tiers(found, ["host"])[0]
    size = found.options.block_size
    for blocks in (tier.pays_from, 10 * tier.pays_from, found.options.max_model_len // size):
        assert tier.seconds(blocks) < float(found.step_model.prefill_s(1, blocks * size))


def test_a_tier_further_away_takes_longer() -> None:
    near, far = kv_tiers(running("llama-3.1-8b", "hgx-h100-8-leo"), ["host", "cxl"])
    assert 0 < near.pays_from <= NEVER
    assert near.block_s < far.block_s


def test_unknown_tiers_are_named() -> None:
    with pytest.raises(BadValue, match="cellar"):
        kv_tiers(running("llama-3.1-8b", "1x:h100"), ["cellar"])
