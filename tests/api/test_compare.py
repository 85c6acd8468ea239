"""One model in, every chip's answer out: the document, its numbers, its order and its refusals."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pytest

from silmark import api, chips, models
from silmark.api.comparison import SORTS
from silmark.errors import SilmarkError
from silmark.figures import Grade, load_sources
from silmark.report.rows import Comparison, Row
from silmark.report.schema import CompareDocument
from silmark.workloads import WORKLOADS

DECODERS = ("llama-3.1-70b", "deepseek-v3", "mixtral-8x7b", "gpt-oss-120b", "mamba-codestral-7b")
OTHERS = ("bert-large", "resnet-50", "ising-70x70", "dtm-fashion-mnist")
MODELS = (*DECODERS, *OTHERS)
TOKEN_FIELDS = (
    "ttft_s", "tpot_s", "tokens_per_s_user", "tokens_per_s_chip", "tokens_per_s", "joules_per_token", "usd_per_mtok",
)  # fmt: skip
ITEM_FIELDS = ("latency_s", "items_per_s", "joules_per_item", "usd_per_mitem")

each_model = pytest.mark.parametrize("model", MODELS)


@cache
def compared(model: str, **asked: Any) -> Comparison:
    return api.compare(model, **asked)


@cache
def rows(model: str) -> dict[str, dict[str, Any]]:
    return {row["chip"]: row for row in compared(model).as_dict()["rows"]}


def by_id(answer: Comparison) -> dict[str, Row]:
    return {row.chip.id: row for row in answer.rows}


def bounds(row: dict[str, Any]) -> dict[str, dict[str, float]]:
    return {key: value for key, value in row.items() if isinstance(value, dict) and "mid" in value}


@each_model
def test_the_document_is_what_the_schema_says(model: str) -> None:
    document = compared(model).as_dict()
    read = CompareDocument.model_validate(document)
    assert read.model_dump(by_alias=True) == document
    assert document["question"]["model"] == model
    assert document["question"]["prompt"] == WORKLOADS["chat"].prompt


@each_model
def test_every_chip_has_one_row(model: str) -> None:
    listed = [row.chip.id for row in compared(model).rows]
    assert sorted(listed) == sorted([*chips.names(), "host"])


@each_model
def test_intervals_are_ordered_and_finite(model: str) -> None:
    for name, row in rows(model).items():
        for key, interval in bounds(row).items():
            assert 0 < interval["low"] <= interval["mid"] <= interval["high"] < math.inf, (name, key)


@each_model
def test_sources_resolve(model: str) -> None:
    known = load_sources()
    for name, row in rows(model).items():
        assert row["sources"], name
        missing = {key for key in row["sources"] if key not in known}
        assert missing <= ({"host-operating-system"} if name == "host" else set()), name


def test_the_hosts_own_source_resolves() -> None:
    assert {figure.source for figure in chips.load("host").figures.values()} <= set(load_sources())


@each_model
def test_a_reason_where_and_only_where_it_is_not_ok(model: str) -> None:
    for name, row in rows(model).items():
        assert bool(row["reason"]) == (row["status"] != "ok"), name
        assert row["reason"].startswith("cannot run") == (row["status"] == "cannot-run"), name
        if row["status"] == "ok":
            assert row["chips"] == row["plan"]["tp"] * row["plan"]["pp"] * row["plan"]["dp"], name
            assert row["grade"] in map(str, Grade), name
            assert 1 <= row["batch"] <= row["batch_max"], name
        if row["status"] == "cannot-run":
            assert row["plan"] is None, name
            assert not bounds(row), name


@each_model
def test_only_what_applies_is_given(model: str) -> None:
    """Models that make tokens have no items, the others no tokens; nothing is 0 in place of null."""
    absent = TOKEN_FIELDS if model in OTHERS else ITEM_FIELDS
    present = ("latency_s", "items_per_s") if model in OTHERS else ("ttft_s", "tpot_s", "tokens_per_s")
    for name, row in rows(model).items():
        assert [key for key in absent if row[key] is not None] == [], name
        if row["plan"] is not None:
            assert [key for key in present if row[key] is None] == [], name
            assert (row["kv_tokens"] is None) == (model in OTHERS), name


@each_model
def test_ok_rows_keep_the_promises(model: str) -> None:
    chat = WORKLOADS["chat"]
    for name, row in rows(model).items():
        if row["status"] != "ok":
            continue
        if model in OTHERS:
            assert row["latency_s"]["mid"] <= chat.ttft_s, name
        else:
            assert row["ttft_s"]["mid"] <= chat.ttft_s, name
            assert row["tpot_s"]["mid"] <= chat.tpot_s, name


@pytest.mark.parametrize(
    "asked",
    [{"workload": "summarize", "ttft": "400ms", "tpot": "none"}, {"ttft": "none", "tpot": "9ms"}, {"workload": "code"}],
    ids=["first token", "next tokens", "both"],
)
def test_each_promise_counts(asked: dict[str, str]) -> None:
    """Whoever keeps both is ok; whoever misses one is not, and the reason names exactly what is missed."""
    answer = compared("llama-3.1-70b", **asked)
    promised = {key: answer.question[key] or math.inf for key in ("ttft_s", "tpot_s")}
    kept = 0
    for row in (row.as_dict() for row in answer.rows):
        if row["plan"] is None:
            continue
        missed = {key for key in promised if row[key]["mid"] > promised[key]}
        assert (row["status"] == "ok") == (not missed), row["chip"]
        assert {key for key in promised if key[:-2].upper() in row["reason"]} == missed, row["chip"]
        kept += not missed
    assert 0 < kept < len(answer.rows)


@each_model
def test_the_numbers_of_a_row_agree(model: str) -> None:
    for name, row in rows(model).items():
        if row["plan"] is None:
            continue
        kind = "items_per_s" if model in OTHERS else "tokens_per_s"
        joules = row["joules_per_item" if model in OTHERS else "joules_per_token"]["mid"]
        assert joules == pytest.approx(row["power_w"]["mid"] / row[kind]["mid"]), name
        if model not in OTHERS:
            assert row["tokens_per_s_chip"]["mid"] == pytest.approx(row["tokens_per_s"]["mid"] / row["chips"]), name
            assert row["tokens_per_s_user"]["mid"] == pytest.approx(1 / row["tpot_s"]["mid"]), name
            assert row["tokens_per_s"]["mid"] == pytest.approx(row["batch"] / row["tpot_s"]["mid"]), name


def test_sohu_cannot_run_a_state_space_model() -> None:
    row = rows("mamba-codestral-7b")["etched-sohu"]
    assert row["status"] == "cannot-run"
    assert "state-space scan" in row["reason"]
    assert rows("llama-3.1-70b")["etched-sohu"]["status"] == "ok"


@pytest.mark.parametrize("chip", ["extropic-x0", "extropic-z1"])
def test_a_sampling_machine_samples_and_nothing_else(chip: str) -> None:
    assert rows("ising-70x70")[chip]["status"] != "cannot-run"
    for model in ("llama-3.1-70b", "mixtral-8x7b", "bert-large"):
        row = rows(model)[chip]
        assert row["status"] == "cannot-run"
        assert "attention" in row["reason"] or "matrix product" in row["reason"]


def test_gpus_run_spins_as_gibbs_sampling() -> None:
    answer = by_id(compared("ising-70x70"))["nvidia-h100-sxm5-80gb"].estimate
    assert answer is not None
    kinds = {op.op.kind for step in answer.steps().values() for op in answer.step_model.shares(step)}
    assert "gibbs" in kinds
    assert rows("ising-70x70")["extropic-z1"]["status"] == "ok"


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("model", ["llama-3.1-70b", "resnet-50"])
def test_rows_come_in_the_order_that_was_asked(model: str, sort: str) -> None:
    """Those that keep the promises, then near misses, then the rest; by the asked number within each."""
    answer = compared(model, sort=sort)
    found = [row.as_dict() for row in answer.rows]
    if sort != "chip":
        classes = [{"ok": 0, "infeasible": 1, "cannot-run": 3}[row["status"]] for row in found]
        classes = [2 if c == 1 and row["plan"] is None else c for c, row in zip(classes, found, strict=True)]
        assert classes == sorted(classes)
    kept = [row for row in found if row["status"] == "ok"]
    tokens = model in DECODERS
    values = {
        "throughput": lambda row: (
            -row["tokens_per_s_chip" if tokens else "items_per_s"]["mid"] / (1 if tokens else row["chips"])
        ),
        "ttft": lambda row: row["ttft_s" if tokens else "latency_s"]["mid"],
        "tpot": lambda row: row["tpot_s"]["mid"] if tokens else 0.0,
        "energy": lambda row: row["joules_per_token" if tokens else "joules_per_item"]["mid"],
        "cost": lambda row: (row["usd_per_mtok" if tokens else "usd_per_mitem"] or {"mid": math.inf})["mid"],
        "chip": lambda row: row["chip"],
    }
    order = [values[sort](row) for row in kept]
    assert order == sorted(order)
    assert len(kept) > 10


def test_sorting_changes_nothing_but_the_order() -> None:
    first = {row["chip"]: row for row in compared("llama-3.1-70b", sort="cost").as_dict()["rows"]}
    assert first == rows("llama-3.1-70b")


@pytest.mark.parametrize("name", chips.names())
def test_a_mature_stack_is_never_slower(name: str) -> None:
    """The same plan and batch, with and without what the chip's own software loses."""
    for model in ("llama-3.1-8b", "mamba-codestral-7b", "resnet-50", "ising-70x70"):
        own, equal = (
            api.estimate(model, name, maturity=m, batch=4, workload="offline").rows[0].estimate
            for m in ("own", "equal")
        )
        assert (own is None) == (equal is None)
        if own is None or equal is None:
            continue
        for field in ("ttft_s", "tpot_s", "latency_s"):
            mine, theirs = getattr(own, field), getattr(equal, field)
            assert (mine is None) == (theirs is None)
            if mine is not None:
                assert theirs.mid <= mine.mid * (1 + 1e-9), (model, field)


