"""Measures a grid within a budget of seconds and says what was left out, and why."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from silmark.calibration.measure import collectives, operators, rows, transformer
from silmark.calibration.measure.device import Device
from silmark.calibration.measure.grid import Point
from silmark.calibration.measure.operators import Call
from silmark.calibration.measure.timer import Timer
from silmark.chips import host
from silmark.errors import BadValue

_GENEROUS = 2.0
"""A point may take this many times its even share of what is left: most need less than theirs."""
_LEAST_S = 0.01
_MEMORY_SHARE = 0.5


@dataclass(slots=True)
class Measured:
    """What a measurement gave.

    Attributes:
        rows: lines of the CSV.
        skipped: reason -> number of points that were not measured.
        seconds: that it took.
    """

    rows: list[dict[str, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


def measure(
    device: Device, points: Sequence[Point], budget_s: float, report: Callable[[str], None] = lambda _: None
) -> Measured:
    """Times points in their order until the budget is spent.

    Args:
        device: from `device.probe`.
        points: from `grid.load`.
        budget_s: seconds; the point under way ends first.
        report: gets a line per row.

    Raises:
        BadValue: a budget that is not positive.
    """
    if not 0 < budget_s < 1e7:
        raise BadValue("budget", budget_s, "seconds above 0, such as 60s")
    start = time.perf_counter()
    found = Measured()
    timer = Timer(device)
    alone = [point for point in points if point.kind != "collective"]
    together = [point for point in points if point.kind == "collective"]
    room = _room(device)
    with device.torch.no_grad():
        for index, point in enumerate(alone):
            left = budget_s - (time.perf_counter() - start)
            reason = "the budget was spent" if left <= 0 else _unfit(device, point, room)
            if reason:
                found.skipped[reason] += 1
                continue
            share = max(_LEAST_S, _GENEROUS * left / (len(alone) - index))
            _one(device, timer, point, share, found, report)
        _again(device, timer, start + budget_s, found, report)
    if together:
        _together(device, together, budget_s - (time.perf_counter() - start), found, report)
    found.seconds = time.perf_counter() - start
    return found


def _one(
    device: Device, timer: Timer, point: Point, share: float, found: Measured, report: Callable[[str], None]
) -> None:
    maker = transformer.build if point.kind.startswith("transformer") else operators.build
    try:
        call = maker(device, point)
        timing = timer.time(call.run, share, call.cold)
    except (
        RuntimeError,
        NotImplementedError,
        MemoryError,
    ) as error:  # what PyTorch raises for lack of memory or kernel
        lines = str(error).strip().splitlines() or [type(error).__name__]
        found.skipped[f"PyTorch: {lines[0][:120]}"] += 1
        return
    found.rows.append(rows.row(device, point, call, timing))
    report(f"{point.kind} {_words(point.shape)}: {timing.median_s * 1e6:.4g} us")


def _again(device: Device, timer: Timer, end: float, found: Measured, report: Callable[[str], None]) -> None:
    """Gives points that other programs disturbed a second chance while the budget lasts."""
    disturbed = [index for index, row in enumerate(found.rows) if row["flag"]]
    for turn, index in enumerate(disturbed):
        left = end - time.perf_counter()
        if left <= 0:
            return
        second = Measured()
        _one(device, timer, rows.point(found.rows[index]), left / (len(disturbed) - turn), second, report)
        if second.rows and not second.rows[0]["flag"]:
            found.rows[index] = second.rows[0]


def _together(device: Device, points: list[Point], left: float, found: Measured, report: Callable[[str], None]) -> None:
    if device.count < 2:
        found.skipped["collectives need several devices"] += len(points)
        return
    if left <= 0:
        found.skipped["the budget was spent"] += len(points)
        return
    for point, timing in zip(points, collectives.time_all(device, points, device.count), strict=True):
        call = Call(lambda: None, False, collectives.BACKENDS[device.kind])
        found.rows.append(rows.row(device, point, call, timing, device.count))
        report(f"{point.kind} {_words(point.shape)}: {timing.median_s * 1e6:.4g} us")


def _words(shape: Mapping[str, object]) -> str:
    return " ".join(f"{key}={value}" for key, value in shape.items())


def _room(device: Device) -> float:
    """Bytes that operands may take."""
    if device.parallel is None:
        return host.memory_bytes() * _MEMORY_SHARE
    return float(device.parallel.get_device_properties(device.where).total_memory) * _MEMORY_SHARE


def _unfit(device: Device, point: Point, room: float) -> str:
    """Why a point is not measured here; empty if it is."""
    if not device.runs(point.dtype):
        return f"{point.dtype} is emulated on this device"
    sizes = transformer if point.kind.startswith("transformer") else operators
    if sizes.bytes_needed(point) > room:
        return "operands exceed half of the memory"
    return ""
