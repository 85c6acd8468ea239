"""Fits of sparse attention, delta rules and expert exchanges: rows that were held out, and what the files say."""

from __future__ import annotations

import os

import numpy as np
import pytest

from silmark.calibration import exchange, gpu_sparse, rows
from silmark.chips import coefficients
from silmark.chips.mechanisms.gpu_sparse import CHUNK_KERNELS, chunk_bytes, update_bytes
from silmark.fabric import exchange_figures
from silmark.figures import Grade
from silmark.figures.tables import packaged
from silmark.validation.operators import infersim
from silmark.validation.operators.columns import Columns

pytest.importorskip("scipy", reason="scipy is not installed: pip install 'silmark[calibrate]'")


def columns(row: dict[str, str]) -> Columns:
    return Columns({name: [cell] for name, cell in row.items()})


@pytest.mark.parametrize("folder", [gpu_sparse.FILE, "exchange"])
def test_files_tell_what_was_held_out(folder: str) -> None:
    """A fit of few rows is worth what it says of the others."""
    file = packaged("calibration")[folder]
    held = file["held_out"]
    assert held
    assert all(row["q10"] <= row["bias"] <= row["q90"] for row in held.values())
    assert file["command"] == f"silmark calibrate {folder}"


def test_every_share_has_an_interval_and_what_nobody_measured_is_assumed() -> None:
    found = {**coefficients.load(gpu_sparse.FILE), **exchange_figures()}
    assert all(0 < figure.low <= figure.value <= figure.high for figure in found.values())
    assumed = {key for key, figure in found.items() if figure.grade is Grade.ASSUMED}
    assert assumed == {"select.memory_share", "index.flop_share", "index.draw", "deepep.normal.launch"}
    assert all(found[key].high / found[key].low > 1.5 for key in assumed)


def test_bytes_of_a_delta_rule_by_hand() -> None:
    """32 heads of 128 x 128: 4.2 MB of states in 32 bits; kkt reads keys and writes triangles of 64 in 32 bits."""
    op = gpu_sparse.scan(np.asarray(64.0), np.asarray(1.0), 64)
    assert float(update_bytes(op)) == 2 * 32 * 128 * 128 * 4
    moved = chunk_bytes(op, 2.0)
    assert set(moved) == set(CHUNK_KERNELS)
    assert float(moved["kkt"]) == 64 * 32 * (128 * 2 + 64 * 4)
    assert float(moved["chunk_o"]) == 64 * 32 * (4 * 128 * 2) + 32 * 128 * 128 * 2


def test_a_source_that_gives_no_size_is_refused() -> None:
    with pytest.raises(Exception, match="tokens, hidden width and top-k"):
        exchange.Exchange.of("DeepEP low-latency dispatch fp8", "fast")


needs_rows = pytest.mark.skipif("SILMARK_DATA" not in os.environ, reason="SILMARK_DATA does not lead to measured rows")


@pytest.mark.data
@needs_rows
def test_held_out_batches_of_delta_rules() -> None:
    """Half of the batches predict the others; a prompt's kernels, each by the mean of the others, only roughly."""
    held = gpu_sparse.held_out()
    assert held[f"{gpu_sparse.CHIP} update"]["median_error"] < 0.05
    assert 0.1 < held[f"{gpu_sparse.CHIP} chunk kernels"]["median_error"] < 0.5


@pytest.mark.data
@needs_rows
def test_rows_of_64_heads_repeat_those_of_32() -> None:
    """Why they are left out: equal to the microsecond, and beyond what the memory carries."""
    some = [r for r in rows.table("ops_infersim_h20_h800") if r["kind"] == "gdn"]
    by_heads = {
        config: [(r["op"], r["batch"], r["q_len"], r["time_us"]) for r in own]
        for (config,), own in rows.grouped(some, "config").items()
    }
    assert by_heads["4-16-128-32-128"] == by_heads["4-16-128-64-128"]


def test_repeated_rows_get_no_prediction_and_others_do() -> None:
    row = {"hardware": "H20", "kind": "gdn", "phase": "decode", "op": "gdn_gdn_update", "batch": "64", "q_len": "",
           "kv_len": "", "tokens_per_expert": "", "kv_dtype": ""}  # fmt: skip
    heads = {count: columns({**row, "config": f"4-16-128-{count}-128"}) for count in (32, 64)}
    assert "repeats" in infersim.predict(heads[64]).why[0]
    assert 5e-5 < float(infersim.predict(heads[32]).seconds[0]) < 2e-4


@pytest.mark.data
@needs_rows
def test_held_out_sizes_of_expert_exchanges() -> None:
    held = exchange.held_out()
    assert held[f"{exchange.CHIP} all"]["rows"] == 12
    assert held[f"{exchange.CHIP} all"]["median_error"] < 0.05
    assert all(row["median_error"] < 0.1 for row in held.values())
