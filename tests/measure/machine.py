"""Rows as a CPU of known rates would give them: the mechanism's own times, with noise where asked."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from silmark.calibration.measure import Point, load, rows
from silmark.calibration.measure.device import Device
from silmark.calibration.measure.operators import Call
from silmark.calibration.measure.timer import Timing
from silmark.chips import Chip, host
from silmark.chips.mechanisms import Placement, build
from silmark.figures import Figure, Grade
from silmark.formats import Precision

RATES = {
    "peak.fp32": 1e11,
    "peak.bf16": 4e11,
    "memory.main.bandwidth": 3e10,
    "memory.cache.bandwidth": 1.2e11,
    "compute.launch": 2e-6,
    "calibration.cpu.gemm.fp32.flop_share": 0.9,
    "calibration.cpu.gemm.bf16.flop_share": 0.7,
    "calibration.cpu.gemm.panel_share": 0.5,
    "calibration.cpu.gemm.restart": 4e-8,
    "calibration.cpu.attention.decode_share": 0.1,
}


def truth() -> Chip:
    """A CPU whose rates the tests know."""
    known = {key: Figure(key, v, v, v, "1", host.SOURCE, Grade.MEASURED) for key, v in RATES.items()}
    return replace(host.guess(), figures={**host.guess().figures, **known})


def device(torch: Any = None) -> Device:
    stub = torch or SimpleNamespace(__version__="9.9")
    return Device("cpu", host.machine(), "cpu", 1, 1, 3000.0, "Linux 6", "torch 9.9", 1 << 20, stub)


def measured(noise: float = 0.0) -> list[dict[str, str]]:
    """A row for every point of the small grid in fp32 and bf16."""
    from silmark.calibration import host_fit  # noqa: PLC0415 - needs nothing else

    rng = np.random.default_rng(1)
    found = []
    for point in load("small"):
        if point.dtype == "fp16" or point.kind == "moe":
            continue
        line = _row(point, 1e-3)
        seconds = _seconds(host_fit, line)
        factor = float(np.exp(noise * rng.standard_normal()))
        found.append(_row(point, seconds * factor))
    return found


def _row(point: Point, seconds: float) -> dict[str, str]:
    return rows.row(device(), point, Call(lambda: None, True, "linear"), Timing(seconds, seconds, 5, 0))


def _seconds(host_fit: Any, line: dict[str, str]) -> float:
    if line["kind"] == "launch":
        return RATES["compute.launch"]
    if line["kind"].startswith("transformer"):
        return float(host_fit.transformer_seconds(line, truth()))
    (batch,) = host_fit.batched([line], line["kind"])
    return float(build(truth(), Precision.of(batch.dtype), Placement()).cost(batch.op).time_s[0])