def test_whoever_keeps_a_promise_keeps_it_with_a_mature_stack() -> None:
    order = {"ok": 0, "infeasible": 1, "cannot-run": 2}
    equal = by_id(compared("llama-3.1-70b", maturity="equal"))
    for name, row in rows("llama-3.1-70b").items():
        assert order[equal[name].status] <= order[row["status"]], name


def test_a_format_that_a_chip_lacks_is_not_emulated() -> None:
    found = by_id(compared("llama-3.1-8b", precision="fp8", workload="offline"))
    for name, row in found.items():
        has = "fp8" in row.chip.formats
        assert (row.status == "cannot-run") == (not has or bool(row.chip.cannot.get("attention"))), name
        if not has and "attention" not in row.chip.cannot:
            assert "fp8 matrix products" in row.reason, name
    assert found["nvidia-a100-sxm4-80gb"].status == "cannot-run"
    assert found["nvidia-h100-sxm5-80gb"].status == "ok"


def test_weights_and_products_may_differ_in_format() -> None:
    wide, narrow = (
        by_id(compared("llama-3.1-8b", precision=p, chips="nvidia-a100-sxm4-80gb", batch=1))
        for p in ("bf16", "int4:bf16")
    )
    first, second = wide["nvidia-a100-sxm4-80gb"].as_dict(), narrow["nvidia-a100-sxm4-80gb"].as_dict()
    assert second["plan"]["precision"] == "int4:bf16"
    assert second["tpot_s"]["mid"] < first["tpot_s"]["mid"]


