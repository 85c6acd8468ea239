"""Statistics against numpy and against counting block by block; public traces against what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark.workloads import traces
from silmark.workloads.requests import Requests, Trace
from silmark.workloads.traces.prefixes import Tree

Sample = Callable[[str], Path]
Whole = Callable[[Trace], Requests]


@pytest.mark.parametrize("name", ["azure", "mooncake", "bailian", "csv"])
def test_numbers_are_those_of_numpy(name: str, sample: Sample, whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = whole(traces.open(sample(name))).rows
    monkeypatch.setattr("silmark.workloads.traces.lines.BLOCK", 300)  # many pieces
    found = traces.statistics(traces.open(sample(name)))
    for tokens, summary in ((rows["prompt"], found.prompt), (rows["output"], found.output)):
        assert summary.mean == pytest.approx(tokens.mean())
        assert summary.percentiles == pytest.approx(np.percentile(tokens, [50, 90, 99]))
        assert (summary.least, summary.most) == (tokens.min(), tokens.max())
    gaps = np.diff(rows["arrival_ns"])
    assert found.cv == pytest.approx(gaps.std() / gaps.mean())
    assert found.rate == pytest.approx(rows.size / (rows["arrival_ns"][-1] / 1e9))


prompts = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=12), min_size=1, max_size=12)


def runs(tokens: list[int]) -> list[tuple[int, int]]:
    """Runs of a prompt's tokens."""
    found: list[tuple[int, int]] = []
    for token in tokens:
        if found and token == sum(found[-1]):
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((token, 1))
    return found


@settings(max_examples=300)
@given(prompts, st.booleans())
def test_the_tree_knows_the_longest_common_beginning(texts: list[list[int]], merged: bool) -> None:
    tree = Tree()
    for number, tokens in enumerate(texts):
        longest = 0
        for other in texts[:number]:
            same = next((at for at, (a, b) in enumerate(zip(tokens, other, strict=False)) if a != b), None)
            longest = max(longest, min(len(tokens), len(other)) if same is None else same)
        assert tree.add(runs(tokens) if merged else [(token, 1) for token in tokens]) == longest


@pytest.mark.parametrize("name", ["mooncake", "bailian"])
def test_reuse_is_what_counting_block_by_block_gives(name: str, sample: Sample, whole: Whole) -> None:
    trace = traces.open(sample(name))
    found, everything = traces.statistics(trace, 16).reuse, whole(trace)
    assert found is not None
    seen: set[tuple[int, ...]] = set()
    hits = tokens = blocks = 0
    for row, (a, b) in enumerate(zip(everything.bounds, everything.bounds[1:], strict=False)):
        ids = np.concatenate([np.arange(start, start + length) for start, length in everything.segments[a:b]])
        chains = [tuple(ids[: at + 16].tolist()) for at in range(0, ids.size, 16)]
        known = 0
        while known < len(chains) and (chains[known] in seen or _begins_one(chains[known], seen)):
            known += 1
        seen.update(chains)
        hits, blocks = hits + known, blocks + len(chains)
        tokens += min(16 * known, int(everything.rows["prompt"][row]))
    assert (found.blocks, found.hit_blocks, found.hit_tokens) == (blocks, hits, tokens)


def _begins_one(chain: tuple[int, ...], seen: set[tuple[int, ...]]) -> bool:
    """A partly filled last block is known if a full one begins with it."""
    return len(chain) % 16 != 0 and any(one[: len(chain)] == chain for one in seen)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "requests", "prompt", "output", "rate", "cv"),
    [
        ("azure-code", 8819, (2047.8, 1469, 5187.6, 7436, 7437), (27.9, 13, 55, 251.5, 1899), 2.567, 13.15),
        ("azure-conv", 19366, (1154.7, 1020, 2734.5, 4142, 14050), (211.1, 129, 424, 601, 1000), 5.530, 1.094),
        ("mooncake-conv", 12031, (12035.1, 6909, 27367, 85400.4, 126195),
         (342.6, 350, 597, 1118.5, 2000), 3.401, 3.034),
        ("mooncake-synthetic", 3993, (15325.5, 11587, 38611.2, 66456.2, 191378),
         (149.1, 69, 389, 768.1, 893), 3.907, 1.011),
    ],
)  # fmt: skip
def test_public_traces(
    name: str,
    requests: int,
    prompt: tuple[float, ...],
    output: tuple[float, ...],
    rate: float,
    cv: float,
) -> None:
    found = traces.statistics(traces.open(name))
    assert found.requests == requests
    for summary, known in ((found.prompt, prompt), (found.output, output)):
        assert (summary.mean, *summary.percentiles, summary.most) == pytest.approx(known, abs=0.0501)
    assert found.rate == pytest.approx(rate, abs=0.0005)
    assert found.cv == pytest.approx(cv, abs=0.005)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "prompt", "output"),
    [
        ("arxiv", (2588.1, 2730, 3702, 3933, 4054), (291.4, 167, 372, 3271, 4056)),
        ("sharegpt-8k", (2340, 1730, 5696, 7433.7, 8141), (438.7, 415, 834, 998, 1024)),
        ("bwb", (1067.2, 1037, 1453, 1800, 3504), (1612.8, 1601, 2149, 2533, 2858)),
    ],
)
def test_public_lengths(name: str, prompt: tuple[float, ...], output: tuple[float, ...]) -> None:
    found = traces.statistics(traces.open(name, traces.Asked(rate="5")))
    for summary, known in ((found.prompt, prompt), (found.output, output)):
        assert (summary.mean, *summary.percentiles, summary.most) == pytest.approx(known, abs=0.5)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "unique", "blocks", "block_rate", "token_rate"),
    [
        ("mooncake-conv", 182_790, 288_500, 0.3664124783362218, 0.3736237491291324),
        ("mooncake-synthetic", 43_924, 121_877, 0.6396038629109676, 0.6512444360312151),
    ],
)
def test_public_prefixes(name: str, unique: int, blocks: int, block_rate: float, token_rate: float) -> None:
    trace = traces.open(name)
    found = traces.statistics(trace, trace.block).reuse
    assert found is not None
    assert (found.blocks, found.blocks - found.hit_blocks) == (blocks, unique)
    assert (found.block_rate, found.token_rate) == (block_rate, token_rate)


@pytest.mark.data
def test_public_tokens(whole: Whole) -> None:
    """The workload with real tokens: 300 requests at 10 per second, prompts covered by their runs."""
    found = whole(traces.open("sharegpt-300"))
    assert found.rows.size == 300
    assert (np.add.reduceat(found.segments["length"], found.bounds[:-1]) == found.rows["prompt"]).all()
