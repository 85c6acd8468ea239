"""Tables of strangers: whatever stands in a cell, a row has a number inside its bar, or a reason."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
import tables
from operator_tables import ROWS

from silmark.validation import bulk

ODD = ("", "-1", "0", "nan", "inf", "1e308", "abc", "=cmd()", "9" * 400, "1e-300", "²", "99999999999", "0.5", "null")
MODELS: dict[str, dict[str, str]] = {
    "trtllm_docs_throughput": {},
    "mlperf_inference_llm": {"metric": "server_throughput", "model": "llama2-70b-99", "notes": "Server; closed"},
    "training_throughput": {"metric": "train_tokens_per_s_per_device", "model": "llama-3.1-8b", "engine": "MaxText"},
}
ALL = {**ROWS, **{name: {**dict.fromkeys(tables.COLUMNS, ""), **tables.PLAIN, **row} for name, row in MODELS.items()}}


@pytest.mark.parametrize("name", sorted(ALL))
def test_odd_cells_make_reasons_and_not_tracebacks(name: str, tmp_path: Path) -> None:
    dice = random.Random(name)
    row = {key: str(cell) for key, cell in ALL[name].items()}
    rows = [
        {**row, **{dice.choice([*row]): dice.choice(ODD) for _ in range(count)}}
        for count in (1, 2, 3)
        for _ in range(60)
    ]
    path = tmp_path / f"{name}.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, [*row])
        writer.writeheader()
        writer.writerows(rows)
    for line in bulk.predict_table(path).lines:
        assert line.mid or line.why
        if line.mid:
            assert 0.0 < float(line.low) <= float(line.mid) <= float(line.high)
