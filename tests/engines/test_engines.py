"""Whose defaults hold where, by chip and version; every setting has a source."""

from __future__ import annotations

import pytest

from silmark import chips
from silmark.errors import BadValue
from silmark.figures import Grade, load_sources
from silmark.figures.tables import packaged
from silmark.mapping import Infeasible
from silmark.serving import engines
from silmark.serving.engines import Engine, engine

ALL = [chips.load(name) for name in chips.names()]


def came_up(policy: str, chip: str, replica_chips: int = 1, version: str = "") -> Engine:
    found = engine(policy, chips.load(chip), replica_chips, version)
    assert isinstance(found, Engine)
    return found


@pytest.mark.parametrize(
    ("chip", "tokens", "seqs"),
    [
        ("h100", 8192, 1024),
        ("nvidia-a100-sxm4-80gb", 2048, 256),
        ("nvidia-rtx-4090-24gb", 2048, 256),
        ("nvidia-b200-sxm-180gb", 16384, 1024),
        ("nvidia-h200-sxm-141gb", 8192, 1024),
        ("amd-mi300x-192gb", 16384, 1024),
        ("google-tpu-v6e", 1024, 256),
        ("google-tpu-v5e", 512, 256),
        ("nvidia-l40s-48gb", 2048, 256),
    ],
)
def test_vllm_goes_by_memory_and_chip(chip: str, tokens: int, seqs: int) -> None:
    found = came_up("vllm", chip)
    assert (found.whole("max_num_batched_tokens"), found.whole("max_num_seqs")) == (tokens, seqs)


@pytest.mark.parametrize(
    ("version", "share", "counts", "ahead"), [("0.10.2", 0.9, 0, 0), ("0.19.0", 0.9, 0, 1), ("", 0.92, 1, 1)]
)
def test_versions_differ(version: str, share: float, counts: int, ahead: int) -> None:
    found = came_up("vllm", "h100", version=version)
    assert found.value("memory.share") == share
    assert (found.value("memory.graph") > 0) == counts
    assert found.value("async_scheduling") == ahead


def test_sglang_records_larger_batches_on_more_chips() -> None:
    assert came_up("sglang", "h100").whole("captured.most") == 256
    assert came_up("sglang", "h100", replica_chips=8).whole("captured.most") == 512
    assert came_up("sglang", "h100").whole("max_num_batched_tokens") == 8192


@pytest.mark.parametrize("chip", ALL, ids=lambda chip: chip.id)
def test_every_chip_has_an_engine_of_the_policy_vllm(chip: chips.Chip) -> None:
    found = engine("vllm", chip)
    assert isinstance(found, Engine)
    for key in ("max_num_seqs", "max_num_batched_tokens", "block_size"):
        assert found.whole(key) >= 1, key


def test_an_engine_that_does_not_run_there_is_an_answer() -> None:
    found = engine("sglang", chips.load("groq-groqchip-1"))
    assert isinstance(found, Infeasible)
    assert found.cannot
    assert "SGLang" in found.reason


@pytest.mark.parametrize("version", ["latest", "1" * 50, "-1", ".9"])
def test_versions_are_numbers(version: str) -> None:
    with pytest.raises(BadValue, match="engine version"):
        engine("vllm", chips.load("h100"), version=version)


def test_policies_are_known_by_name() -> None:
    with pytest.raises(BadValue, match="policy"):
        engine("tgi", chips.load("h100"))


@pytest.mark.parametrize("name", packaged("engines"))
def test_settings_have_sources_and_assumptions_intervals(name: str) -> None:
    usual, rules = engines._read(name)
    known = load_sources()
    for settings in (usual, *(settings for _, settings in rules)):
        for key, figure in settings.items():
            assert figure.source in known, key
            if figure.grade is Grade.ASSUMED and not key.startswith("captured."):
                assert figure.low < figure.high, key
