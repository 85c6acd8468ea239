"""Caches that wait in a memory tier: restored or made anew, and a cache that attention reads from beyond the chip."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import api, models, systems
from silmark.errors import BadValue
from silmark.estimation import Estimate, Serving, estimate
from silmark.estimation.mixture import Mixture
from silmark.estimation.offload import Blend
from silmark.estimation.request import prepare
from silmark.estimation.stores import store
from silmark.formats import Precision
from silmark.graph import Attention
from silmark.mapping import Infeasible, Plan
from silmark.report.schema import EstimateDocument
from silmark.step import StepModel, compile_step
from silmark.systems import System, Target
from silmark.workloads import Step, Workload

LEO = "hgx-h100-8-leo"
PAIRS = (
    (LEO, "llama-3.1-70b", {"tp": 8}),
    (LEO, "deepseek-v2-lite", {"tp": 8, "ranks": 8, "ep": 8}),
    (LEO, "gpt-oss-20b", {"tp": 2, "pp": 2, "dp": 2}),
    (LEO, "llama-3.1-8b", {"tp": 2, "cp": 2}),
)
few = settings(max_examples=20)
pairs = st.sampled_from(range(len(PAIRS)))
tiers = st.sampled_from(["main", "host", "cxl", "host+cxl", "main+host+cxl"])
thinks = st.sampled_from([0.0, 1.0, 30.0, 600.0, 36_000.0])


def faster(system: System, key: str, factor: float) -> System:
    figure = system.figures[key]
    return replace(system, figures={**system.figures, key: figure.at(figure.value * factor)})


@cache
def compiled(pair: int, key: str = "", factor: float = 1.0) -> StepModel:
    on, model, ways = PAIRS[pair]
    target = systems.target(on)
    if key:
        target = Target(target.chip, faster(target.system, key, factor), target.count)
    found = compile_step(models.load(model), target, Plan(Precision.of("fp8"), **ways))
    assert not isinstance(found, Infeasible), found.reason
    return found


def served(model: StepModel, work: Workload, serving: Serving) -> Mixture:
    found = prepare(model, work, True, serving)
    assert isinstance(found, Mixture), found
    return found


def shares(found: Mixture) -> np.ndarray:
    assert isinstance(found.prompts, Blend)
    return np.asarray(found.prompts.share)


@st.composite
def works(draw: st.DrawFn) -> Workload:
    prompt = draw(st.integers(64, 40_000))
    return Workload(
        "w", prompt, draw(st.integers(16, 1000)), reuse=draw(st.integers(1, prompt - 1)),
        reuse_share=draw(st.floats(0, 1)), think_s=draw(thinks),
    )  # fmt: skip


@few
@given(pair=pairs, work=works(), tier=tiers)
def test_offload_is_never_worse_than_prefilling_again(pair: int, work: Workload, tier: str) -> None:
    plain, kept = (served(compiled(pair), work, Serving(offload=name)) for name in ("", tier))
    assert np.all(kept.tpot <= plain.tpot * (1 + 1e-9))
    assert np.all(kept.ttft <= plain.ttft * (1 + 1e-9))
    assert np.all(kept.rate >= plain.rate * (1 - 1e-9))
    assert np.all((shares(kept) >= 0) & (shares(kept) <= work.reuse_share + 1e-12))


@few
@given(
    pair=pairs, work=works(), tier=st.sampled_from(["host", "cxl"]), factor=st.sampled_from([1.5, 4.0]),
    what=st.sampled_from(["bandwidth", "capacity"]),
)  # fmt: skip
def test_a_better_tier_never_hurts(pair: int, work: Workload, tier: str, factor: float, what: str) -> None:
    before = served(compiled(pair), work, Serving(offload=tier))
    after = served(compiled(pair, f"memory.{tier}.{what}", factor), work, Serving(offload=tier))
    assert np.all(shares(after) >= shares(before) - 1e-9)
    assert np.all(after.tpot <= before.tpot * (1 + 1e-9))


@few
@given(pair=pairs, work=works(), tier=tiers)
def test_the_steady_state_closes(pair: int, work: Workload, tier: str) -> None:
    """Sessions found are held, copies pass the links, and the mean prompt is what the tokens' time holds."""
    found = served(compiled(pair), work, Serving(offload=tier))
    requests = found.rate / work.output
    share = shares(found)
    if work.think_s:
        assert np.all(share * requests * work.think_s <= work.reuse_share * found.kept.sessions * (1 + 1e-6))
    _, busy = found.kept.pace(requests * work.think_s)
    assert np.all(share * requests * busy <= 0.9 * (1 + 1e-6))


