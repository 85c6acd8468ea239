"""Timelines of served requests: every row answered or told why not, numbers in order, and one real server's."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silmark.validation import agreement, bulk, closed_loops, timelines
from silmark.validation.operators import table

HEADER = (
    "row_id,hardware,model,engine,engine_version,tp,max_num_seqs,max_num_batched_tokens,kv_blocks,block_size,"
    "request_id,input_tokens,output_tokens,arrival_s"
)
SERVER = "RTX4090,Llama-3.1-8B,vLLM,0.19.0,1,64,2048,2588,16"


def asked(folder: Path, *lines: str) -> table.Table:
    path = folder / "requests.csv.gz"
    path.write_bytes(gzip.compress("\n".join((HEADER, *lines)).encode()))
    return table.read(path)


@pytest.mark.slow
def test_every_request_is_answered_in_the_order_of_the_rows(tmp_path: Path) -> None:
    later, sooner = f"x:0,{SERVER},b,100,20,5.0", f"x:1,{SERVER},a,2000,20,0.0"
    found = timelines.predict(asked(tmp_path, later, sooner, f"x:2,{SERVER},c,50000,20,0"))
    assert [line.row_id for line in found] == ["x:0", "x:1", "x:2"]
    short, long, refused = found
    assert float(short.ttft_s) < float(long.ttft_s) < float(long.e2e_s)
    for line in (short, long):
        assert float(line.ttft_low_s) <= float(line.ttft_s) <= float(line.ttft_high_s)
        assert float(line.e2e_low_s) <= float(line.e2e_s) <= float(line.e2e_high_s)
    assert refused.ttft_s == ""
    assert "longest" in refused.why


def test_rows_that_make_no_sense_say_why(tmp_path: Path) -> None:
    unknown = SERVER.replace("RTX4090", "no-such-chip")
    path = tmp_path / "out.csv"
    done = timelines.predict(
        asked(tmp_path, f"x:0,{unknown},a,10,10,0", f"x:1,{SERVER},b,-3,10,0", f"x:2,{SERVER},c,,,")
    )
    assert "not in the catalogue" in done[0].why
    assert "not numbers" in done[1].why
    assert "not numbers" in done[2].why
    bulk.write(done, path)
    assert path.read_text(encoding="utf-8").startswith("row_id,ttft_s,e2e_s,")


@given(
    st.lists(st.text(st.characters(codec="ascii", exclude_characters='",\r\n'), max_size=12), min_size=9, max_size=9)
)
def test_no_server_that_a_stranger_describes_breaks_it(cells: list[str]) -> None:
    names = (
        "hardware",
        "model",
        "engine",
        "engine_version",
        "tp",
        "max_num_seqs",
        "max_num_batched_tokens",
        "kv_blocks",
    )
    server = dict(zip((*names, "block_size"), cells, strict=True))
    assert isinstance(timelines.engine(server), str)


@pytest.mark.slow
@pytest.mark.data
def test_a_real_server_is_met() -> None:
    """vLLM 0.19 with Llama-3.1-8B on an RTX 4090: nothing of it was fitted."""
    found = {one.what: one for one in agreement.public()}
    assert found["ttft_s"].mean == pytest.approx(1.0, abs=0.05)
    assert found["e2e_s"].mean == pytest.approx(1.0, abs=0.05)
    assert found["tpot_s"].mean == pytest.approx(1.0, abs=0.03)
    assert all(one.p99 == pytest.approx(1.0, abs=0.10) for one in found.values())


@pytest.mark.slow
@pytest.mark.data
def test_servers_with_fixed_users_are_met() -> None:
    """Llama-3.1-70B in 8 bits under vLLM, 4 to 64 users."""
    found = {(one.hardware, one.metric): one for one in closed_loops.public() if one.model.endswith("Llama-3.1-70B")}
    for chip in ("H100-SXM-80GB", "H200-SXM-141GB"):
        assert found[chip, "tpot"].error < 0.05
        assert found[chip, "ttft"].error < 0.12
