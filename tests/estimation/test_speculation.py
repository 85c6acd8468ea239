"""Speculative decoding: what drafting yields, costs and needs."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from silmark import api, models, systems
from silmark.errors import BadValue
from silmark.estimation import Estimate, Serving
from silmark.estimation.drafts import copies, speculate
from silmark.estimation.mixture import Mixture
from silmark.estimation.request import prepare
from silmark.estimation.speculation import Speculation, expected
from silmark.figures import Grade, Interval
from silmark.formats import Precision
from silmark.graph import Gemm
from silmark.mapping import Infeasible, Plan
from silmark.mapping.candidates import cut, placements
from silmark.report.schema import EstimateDocument
from silmark.step import StepModel, compile_step
from silmark.workloads import Workload

PAIRS = (
    ("8x:nvidia-h200-sxm-141gb", "llama-3.1-70b", "llama-3.2-1b", {"tp": 8}),
    ("4x:google-tpu-v5p", "llama-3.1-8b", "llama-3.2-1b", {"tp": 2, "pp": 2}),
    ("8x:amd-mi300x-192gb", "mixtral-8x7b", "llama-2-7b", {"tp": 8, "ranks": 8, "ep": 8}),
    ("8x:nvidia-h100-sxm5-80gb", "llama-3.1-8b", "llama-3.2-3b", {"tp": 2, "cp": 4}),
)
few = settings(max_examples=15)
pairs = st.sampled_from(range(len(PAIRS)))
shares = st.floats(0.0, 1.0)


def sure(share: float) -> Interval:
    return Interval(share, share, share)


@cache
def compiled(pair: int) -> StepModel:
    on, model, _, ways = PAIRS[pair]
    found = compile_step(models.load(model), systems.target(on), Plan(Precision.of("bf16"), **ways))
    assert not isinstance(found, Infeasible), found.reason
    return found


@cache
def drafts(pair: int, name: str = "") -> tuple[StepModel, ...]:
    found = copies(compiled(pair), models.load(name or PAIRS[pair][2]))
    assert not isinstance(found, Infeasible), found.reason
    return tuple(found)


def served(pair: int, users: int, speculation: Speculation | None = None) -> Mixture:
    found = prepare(compiled(pair), Workload("w", 512, 256, users=users), True, Serving(speculation=speculation))
    assert isinstance(found, Mixture), found
    return found


@given(share=shares, tokens=st.integers(1, 64))
def test_a_cycle_yields_one_token_to_one_more_than_drafted(share: float, tokens: int) -> None:
    found = expected(share, tokens)
    assert 1.0 <= found <= tokens + 1
    if share < 0.999:
        assert found == pytest.approx((1 - share ** (tokens + 1)) / (1 - share))


@few
@given(pair=pairs, users=st.integers(1, 300), tokens=st.integers(1, 8))
def test_drafts_that_are_never_right_are_never_faster(pair: int, users: int, tokens: int) -> None:
    plain = served(pair, users)
    for draft in drafts(pair):
        found = served(pair, users, Speculation(draft, tokens, sure(0.0)))
        assert found.tpot[0] >= plain.tpot[0] * (1 - 1e-9)
        assert found.ttft[0] >= plain.ttft[0] * (1 - 1e-9)
        assert found.dynamic_w()[0] * found.tpot[0] >= plain.dynamic_w()[0] * plain.tpot[0] * (1 - 1e-9)


@few
@given(pair=pairs, users=st.integers(1, 300), tokens=st.integers(1, 8), low=shares, high=shares)
def test_better_drafts_never_slow_down(pair: int, users: int, tokens: int, low: float, high: float) -> None:
    low, high = sorted((low, high))
    draft = drafts(pair)[0]
    worse, better = (served(pair, users, Speculation(draft, tokens, sure(share))) for share in (low, high))
    assert better.tpot[0] <= worse.tpot[0] * (1 + 1e-9)
    assert better.decode.time_s[0] >= served(pair, users).decode.time_s[0] / (tokens + 1) * (1 - 1e-9)


@pytest.mark.parametrize("users", [512, 2048])
def test_a_model_that_drafts_for_itself_never_helps_where_compute_binds(users: int) -> None:
    plain = served(3, users)
    for draft in drafts(3, "llama-3.1-8b"):
        for tokens in (1, 4):
            assert served(3, users, Speculation(draft, tokens, sure(1.0))).rate[0] < plain.rate[0]


def test_a_small_draft_pays_for_one_user_and_not_for_many() -> None:
    one, many = (Workload("w", 512, 256, users=n) for n in (1, 2048))
    for work, gains in ((one, True), (many, False)):
        found = speculate(compiled(0), work, list(drafts(0)), sure(0.6))
        plain = prepare(compiled(0), work, True)
        assert isinstance(found, Mixture)
        assert isinstance(plain, Mixture)
        assert (found.rate_per_chip > 1.3 * plain.rate_per_chip) == gains


def test_the_best_number_of_drafts_grows_with_acceptance() -> None:
    work = Workload("w", 512, 256, users=1)
    counts = []
    for share in (0.3, 0.6, 0.9):
        found = speculate(compiled(0), work, list(drafts(0)), sure(share))
        assert isinstance(found, Mixture)
        assert found.serving.speculation is not None
        counts.append(found.serving.speculation.tokens)
        for tokens in (1, 4, 8):
            other = speculate(compiled(0), work, list(drafts(0)), sure(share), tokens)
            assert isinstance(other, Mixture)
            assert other.rate_per_chip <= found.rate_per_chip
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


@pytest.mark.parametrize(
    ("on", "published", "low", "high"), [("11x:groqrack-9", 1665.0, 0.90, 0.99), ("4x:cs-3", 2100.0, 0.75, 0.95)]
)
def test_what_published_speeds_imply(on: str, published: float, low: float, high: float) -> None:
    """Llama-3.1-70B with speculation: Groq (Artificial Analysis) and Cerebras (vendor); the draft is not known."""
    target, model = systems.target(on), models.load("llama-3.1-70b")
    precision = Precision.of("fp16")
    step_model = compile_step(model, target, cut(model, target, precision, placements(target.chip)[-1]))
    assert not isinstance(step_model, Infeasible)
    small = copies(step_model, models.load("llama-3.2-1b"))
    assert not isinstance(small, Infeasible)
    work = Workload("w", 1024, 256, users=1)
    plain = prepare(step_model, work, True)
    assert isinstance(plain, Mixture)
    speeds = []
    for share in (0.0, low, high):
        found = speculate(step_model, work, small, sure(share))
        assert isinstance(found, Mixture)
        speeds.append(1 / float(found.decode.time_s[0]))
    assert speeds[0] <= 1 / float(plain.decode.time_s[0])
    assert speeds[1] < published < speeds[2]


def test_the_check_gives_logits_for_every_token() -> None:
    model, draft = compiled(0), drafts(0)[0]
    step = Speculation(draft, 4, sure(0.5)).step(np.asarray(3.0), 1000.0)
    head = next(op for op in model.sharded(step) if isinstance(op, Gemm) and op.name == "head")
    assert float(head.m) == 3 * 5


@pytest.mark.parametrize("pair", range(len(PAIRS)))
def test_the_draft_takes_memory(pair: int) -> None:
    plain = compiled(pair).memory.sequences(4096)
    for draft in drafts(pair):
        room = Speculation(draft, 4, sure(0.5)).sequences(compiled(pair), 4096)
        assert not isinstance(room, Infeasible)
        assert 0 < room < plain


def test_a_draft_that_does_not_fit_beside_the_model_says_so() -> None:
    on = systems.target("11x:groqrack-9")
    model, precision = models.load("llama-3.1-70b"), Precision.of("fp16")
    target = compile_step(model, on, cut(model, on, precision, placements(on.chip)[-1]))
    assert not isinstance(target, Infeasible)
    found = copies(target, models.load("llama-3.1-8b"))
    assert not isinstance(found, Infeasible)
    answer = speculate(target, Workload("w", 512, 256, users=1), found, sure(0.7))
    assert isinstance(answer, Infeasible)
    assert "model and draft" in answer.reason
    alone = compile_step(models.load("llama-3.2-1b"), systems.target("1x:h100"), Plan(Precision.of("fp16")))
    assert not isinstance(alone, Infeasible)
    larger = copies(alone, models.load("llama-3.1-405b"))
    assert isinstance(larger, Infeasible)
    assert "as draft" in larger.reason


def test_a_draft_speaks_the_same_tokens() -> None:
    found = copies(compiled(0), models.load("llama-2-7b"))
    assert isinstance(found, Infeasible)
    assert "32,000" in found.reason


def test_an_uncertain_acceptance_widens_the_answer() -> None:
    asked = {"batch": 1, "precision": "fp8", "draft": "llama-3.2-1b", "draft_tokens": 4}
    known, guessed = (
        api.estimate("llama-3.1-70b", "8x:h200", acceptance=share, **asked).rows[0]  # type: ignore[arg-type]
        for share in ("0.7", "0.5:0.7:0.85")
    )
    one, two = known.estimate, guessed.estimate
    assert isinstance(one, Estimate)
    assert isinstance(two, Estimate)
    assert one.tpot_s is not None
    assert two.tpot_s is not None
    assert one.tpot_s.mid == two.tpot_s.mid
    assert two.tpot_s.low < one.tpot_s.low < one.tpot_s.high < two.tpot_s.high
    assert two.grade is Grade.ASSUMED


def test_chunks_ride_on_checks_and_not_on_drafts() -> None:
    """A step of the target carries one chunk and yields several tokens: fewer sequences are fed by the same chunk."""
    work = Workload("w", 8192, 256, users=64)
    plain, spoken = (
        prepare(compiled(0), work, True, Serving(512, speculation))
        for speculation in (None, Speculation(drafts(0)[0], 4, sure(0.8)))
    )
    assert isinstance(plain, Mixture)
    assert isinstance(spoken, Mixture)
    assert spoken.decoders[0] == pytest.approx(plain.decoders[0] / expected(0.8, 4))


def test_the_document_says_what_drafts() -> None:
    depth = api.estimate("llama-3.1-70b", "8x:h200", batch=1, precision="fp8", draft="llama-3.2-1b", acceptance=0.7)
    document = depth.as_dict(explain=True)
    EstimateDocument.model_validate(document)
    assert document["rows"][0]["speculation"]["draft"] == "llama-3.2-1b"
    assert any(figure["key"] == "question.acceptance" for figure in document["rows"][0]["figures"])
    assert document["question"]["acceptance"] == "0.7"


@pytest.mark.parametrize(
    "words",
    [
        {"draft": "llama-3.2-1b"},
        {"acceptance": 0.7},
        {"draft": "llama-3.2-1b", "acceptance": "1.2"},
        {"draft": "llama-3.2-1b", "acceptance": "0.8:0.7:0.9"},
        {"draft": "llama-3.2-1b", "acceptance": "nan"},
        {"draft": "llama-3.2-1b", "acceptance": 0.7, "draft_tokens": 1000},
        {"draft": "bert-base", "acceptance": 0.7},
    ],
)
def test_what_makes_no_sense_is_said(words: dict[str, object]) -> None:
    with pytest.raises(BadValue, match=r"acceptance|draft"):
        api.estimate("llama-3.1-70b", "8x:h200", batch=1, precision="fp8", **words)  # type: ignore[arg-type]
