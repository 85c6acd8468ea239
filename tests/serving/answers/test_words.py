"""What is typed: promises are read as meant, and every wrong word gets one sentence before anything is simulated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from silmark.api.slo import slo
from silmark.errors import BadValue, SilmarkError
from silmark.serving.slo import Limit

Run = Callable[..., Any]
USUAL = {"on": "1x:h100", "trace": "poisson:rate=5,prompt=100,output=20", "limit": "50"}


def words(**changed: str) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in (USUAL | changed).items()]


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("ttft:1s", [("ttft", 1.0, 99)]),
        ("ttft:1s,tpot:50ms", [("ttft", 1.0, 99), ("tpot", 0.05, 99)]),
        ("ttft:1s,tpot:50ms@p90", [("ttft", 1.0, 90), ("tpot", 0.05, 90)]),
        ("ttft:1s@p50,tpot:50ms@p99.9", [("ttft", 1.0, 50), ("tpot", 0.05, 99.9)]),
        ("ttft:1s@p50,tpot:50ms", [("ttft", 1.0, 50), ("tpot", 0.05, 99)]),
        (" TTFT = 2s , e2el:1min", [("ttft", 2.0, 99), ("e2el", 60.0, 99)]),
    ],
)
def test_promises(text: str, limits: list[tuple[str, float, float]]) -> None:
    assert slo(text).limits == tuple(Limit(*limit) for limit in limits)  # type: ignore[arg-type]


def test_no_promises() -> None:
    assert slo(None).limits == ()


@example(text="ttft:1h")
@example(text="tpot:1e-9us")
@given(
    text=st.text(max_size=30) | st.from_regex(r"(ttft|tpot|e2el|itl):[0-9a-z.]{0,6}(@p?[0-9.]{0,5})?", fullmatch=True)
)
def test_promises_are_read_or_refused(text: str) -> None:
    try:
        limits = slo(text).limits
    except BadValue:
        return
    assert limits
    assert all(limit.seconds > 0 and 0 <= limit.percentile < 100 for limit in limits)
    assert slo(str(slo(text))).limits[0].metric == limits[0].metric


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"slo": "ttft"}, "promises such as"),
        ({"slo": "ttft:1s,ttft:2s"}, "each once"),
        ({"slo": "itl:1s"}, "ttft, tpot, e2el"),
        ({"slo": "ttft:none"}, "leave ttft out"),
        ({"slo": "ttft:1s@p100"}, "promises such as"),
        ({"rate": "0"}, "a rate"),
        ({"rate": "1e9"}, "1,000,000"),
        ({"rate": "1,,2"}, "rates, such as 1,2,4,8"),
        ({"rate": "-1"}, "a rate"),
        ({"rate": "nan"}, "a rate"),
        ({"trace": "azure-com"}, "azure-co"),
        ({"trace": "missing.csv"}, "no such file"),
        ({"trace": ""}, "--trace poisson"),
        ({"on": ""}, "--on 8x:h100"),
        ({"on": "h10"}, "h100"),
        ({"policy": "orca"}, "vllm, sglang, trtllm"),
        ({"max_num_seqs": "0"}, "a whole number from 1"),
        ({"max_model_len": "1e3"}, "a whole number from 1"),
        ({"gpu_memory_utilization": "1.5"}, "a share above 0"),
        ({"gpu_memory_utilization": "nan"}, "a share above 0"),
        ({"tp": "3x"}, "a whole number"),
        ({"tp": "2"}, "at most 1"),
        ({"seed": "-1"}, "a whole number from 0"),
        ({"draws": "5000"}, "at most 1,000"),
        ({"max_concurrency": "0"}, "a whole number from 1"),
        ({"maturity": "full"}, "own or equal"),
        ({"plot": "x.txt"}, ".png"),
        ({"timeline": "/no/such/folder/t.json"}, "existing folder"),
        ({"parquet": "."}, "existing folder"),
    ],
    ids=lambda value: "=".join(next(iter(value.items()))) if isinstance(value, dict) else "",
)
def test_wrong_words(run: Run, changed: dict[str, str], said: str) -> None:
    found = run("serve-sim", "llama-3.1-8b", *words(**changed))
    assert found.code == 2
    assert found.out == ""
    assert found.err.startswith("silmark: ")
    assert found.err.count("\n") == 1
    assert said in found.err


def test_nothing_asked(run: Run) -> None:
    found = run("serve-sim")
    assert found.code == 2
    assert "llama-3.1-8b" in found.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("0,100,20\n1,-5,20\n", "line 3"),
        ("0,100,20\nnan,5,20\n", "line 3"),
        ("5,100,20\n1,5,20\n", "line 3"),
        ("0,100,1000000000000\n", "line 2"),
        ("", "no requests"),
    ],
)
def test_broken_traces_name_their_line(run: Run, tmp_path: Path, content: str, said: str) -> None:
    """Reading is part of the simulation, but comes before its first step."""
    path = tmp_path / "trace.csv"
    path.write_text("arrival,prompt,output\n" + content, encoding="utf-8")
    found = run("serve-sim", "llama-3.1-8b", *words(trace=str(path)))
    assert (found.code, found.out) == (2, "")
    assert said in found.err
    assert "Traceback" not in found.err


@pytest.mark.parametrize(
    ("model", "changed", "status", "said"),
    [
        ("llama-3.1-70b", {}, "infeasible", "weights"),
        ("llama-3.1-8b", {"max_model_len": "10000000"}, "infeasible", "does not fit"),
        ("llama-3.1-8b", {"gpu_memory_utilization": "0.1"}, "infeasible", "no room"),
        ("llama-3.1-8b", {"on": "extropic-z1"}, "cannot-run", "attention"),
        ("bert-large", {}, "infeasible", "make tokens"),
    ],
)
def test_what_cannot_be_is_an_answer(run: Run, model: str, changed: dict[str, str], status: str, said: str) -> None:
    found = run("serve-sim", model, *words(**changed))
    assert (found.code, found.err) == (0, "")
    assert f"{status}: " in found.out
    assert said in found.out


def test_unknown_keywords_are_an_error_of_the_caller() -> None:
    from silmark import serve_sim  # noqa: PLC0415

    with pytest.raises(TypeError, match="colour"):
        serve_sim("llama-3.1-8b", "1x:h100", "poisson:rate=5,prompt=9,output=9", limit=2, colour="red")  # type: ignore[call-arg]


def test_an_open_trace_is_sent_as_it_is() -> None:
    from silmark import serve_sim  # noqa: PLC0415
    from silmark.api.trace import opened  # noqa: PLC0415

    trace = opened("poisson:rate=5,prompt=9,output=9", limit=2)
    with pytest.raises(SilmarkError, match="sent as it is"):
        serve_sim("llama-3.1-8b", "1x:h100", trace, rate=5)