def test_the_edge_has_a_power_limit() -> None:
    found = by_id(compared("llama-3.2-1b", workload="edge"))
    assert found["nvidia-jetson-agx-orin-64gb"].status == "ok"
    h100 = found["nvidia-h100-sxm5-80gb"]
    assert h100.status == "infeasible"
    assert "1,025 W" in h100.reason  # 700 W and an eighth of a node's host
    assert "75 W" in h100.reason
    for row in found.values():
        if row.status == "ok":
            assert row.estimate is not None
            assert row.estimate.chips * row.chip.si("power.tdp") <= 75


def test_a_power_limit_bounds_the_number_of_chips() -> None:
    found = compared("llama-3.1-70b", power=5000.0)
    for row in found.rows:
        if row.estimate is not None:
            assert row.estimate.chips * row.chip.si("power.tdp") <= 5000.0, row.chip.id


def test_a_fixed_number_of_users_is_served() -> None:
    for row in compared("llama-3.1-70b", batch=24, workload="offline").rows:
        if row.status == "ok":
            assert row.estimate is not None
            assert row.estimate.batch == 24, row.chip.id


@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_workload_has_an_answer(workload: str) -> None:
    answer = compared("llama-3.1-8b", workload=workload, chips="h100,mi300x,groq")
    assert answer.question["workload"] == workload
    assert {row.status for row in answer.rows} <= {"ok", "infeasible"}


