"""Every kind of table is recognised, predicted in the right unit and order of size, and refuses with a reason."""

from __future__ import annotations

import numpy as np
import pytest
from operator_tables import ROWS, columns

from silmark import chips
from silmark.figures.tables import packaged
from silmark.validation.operators import bars, kinds

# Bounds on seconds from peak rate and bandwidth of the data sheets; see each table's row in tables.py.
PLAUSIBLE = {
    "gemm": (1.4e-4, 4e-4),  # 137 GFLOP at 989 TFLOP/s take 139 us
    "attention-prefill": (6e-5, 1e-3),
    "attention-decode": (1.6e-4, 1e-3),  # 537 MB of cache in fp8 at 3.35 TB/s
    "moe": (1e-4, 2e-3),
    "collectives": (3e-5, 3e-4),  # 16.8 MB across links of 450 GB/s
    "layers-vidur": (2.4e-4, 1e-3),
    "network-vidur": (5e-6, 1e-4),
    "llmcompass": (4e-5, 1e-3),
    "infersim": (2e-4, 8e-3),
    "deepseek": (6e-5, 4e-4),
    "attention-rtx": (2e-5, 5e-3),
    "layers-rtx": (2.7e-4, 2e-3),
    "layers-tpu": (6.5e-5, 3e-4),
    "attention-tpu": (8e-5, 2e-3),
}


@pytest.mark.parametrize("kind", ROWS)
def test_every_kind_is_recognised_by_its_columns_alone(kind: str) -> None:
    found = kinds.recognise(frozenset(ROWS[kind]))
    assert found is not None
    assert found.name == kind


def test_no_kind_is_recognised_by_a_part_of_its_columns() -> None:
    for kind in kinds.KINDS:
        for column in kind.columns:
            other = kinds.recognise(kind.columns - {column})
            assert other is None or other.name != kind.name


@pytest.mark.parametrize("kind", ROWS)
def test_predictions_respect_peak_and_bandwidth(kind: str) -> None:
    found = kinds.recognise(frozenset(ROWS[kind]))
    assert found is not None
    answer = bars.apply(found.predict(columns(kind)))
    least, most = PLAUSIBLE[kind]
    assert least < answer.mid[0] < most
    assert answer.low[0] < answer.mid[0] < answer.high[0]


@pytest.mark.parametrize(("kind", "column", "more"), [
    ("gemm", "m", "8192"), ("gemm", "k", "16384"), ("attention-prefill", "isl", "8192"),
    ("attention-decode", "kv_len", "65536"), ("moe", "num_tokens", "16384"),
    ("collectives", "message_elements", "83886080"), ("layers-vidur", "m", "8192"),
    ("network-vidur", "size_bytes", "104857600"), ("llmcompass", "m", "65536"), ("infersim", "kv_len", "65536"),
    ("deepseek", "n", "28672"), ("attention-rtx", "kv_prefill", "16384"), ("attention-rtx", "n_decode", "256"),
    ("layers-rtx", "tokens", "2048"), ("layers-tpu", "tokens", "2048"), ("attention-tpu", "batch_size", "256"),
])  # fmt: skip
def test_more_work_takes_longer(kind: str, column: str, more: str) -> None:
    found = kinds.recognise(frozenset(ROWS[kind]))
    assert found is not None
    draft = found.predict(columns(kind, {}, {column: more}))
    assert draft.seconds[1] > draft.seconds[0]


def test_a_message_counts_elements_not_bytes() -> None:
    found = kinds.recognise(frozenset(ROWS["collectives"]))
    assert found is not None
    # Switches add halves and no bytes, so that a sum of bytes may take longer than one of halves.
    gathered = {"op": "all_gather", "dtype": "int8"}
    narrow, wide = found.predict(columns("collectives", gathered, gathered | {"dtype": "half"})).seconds
    assert wide > 1.5 * narrow


def test_a_rank_holds_its_part_of_the_experts() -> None:
    found = kinds.recognise(frozenset(ROWS["moe"]))
    assert found is not None
    whole, part = found.predict(columns("moe", {"moe_ep_size": "1"}, {"moe_ep_size": "8"})).seconds
    assert part < whole / 2


def test_decoding_beside_a_prompt_pays_for_every_query_head() -> None:
    found = kinds.recognise(frozenset(ROWS["attention-rtx"]))
    assert found is not None
    alone = {"prefill_chunk": "0", "kv_prefill": "0", "n_decode": "128", "kv_decode": "4096"}
    beside = {**alone, "prefill_chunk": "16"}
    first, second = found.predict(columns("attention-rtx", alone, beside)).seconds
    assert second > 2 * first


@pytest.mark.parametrize("kind", ROWS)
def test_what_is_unknown_or_not_a_number_keeps_its_row_and_says_why(kind: str) -> None:
    found = kinds.recognise(frozenset(ROWS[kind]))
    assert found is not None
    where = next(name for name in ("system", "hardware", "topology") if name in ROWS[kind])
    size = next(n for n in ("m", "batch_size", "num_tokens", "message_elements", "size_bytes", "batch", "tokens",
                            "n_decode") if n in ROWS[kind])  # fmt: skip
    draft = found.predict(columns(kind, {where: "abacus_9"}, {size: "many"}, {}))
    assert np.isnan(draft.seconds[:2]).all()
    assert draft.seconds[2] > 0
    assert "abacus" in draft.why[0]
    assert draft.why[1]
    assert not draft.why[2]


def test_a_chip_without_a_format_widens_it() -> None:
    found = kinds.recognise(frozenset(ROWS["gemm"]))
    assert found is not None
    narrow, wide = found.predict(
        columns("gemm", {"system": "a100_sxm", "gemm_dtype": "fp8"}, {"system": "a100_sxm"})
    ).seconds
    assert narrow == pytest.approx(wide, rel=0.2)


def test_aliases_lead_to_the_catalogue() -> None:
    for section in packaged("aliases")["hardware"].values():
        assert set(section.values()) <= set(chips.names())
