"""Whether chips run models: verdicts agree with every other command, costs with the mechanisms, laws over all pairs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import silmark
from silmark import chips, models
from silmark.chips import Chip
from silmark.chips.ways import FEATURES
from silmark.formats import FORMATS, Precision
from silmark.mapping import probe, refusal
from silmark.mapping.fallback import Reference, Support, graphs_of, supported
from silmark.mapping.support import feature, formats_of, lacks, verdict
from silmark.models.catalogue import architectures

CHIPS = [chips.load(name) for name in (*chips.names(), "host")]
CLASSES = {name: entry["model"] for name, entry in architectures().items()}
SMALL = Reference(256, 4)


def asked(model: str, chip: Chip | str, precision: str = "", reference: Reference = SMALL) -> Support:
    loaded = chips.load(chip) if isinstance(chip, str) else chip
    return supported(models.load(model), loaded, Precision.of(precision or loaded.precision), reference)


@pytest.fixture(scope="module")
def answers() -> dict[tuple[str, str], Support]:
    return {(chip.id, name): asked(model, chip) for chip in CHIPS for name, model in CLASSES.items()}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "diffusion")) for name in CLASSES]
)
def test_compare_refuses_what_support_refuses(name: str, answers: dict[tuple[str, str], Support]) -> None:
    """For every chip: the same verdict, and the same reason to the letter."""
    compared = {row.chip.id: row for row in silmark.compare(CLASSES[name]).rows}
    assert compared.keys() == {chip.id for chip in CHIPS}
    for chip, row in compared.items():
        answer = answers[chip, name]
        assert (row.status == "cannot-run") == (answer.by == "cannot"), chip
        if answer.by == "cannot":
            assert answer.reason == row.reason, chip


@pytest.mark.slow
@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.id)
def test_every_model_gets_the_verdict_that_all_commands_go_by(chip: Chip) -> None:
    """The small graph by which commands refuse, and the steps that support prices, ask the same of a chip."""
    precision = Precision.of(chip.precision)
    for name in models.names():
        model = models.load(name)
        answer = supported(model, chip, precision, SMALL)
        reason = refusal(chip, probe(model), precision)
        if reason is None and "gemm" in chip.cannot:  # a sampler also refuses graphs that are too large for it
            assert answer.by != "cannot" or "cells" in answer.reason
        else:
            assert (answer.reason or None) == reason, name
        asks = {feature(op) for graph in graphs_of(model, SMALL).values() for op in graph if op.kind != "boundary"}
        assert {use.feature for use in answer.uses} == asks


def test_what_runs_has_a_finite_cost_and_what_does_not_has_none(answers: dict[tuple[str, str], Support]) -> None:
    for (chip, name), answer in answers.items():
        if answer.by == "cannot":
            assert answer.reason.startswith("cannot run: ")
            assert set(answer.total_s.values()) == {None}
            assert answer.most is None
            assert answer.grade is None
            continue
        assert not answer.reason
        for phase, total in answer.total_s.items():
            assert total is not None
            assert 0 < total < math.inf, (chip, name, phase)
            spent = [use.spent[phase].time_s for use in answer.uses if use.spent.get(phase)]  # type: ignore[union-attr]
            assert sum(spent) <= total * (1 + 1e-9)


def test_a_model_runs_as_its_worst_operator_does(answers: dict[tuple[str, str], Support]) -> None:
    for answer in answers.values():
        states = {use.verdict.by for use in answer.uses}
        for state in ("cannot", "fallback", "native"):
            if state in states:
                assert answer.by == state
                break


def test_only_fallbacks_lose(answers: dict[tuple[str, str], Support]) -> None:
    for key, answer in answers.items():
        for loss in answer.loss.values():
            if answer.by == "native":
                assert loss == 1.0, key
            elif answer.by == "fallback":
                assert loss is not None
                assert 1.0 <= loss < 1e6, key


def test_nothing_beats_the_peaks_by_more_than_caches(answers: dict[tuple[str, str], Support]) -> None:
    """The seconds at the peaks bound those of the mechanism from below, but for operands that stay in a cache."""
    for key, answer in answers.items():
        for use in answer.uses:
            for spent in use.spent.values():
                if spent is not None and use.feature in ("gemm", "attention", "conv"):
                    assert spent.time_s >= 0.5 * spent.peak_s, (key, use.feature)


def test_the_questions_that_vendors_are_asked(answers: dict[tuple[str, str], Support]) -> None:
    """Can a transformer ASIC follow? Its maker says not to scans and convolutions; to routing, as far as is known."""
    assert answers["etched-sohu", "transformer"].by == "native"
    assert answers["etched-sohu", "moe"].by == "native"
    assert {answers["etched-sohu", name].by for name in ("mamba", "hybrid", "delta", "diffusion", "cnn", "ebm")} == {
        "cannot"
    }
    assert "state-space scan" in answers["etched-sohu", "hybrid"].reason  # the most telling operator, not the first
    for name in CLASSES:
        assert answers["extropic-z1", name].by == ("native" if name == "ebm" else "cannot")
    assert answers["nvidia-h100-sxm5-80gb", "mamba"].by == "native"
    scans = [use.verdict for use in answers["groq-groqchip-1", "mamba"].uses if use.verdict.by == "fallback"]
    assert {found.way.on for found in scans if found.way} == {"VXM lanes"}


def test_samples_need_a_format_that_the_chip_has() -> None:
    """A format without a peak is a refusal, not a fault of the chip's file; samplers have none at all."""
    rows = {row.chip.id: row for row in silmark.compare("dtm-fashion-mnist", chips="h100,z1", precision="mx9").rows}
    assert rows["nvidia-h100-sxm5-80gb"].status == "cannot-run"
    assert asked("dtm-fashion-mnist", "h100", "mx9").reason == rows["nvidia-h100-sxm5-80gb"].reason
    assert asked("dtm-fashion-mnist", "extropic-z1", "mx9").by == "native"


