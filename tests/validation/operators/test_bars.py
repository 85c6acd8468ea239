"""Error bars widen with what is not known of a chip, and every class of the file can be asked for."""

from __future__ import annotations

import numpy as np
import pytest

from silmark.validation.operators import bars
from silmark.validation.operators.curves import FAR, FOREIGN, KIN, LIKE, SEEN, UNSEEN


def width(kind: str, evidence: str) -> float:
    found = bars.bar(kind, evidence)
    return found.high - found.low


@pytest.mark.parametrize("kind", ["gemm 16 bits", "gemm narrow", "gemm fp8 by blocks", "prefill", "decode", "experts"])
@pytest.mark.parametrize("length", ["short", "long"])
def test_the_less_is_known_of_a_chip_the_wider_its_bar(kind: str, length: str) -> None:
    name = f"{kind}, {length}"
    assert 0 < width(name, SEEN) < width(name, KIN) < width(name, UNSEEN) < width(name, FOREIGN)
    assert np.exp(width(name, SEEN)) < 1.8


def test_a_class_that_nobody_measured_takes_what_others_show() -> None:
    for evidence in (SEEN, KIN, LIKE, UNSEEN, FAR, FOREIGN):
        found = bars.bar("weather", evidence)
        assert found.low < 0 < found.high


def test_a_kind_that_one_chip_measured_is_no_surer_elsewhere() -> None:
    for kind in ("mixed-attention", "vidur product", "llmcompass element-wise"):
        assert width(kind, UNSEEN) >= width(kind, SEEN)


def test_rows_of_a_class_share_format_and_length() -> None:
    paths = ["gemm/bfloat16/vllm/x", "gemm/fp8_block/vllm/x", "gemm/nvfp4/vllm/x", "vidur/product/up", "exchange/all"]
    assert bars.classes(paths, np.array([1e-6, 1.0, 1e-6, 1e-6, 1.0])) == [
        "gemm 16 bits, short", "gemm fp8 by blocks, long", "gemm narrow, short", "vidur product", "exchange",
    ]  # fmt: skip