def test_looser_promises_never_lower_throughput() -> None:
    strict, loose = (by_id(compared("llama-3.1-8b", tpot=t, chips="h100,b200")) for t in ("20ms", "80ms"))
    for name, row in strict.items():
        first, second = row.per_chip, loose[name].per_chip
        assert first is not None
        assert second is not None
        assert second.mid >= first.mid * 0.999


def test_chips_are_chosen_by_name_alias_and_omission() -> None:
    assert [r.chip.id for r in compared("llama-3.1-8b", chips="h100, H100 ,nvidia-h100-sxm5-80gb").rows] == [
        "nvidia-h100-sxm5-80gb"
    ]
    without = {r.chip.id for r in api.compare("llama-3.1-8b", chips="all,-h100,-host").rows}
    assert without == set(chips.names()) - {"nvidia-h100-sxm5-80gb"}
    assert "h100 means nvidia-h100-sxm5-80gb" in compared("llama-3.1-8b", chips="h100").notes


REFUSED: dict[str, dict[str, Any]] = {
    "chips": {"chips": "h1000"},
    "no chips": {"chips": " , "},
    "all left out": {"chips": "h100,-h100"},
    "workload": {"workload": "chatt"},
    "prompt": {"prompt": 0},
    "prompt beyond": {"prompt": 10**18},
    "prompt far beyond": {"prompt": 10**400},
    "prompt text": {"prompt": "1e5"},
    "prompt superscript": {"prompt": "²"},
    "prompt of other digits": {"prompt": "١٢"},
    "output": {"output": -3},
    "output fraction": {"output": 2.5},
    "batch": {"batch": 0},
    "batch truth": {"batch": True},
    "ttft nan": {"ttft": math.nan},
    "ttft text": {"ttft": "soon"},
    "ttft zero": {"ttft": 0},
    "tpot negative": {"tpot": "-5ms"},
    "tpot out of any clock": {"tpot": "1e-320s"},
    "power nan": {"power": math.nan},
    "power inf": {"power": math.inf},
    "power zero": {"power": 0.0},
    "precision": {"precision": "bf61"},
    "precision of four parts": {"precision": "int4:bf16:fp8:fp4"},
    "maturity": {"maturity": "grown"},
    "sort": {"sort": "price"},
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_senseless_questions_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(SilmarkError) as caught:
        api.compare("llama-3.1-8b", **{"chips": "h100", **asked})
    assert 10 < len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_near_matches_are_offered() -> None:
    for asked, near in (
        ({"chips": "nvidia-h100-sxm5"}, "nvidia-h100-sxm5-80gb"),
        ({"workload": "summarise"}, "summarize"),
        ({"precision": "bf61"}, "bf16"),
    ):
        with pytest.raises(SilmarkError, match=near):
            api.compare("llama-3.1-8b", **asked)  # type: ignore[arg-type]
    with pytest.raises(SilmarkError, match=r"llama-3\.1-70b"):
        api.compare("llama-3.1-70")


def test_a_context_beyond_the_model_is_said() -> None:
    """Llama 2 was made for 4,096 tokens: the numbers may be given, but not without a word."""
    assert models.load("llama-2-7b").max_context == 4096
    answer = api.compare("llama-2-7b", chips="h100", prompt=50_000)
    said = " ".join((*answer.notes, *(row.reason for row in answer.rows)))
    assert "4,096" in said or "4096" in said


def test_a_model_without_a_limit_exceeds_none() -> None:
    """A state-space model, images and samples have no longest context."""
    for model in ("mamba-codestral-7b", "resnet-50", "ising-70x70"):
        assert models.load(model).max_context == 0
        answer = api.compare(model, chips="h100", prompt=1_000_000)
        assert not any("tokens are more than" in note or "longer than" in note for note in answer.notes)