def test_classes_ask_for_every_feature() -> None:
    """Of the special cases only grouped convolutions are left to a model outside the table."""
    graphs = [graph for model in CLASSES.values() for graph in graphs_of(models.load(model), SMALL).values()]
    found = {feature(op) for graph in graphs for op in graph if op.kind != "boundary"}
    assert FEATURES.keys() - found == {"grouped-conv"}
    grouped = graphs_of(models.load("retinanet-resnext50"), SMALL)["forward"]
    assert "grouped-conv" in {feature(op) for op in grouped}


def test_a_chips_own_word_counts_more_than_its_familys() -> None:
    chip = chips.load("groq-lp30")
    attention = next(op for op in probe(models.load("llama-3.1-8b")) if op.kind == "attention")
    own = verdict(chip, attention).way
    assert own is chip.support["attention"]
    usual = verdict(replace(chip, support={}), attention).way
    assert usual is not None
    assert usual.source != own.source
    assert lacks(replace(chip, cannot={"attention": "no"}), attention) == "no"


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.id)
def test_formats_agree_with_refusals(chip: Chip) -> None:
    """What support says a chip multiplies is what no command refuses, and the reverse."""
    uses = formats_of(chip)
    assert [use.name for use in uses] == list(FORMATS)
    model = models.load("dtm-fashion-mnist" if "gemm" in chip.cannot else "bert-base")
    for use in uses:
        multiplied = use.use in ("computes", "converts")
        assert multiplied == (use.name in chip.formats)
        assert (use.rate is not None) == multiplied
        if "gemm" not in chip.cannot:
            refused = refusal(chip, probe(model), Precision.of(use.name))
            assert (refused is None) == multiplied, use.name
        if use.use == "stores":  # somewhere to widen it to, and not the other way round
            assert any(FORMATS[name].bits > FORMATS[use.name].bits for name in chip.formats)
        if multiplied:
            assert use.rate is not None
            assert 0 < use.rate < 64


@given(
    chip=st.sampled_from(CHIPS),
    model=st.sampled_from(["llama-3.1-8b", "mamba2-2.7b", "mixtral-8x7b", "resnet-50", "dtm-fashion-mnist"]),
    context=st.integers(1, 1 << 20),
    batch=st.integers(1, 1 << 12),
    name=st.sampled_from([*FORMATS, "int4:bf16", "int8:fp16:fp8"]),
)
@settings(max_examples=60)
def test_shapes_change_costs_never_verdicts(chip: Chip, model: str, context: int, batch: int, name: str) -> None:
    here, there = asked(model, chip, name, Reference(context, batch)), asked(model, chip, name)
    assert (here.by, here.reason) == (there.by, there.reason)
    assert [(use.feature, use.verdict.by) for use in here.uses] == [(u.feature, u.verdict.by) for u in there.uses]
    for total in here.total_s.values():
        assert total is None or 0 < total < math.inf