@few
@given(pair=pairs, reuse=st.integers(1, 8000), output=st.integers(16, 500))
def test_restored_prompts_cost_their_new_tokens_over_the_old(pair: int, reuse: int, output: int) -> None:
    model = compiled(pair)
    work = Workload("w", 8192, output, reuse=reuse)
    found = served(model, work, Serving(offload="main"))
    assert isinstance(found.prompts, Blend)
    if np.all(found.prompts.share == 1):
        step = Step.prefill(1, 8192 - reuse, reuse)
        assert float(found.prompts.restored.alone.time_s) == pytest.approx(float(model.quick(step).time_s))


def test_chunks_and_caches_together() -> None:
    work = Workload("w", 8192, 128, reuse=7680, users=64)
    plain, both = (served(compiled(0), work, Serving(chunk=512, offload=name)) for name in ("", "host"))
    assert both.decoders[0] > 4 * plain.decoders[0]
    assert both.rate[0] > 2 * plain.rate[0]


def test_nothing_is_kept_unless_asked() -> None:
    """Prefix tokens alone change nothing: today's engines without offload prefill again."""
    work = Workload("w", 4096, 256)
    one, two = (served(compiled(0), w, Serving()) for w in (work, replace(work, reuse=2000, think_s=60.0)))
    for name in ("tpot", "ttft", "rate"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


def test_more_memory_finds_more_sessions() -> None:
    """Ten idle minutes: what the chips have left holds few sessions, the host some, CXL memory most."""
    work = Workload("w", 4096, 256, ttft_s=2.0, tpot_s=0.05, reuse=3584, think_s=600.0)
    found = [served(compiled(0), work, Serving(offload=tier)) for tier in ("", "main", "host", "cxl")]
    batches = [float(one.batches[one.index]) for one in found]
    assert batches == sorted(batches)
    assert batches[3] > batches[2] > batches[0]
    both = served(compiled(0), work, Serving(offload="host+cxl"))
    assert shares(both)[both.index] > shares(found[3])[found[3].index]
    np.testing.assert_allclose(both.kept.sessions, found[2].kept.sessions + found[3].kept.sessions)


@few
@given(idle=st.floats(0, 1e6))
def test_a_row_of_tiers_is_as_fast_as_where_caches_lie(idle: float) -> None:
    batches = np.array([1.0, 64.0])
    work = Workload("w", 4096, 256, reuse=3584)
    one, two, row = (
        store(compiled(0), work, name, batches, lambda n: float(compiled(0).memory.per_sequence(n)))
        for name in ("host", "cxl", "host+cxl")
    )
    read, busy = row.pace(np.full(2, idle))
    first, second = one.pace(np.full(2, idle))[0], two.pace(np.full(2, idle))[0]
    assert np.all((read >= first * (1 - 1e-9)) & (read <= second * (1 + 1e-9)))
    assert np.all(busy <= two.pace(np.full(2, idle))[1] * (1 + 1e-9))
    if idle <= float(one.sessions[0]):
        np.testing.assert_allclose(read, first)


def most_users(model: StepModel, work: Workload, serving: Serving) -> int:
    """The largest number of sequences that keeps the promises, by bisection."""
    low, high = 1, model.memory.sequences(work.prompt + work.output)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if served(model, replace(work, users=middle), serving).keeps else (low, middle - 1)
    return low


def test_a_third_more_sequences_at_the_same_promise() -> None:
    """Cache in CXL memory: +30 % batch against recompute under one SLO (Tang et al., MLforSys at NeurIPS 2024).

    Their model, prompts and reuse are not public. The gain grows with the reused part of the prompt and passes 30 %
    between a fifth and 45 % of it, whatever the model; seven eighths, which their 87 % fewer GPUs for prefill say,
    give more.
    """
    for pair in (0, 3):
        gains = []
        for part in (0.2, 0.45, 0.875):
            work = Workload("w", 8192, 256, tpot_s=0.05, reuse=round(8192 * part))
            plain, kept = (most_users(compiled(pair), work, Serving(offload=tier)) for tier in ("", "cxl"))
            gains.append(kept / plain)
        assert gains == sorted(gains)
        assert gains[0] < 1.3 < gains[1]


def test_prefill_needs_the_part_that_is_new() -> None:
    """87 % fewer GPUs for prefill, 7.5 times their use: both say that 0.87 of the work is reused (ibid.)."""
    assert pytest.approx(7.5, rel=0.03) == 1 / (1 - 0.87)
    work = Workload("w", 8192, 1, reuse=round(0.87 * 8192))
    found = served(compiled(0), work, Serving(offload="cxl"))
    assert isinstance(found.prompts, Blend)
    fresh, restored = (float(kind.alone.time_s) for kind in (found.prompts.fresh, found.prompts.restored))
    assert 0.10 < restored / fresh < 0.25


def test_decoding_from_the_host_is_bound_by_its_link() -> None:
    near, far = (
        compile_step(
            models.load("llama-3.1-70b"),
            systems.target(LEO),
            replace(compiled(0).plan, placement=replace(compiled(0).plan.placement, kv=kv)),
        )
        for kv in ("main", "host")
    )
    assert isinstance(near, StepModel)
    assert isinstance(far, StepModel)
    step = Step.decode(32, 16_384)
    bytes_ = sum(
        float(op.count * np.sum(op.seqs * op.cached())) * op.kv_width
        for op in far.sharded(step)
        if isinstance(op, Attention)
    )
    assert far.tier is not None
    assert float(far.cost(step).time_s) >= bytes_ / far.tier.chip_bytes_per_s
    assert float(far.cost(step).time_s) > 5 * float(near.cost(step).time_s)
    np.testing.assert_allclose(far.quick(step).time_s, far.cost(step).time_s, rtol=1e-9)
    assert far.memory.sequences(16_384) > near.memory.sequences(16_384)
    answer = estimate(far, Workload("w", 16_384, 64, users=32), quick=True)
    assert isinstance(answer, Estimate)
    assert answer.bound_by["decode"] == "link"
    assert "system.memory.host.bandwidth" in answer.figures


def test_what_a_system_lacks_is_said() -> None:
    plan = Plan(Precision.of("fp8"), tp=8)
    plan = replace(plan, placement=replace(plan.placement, kv="cxl"))
    found = compile_step(models.load("llama-3.1-8b"), systems.target("hgx-h100-8"), plan)
    assert isinstance(found, Infeasible)
    assert "cxl" in found.reason
    ask = {"precision": "fp8", "batch": 1}
    for words in (
        {"offload": "cxl", "reuse": 9},
        {"offload": "host"},
        {"offload": "host+host", "reuse": 9},
        {"kv_in": "cxl"},
    ):
        with pytest.raises(BadValue):
            api.estimate("llama-3.1-8b", "hgx-h100-8", **ask, **words)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words", [{"reuse": 1024}, {"reuse": -1}, {"reuse_share": "2"}, {"think": "soon"}, {"reuse": 10, "think": -3}]
)
def test_reuse_is_checked(words: dict[str, object]) -> None:
    with pytest.raises(BadValue):
        api.estimate("llama-3.1-8b", "hgx-h100-8", batch=1, **words)  # type: ignore[arg-type]


