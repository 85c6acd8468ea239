"""One system in depth: plans as asked, arrays of batches, operators that add up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from silmark import api, chips, systems
from silmark.errors import SilmarkError
from silmark.report.schema import EstimateDocument

OFFLINE: dict[str, Any] = {"workload": "offline"}


@pytest.mark.parametrize(
    ("model", "on"),
    [
        ("llama-3.1-8b", "8x:h100"),
        ("mixtral-8x7b", "hgx-h100-8"),
        ("deepseek-v3", "2x:hgx-h200-8"),
        ("llama-3.1-8b", "cs-3"),
        ("llama-3.1-8b", "groqrack-9"),
        ("resnet-50", "1x:h100"),
        ("bert-large", "nvidia-l4-24gb"),
        ("ising-70x70", "extropic-z1"),
        ("mamba-codestral-7b", "4x:nvidia-b200-sxm-180gb"),
    ],
)
def test_the_document_and_its_operators(model: str, on: str) -> None:
    depth = api.estimate(model, on, batch="1,4", **OFFLINE)
    document = depth.as_dict()
    EstimateDocument.model_validate(document)
    if depth.rows[-1].estimate is None:
        assert document["operators"] == []
        assert depth.rows[-1].reason
        return
    for phase in {op["phase"] for op in document["operators"]}:
        mine = [op for op in document["operators"] if op["phase"] == phase]
        assert sum(op["share"] for op in mine) == pytest.approx(1.0)
        assert all(op["time_s"] >= 0 and op["joules"] >= 0 for op in mine)
        assert len({op["operator"] for op in mine}) == len(mine)


def test_batches_in_any_spelling() -> None:
    spelled = ("1,2,4", "1, 2 ,4", [1, 2, 4], (1, 2, 4), ["1", 2, "4"], np.array([1, 2, 4]))
    expected = [row.as_dict() for row in api.estimate("llama-3.1-8b", "8x:h100", batch="1,2,4").rows]
    for batch in spelled:
        found = api.estimate("llama-3.1-8b", "8x:h100", batch=batch)  # type: ignore[arg-type]
        assert [row.as_dict() for row in found.rows] == expected
    assert [row["batch"] for row in expected] == [1, 2, 4]
    assert api.estimate("llama-3.1-8b", "8x:h100", batch=np.int64(4)).rows[0].as_dict() == expected[2]  # type: ignore[arg-type]


def test_more_sequences_never_shorten_a_token() -> None:
    rows = api.estimate("llama-3.1-8b", "h100", batch=[1, 8, 64, 256], **OFFLINE).rows
    found = [row.estimate for row in rows if row.estimate is not None]
    assert len(found) == 4
    times = [answer.tpot_s.mid for answer in found if answer.tpot_s]
    rates = [answer.rate.mid for answer in found]
    assert times == sorted(times)
    assert rates == sorted(rates)


def test_the_plan_is_the_one_that_was_asked() -> None:
    depth = api.estimate("mixtral-8x7b", "16x:h100", tp=4, pp=2, dp=2, ep=2, precision="fp8:bf16:fp8")
    plan = depth.rows[0].as_dict()["plan"]
    assert {key: plan[key] for key in ("tp", "pp", "dp", "ep")} == {"tp": 4, "pp": 2, "dp": 2, "ep": 2}
    assert plan["precision"] == "fp8:bf16:fp8"
    assert depth.question["plan"] == "TP4 PP2 EP2 DP2 fp8:bf16:fp8"


def test_a_cut_of_the_attention_is_named_in_the_answer() -> None:
    depth = api.estimate("llama-3.1-8b", "8x:h100", attention="batch")
    assert "sequences" in depth.question["plan"]
    assert any(op["kind"] == "collective" and "all-to-all" in op["operator"] for op in depth.operators())


def test_replicas_are_independent() -> None:
    one = api.estimate("llama-3.1-8b", "1x:h100", batch=16, **OFFLINE).rows[0].estimate
    four = api.estimate("llama-3.1-8b", "4x:h100", dp=4, tp=1, batch=64, **OFFLINE).rows[0].estimate
    assert one is not None
    assert four is not None
    assert one.tpot_s is not None
    assert four.tpot_s is not None
    assert four.tpot_s.mid == pytest.approx(one.tpot_s.mid)
    assert four.rate.mid == pytest.approx(4 * one.rate.mid)
    assert four.power_w.mid == pytest.approx(4 * one.power_w.mid)


def test_what_does_not_fit_is_an_answer() -> None:
    depth = api.estimate("llama-3.1-405b", "1x:h100")
    row = depth.rows[0].as_dict()
    assert row["status"] == "infeasible"
    assert "GB" in row["reason"]
    assert depth.step_model is None
    assert depth.operators() == []


def test_a_missed_promise_reads_as_in_a_comparison() -> None:
    row = api.estimate("llama-3.1-70b", "8x:nvidia-l4-24gb", ttft="1ms", tpot="1ms").rows[0]
    assert "misses" in row.reason
    assert row.status == "infeasible"


@pytest.mark.parametrize(
    ("text", "chip", "count"),
    [
        ("h100", "nvidia-h100-sxm5-80gb", 1),
        ("8x:h100", "nvidia-h100-sxm5-80gb", 8),
        (" 8x h100 ", "nvidia-h100-sxm5-80gb", 8),
        ("hgx-h100-8", "nvidia-h100-sxm5-80gb", 8),
        ("2x:hgx-h100-8", "nvidia-h100-sxm5-80gb", 16),
        ("cs-3", "cerebras-wse-3", 1),
        ("groqrack-9", "groq-groqchip-1", None),
    ],
)
def test_what_a_target_may_be_called(text: str, chip: str, count: int | None) -> None:
    target = systems.target(text)
    assert target.chip.id == chip
    assert target.count == (count or systems.load("groqrack-9").chips)


@pytest.mark.parametrize(
    "text",
    ["", "0x:h100", "0x:hgx-h100-8", "-1x:h100", "8x:", "8x:hgx-h100", "1.5x:h100", "1000000x:h100",
     "9" * 5000 + "x:h100", "٨x:h100", "h100:8", "nan", "./missing.toml"],
)  # fmt: skip
def test_what_a_target_may_not_be_called(text: str) -> None:
    with pytest.raises(SilmarkError) as caught:
        systems.target(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "asked",
    [{"tp": 3, "pp": 3}, {"tp": 10**15}, {"tp": 0}, {"ep": 3}, {"dp": 9}, {"dp": "x"}, {"weights_in": "sram"},
     {"weights_in": "disk"}, {"region": -1}, {"batch": "1,,2"}, {"batch": ""}, {"batch": []}, {"batch": 1.5},
     {"batch": None}, {"batch": list(range(1, 2000))}, {"maturity": "old"}, {"attention": "none"}, {"tp": True}],
    ids=str,
)  # fmt: skip
def test_plans_that_make_no_sense_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(SilmarkError):
        api.estimate("llama-3.1-8b", "8x:h100", **asked)


def test_a_model_without_tokens_has_no_token_fields() -> None:
    for model in ("bert-large", "resnet-50", "ising-70x70"):
        row = api.estimate(model, "h100", batch=8).rows[0].as_dict()
        assert row["latency_s"]["mid"] > 0
        for key in ("ttft_s", "tpot_s", "tokens_per_s", "tokens_per_s_user", "joules_per_token", "kv_tokens"):
            assert row[key] is None


def test_the_step_model_answers_arrays() -> None:
    model = api.estimate("llama-3.1-8b", "h100").step_model
    assert model is not None
    times = model.decode_s(np.arange(1, 9)[:, None], np.array([100, 1000, 10_000]))
    assert times.shape == (8, 3)
    assert np.all(np.diff(times, axis=1) >= 0)


def test_every_chip_that_runs_it_alone_is_estimated() -> None:
    """Each chip of the catalogue, one of them: an answer or a reason, never an error."""
    for name in chips.names():
        row = api.estimate("llama-3.2-1b", name, batch=1).rows[0]
        assert (row.estimate is not None) != (row.status != "ok" and not row.reason.startswith("misses"))
