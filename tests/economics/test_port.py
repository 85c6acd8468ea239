"""Ports between stacks: parts by hand, laws, and when cheaper tokens pay."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import silmark
from silmark import chips
from silmark.economics import porting
from silmark.errors import SilmarkError
from silmark.figures import load_sources
from silmark.report.documents_cost import PortDocument

Run = Callable[..., Any]
MONTH = 25_000.0
"""What an engineer's month costs: 300,000 a year."""


def test_parts_by_hand() -> None:
    """Twenty kernels of a month, half of it translated; three of bring-up; three models; three of validation."""
    amounts = {name: float(usd) for name, usd in silmark.port("cuda", "rocm").port.ledger.amounts().items()}
    assert amounts["kernels"] == pytest.approx(20 * 0.5 * MONTH)
    assert amounts["bring-up"] == pytest.approx(3 * MONTH)
    assert amounts["models"] == pytest.approx(3 * 0.3 * MONTH)
    assert amounts["validation"] == pytest.approx(3 * MONTH)
    once = sum(amounts[name] for name in ("kernels", "bring-up", "models", "validation"))
    assert amounts["upkeep"] == pytest.approx(once * 0.3 * 4)
    found = silmark.port("cuda", "rocm")
    assert found.port.usd.mid == pytest.approx(sum(amounts.values()))
    assert found.months.mid == pytest.approx(sum(amounts.values()) / MONTH)


def test_nothing_is_ported_within_a_stack() -> None:
    assert silmark.port("cuda", "cuda").port.usd.mid == 0


def test_translators_and_portable_languages_save_work() -> None:
    usd = {pair: silmark.port(*pair).port.usd.mid for pair in (("cuda", "rocm"), ("gaudi", "rocm"), ("triton", "rocm"))}
    assert usd["triton", "rocm"] < usd["cuda", "rocm"] < usd["gaudi", "rocm"]


@pytest.mark.parametrize("key", ["work.kernels", "work.kernel", "work.models", "work.validation", "rocm.bring_up"])
def test_more_work_costs_more(key: str) -> None:
    usual = 20.0 if key == "work.kernels" else 3.0
    less, more = (silmark.port("cuda", "rocm", given=[f"{key}={usual * factor}"]).port.usd.mid for factor in (1, 2))
    assert less < more


def test_every_chip_but_a_few_has_a_stack_and_every_figure_a_source() -> None:
    known = load_sources()
    for stack in porting.stacks().values():
        assert stack.facts
        for key, figure in stack.figures.items():
            assert figure.source in known, key
            assert figure.low < figure.high, key
        assert set(stack.runs_on) <= set(porting.stacks())
    for key, figure in porting.work().items():
        assert figure.source in known, key
    homes = {chip.id: porting.of(chip) for chip in map(chips.load, chips.names())}
    assert homes["nvidia-h100-sxm5-80gb"] is porting.named("cuda")
    assert homes["amd-mi300x-192gb"] is porting.named("rocm")
    assert homes["google-tpu-v6e"] is porting.named("xla")


def test_cheaper_tokens_pay_after_port_over_saving() -> None:
    found = silmark.port(model="llama-3.1-70b", on="8x:h200", instead_of="8x:mi300x", fleet=1000)
    assert found.payback is not None
    assert found.old is not None
    assert found.new is not None
    saving = found.old.usd_per_million.mid - found.new.usd_per_million.mid
    assert found.payback.saving.mid == pytest.approx(saving)
    assert found.payback.tokens is not None
    assert found.payback.tokens.mid == pytest.approx(1e6 * found.port.usd.mid / saving)
    assert found.days is not None
    rate = found.new.estimate.rate.mid / 8 * 1000
    assert found.days.mid == pytest.approx(found.payback.tokens.mid / rate / 86_400)


def test_dearer_tokens_never_pay() -> None:
    found = silmark.port(model="llama-3.1-70b", on="8x:mi300x", instead_of="8x:h200")
    assert found.payback is not None
    assert found.payback.tokens is None
    assert found.payback.saves < 0.5


@pytest.mark.parametrize("words", [{"source": "cuda", "target": "rocm", "fleet": 10}, {
    "model": "llama-3.1-8b", "on": "1x:h200", "instead_of": "1x:mi300x", "fleet": 8}])  # fmt: skip
def test_the_document_has_its_shape(words: dict[str, Any]) -> None:
    PortDocument.model_validate_json(json.dumps(silmark.port(**words).as_dict(), allow_nan=False))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "two stacks"),
        (("--from", "cuda"), "two stacks"),
        (("--from", "cuda", "--to", "rocn"), "unknown stack"),
        (("--from", "cuda", "--to", "rocm", "--model", "llama-3.1-8b"), "together"),
        (("--from", "cuda", "--to", "rocm", "--fleet", "0"), "fleet"),
        (("--from", "cuda", "--to", "rocm", "--set", "work.kernals=3"), "work.kernels"),
        (("--from", "cuda", "--to", "rocm", "--set", "engineer.cost=200000"), "currency"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(options: tuple[str, ...], expected: str, run: Run) -> None:
    ran = run("port", *options)
    assert (ran.code, ran.out) == (2, "")
    assert expected in ran.err


def test_the_command_says_what_it_costs(run: Run) -> None:
    ran = run("port", "--from", "cuda", "--to", "rocm", "--fleet", "1000")
    assert ran.code == 0
    assert "per chip of 1,000" in ran.out
    assert "HIPIFY" in ran.out


MOVES = [*porting.work(), *(f"{name}.{key}" for name, stack in porting.stacks().items() for key in stack.figures)]


@settings(max_examples=100)
@given(
    key=st.sampled_from(MOVES), value=st.floats(0, 1e9), unit=st.sampled_from(["", "month", "USD/year@2026", "1/year"])
)
def test_random_words_give_an_answer_or_a_sentence(key: str, value: float, unit: str) -> None:
    stack = key.partition(".")[0]
    target = stack if stack in porting.stacks() else "rocm"
    try:
        found = silmark.port("cuda", target, given=[f"{key}={value}{unit}"], fleet=3)
    except SilmarkError:
        return
    json.dumps(found.as_dict(), allow_nan=False)