def test_an_uncertain_tier_widens_what_it_bounds() -> None:
    """A tier that holds all that is asked adds nothing to the rate; one that holds a part adds its uncertain room."""
    asked = {"precision": "fp8", "prompt": 4096, "reuse": 3584, "offload": "cxl", "batch": 64}
    all_, part = (
        api.estimate("llama-3.1-70b", LEO, think=think, **asked).rows[0].estimate  # type: ignore[arg-type]
        for think in ("1s", "30min")
    )
    assert isinstance(all_, Estimate)
    assert isinstance(part, Estimate)
    assert all_.restored is not None
    assert part.restored is not None
    assert part.restored.share < all_.restored.share == 1.0
    assert all_.tpot_s is not None
    assert part.tpot_s is not None
    assert part.tpot_s.high / part.tpot_s.mid > all_.tpot_s.high / all_.tpot_s.mid


def test_the_document_says_what_is_restored() -> None:
    depth = api.estimate("llama-3.1-70b", LEO, precision="fp8", prompt=4096, reuse=3584, think="10min", offload="cxl")
    document = depth.as_dict(explain=True)
    EstimateDocument.model_validate(document)
    row = document["rows"][0]
    assert row["offload"]["tier"] == "cxl"
    assert 0 < row["offload"]["share"] < 1
    assert document["question"]["offload"] == "cxl"
    assert any(figure["key"] == "system.memory.cxl.capacity" for figure in row["figures"])
