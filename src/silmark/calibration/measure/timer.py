"""How long a call takes: warm-up, caches flushed, repeats, and repeats that were disturbed left out.

On accelerators the flush, the start event, the call and the end event are queued together, so that the host's
launching hides behind the flush and the events bracket the device's own time (the method of Triton's `do_bench`).
On CPUs a repeat counts as disturbed when the operating system took the processor from one of the threads: a parallel
operator then waits a whole time slice for the thread that was moved, which says nothing about the operator.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from silmark.calibration.measure.device import Device

LEAST = 3
"""Repeats, if the budget allows."""
MOST = 30
_WARM_UP = 2
_SHORT_S = 50e-6  # calls below this are timed several at once: the clock's own resolution would show
_INNER = 100
_FLUSH_CACHES = 2  # sizes of the last-level cache that are written between repeats


@dataclass(frozen=True, slots=True)
class Timing:
    """What repeats of one call gave.

    Attributes:
        best_s, median_s: of the undisturbed repeats (of all, if none was left alone).
        repeats: that count.
        disturbed: repeats during which a thread lost its processor; all of them if `repeats` is 0.
    """

    best_s: float
    median_s: float
    repeats: int
    disturbed: int


class Timer:
    """Times calls on one device."""

    def __init__(self, device: Device) -> None:
        self._device = device
        size = max(1 << 20, _FLUSH_CACHES * device.cache_bytes)
        self._buffer = device.torch.zeros(size // 4, dtype=device.torch.float32, device=device.where)

    def flush(self) -> None:
        """Pushes everything else out of the caches."""
        self._buffer.add_(1.0)

    def time(self, call: Callable[[], object], budget_s: float, cold: bool) -> Timing:
        """Times one call.

        Args:
            call: runs the operator once; may return before the device has ended.
            budget_s: seconds to spend at most; one repeat is always taken.
            cold: flush the caches before every repeat.
        """
        end = time.perf_counter() + budget_s
        first = time.perf_counter()
        call()
        self._device.synchronise()
        once = time.perf_counter() - first
        if once < budget_s / 4:
            for _ in range(_WARM_UP):
                call()
            self._device.synchronise()
        once_more = self._on_accelerator if self._device.parallel is not None else self._on_cpu
        inner = 1 if cold or once > _SHORT_S else _INNER
        good: list[float] = []
        bad: list[float] = []
        was_on = gc.isenabled()
        gc.disable()
        try:
            while len(good) < MOST and len(good) + len(bad) < 2 * MOST:
                seconds, undisturbed = once_more(call, cold, inner)
                (good if undisturbed else bad).append(seconds)
                late = time.perf_counter() > end
                if late and (len(good) + len(bad) >= LEAST or time.perf_counter() > end + budget_s):
                    break
        finally:
            if was_on:
                gc.enable()
        kept = good or bad
        return Timing(min(kept), statistics.median(kept), len(good), len(bad))

    def _on_cpu(self, call: Callable[[], object], cold: bool, inner: int) -> tuple[float, bool]:
        if cold:
            self.flush()
        before = _switches()
        start = time.perf_counter()
        for _ in range(inner):
            call()
        seconds = (time.perf_counter() - start) / inner
        return seconds, _switches() == before

    def _on_accelerator(self, call: Callable[[], object], cold: bool, inner: int) -> tuple[float, bool]:
        events = [self._device.parallel.Event(enable_timing=True) for _ in range(2)]
        # A warm call is launched behind a flush too, and once more in front of it brings its operands back.
        self.flush()
        if not cold:
            call()
        events[0].record()
        for _ in range(inner):
            call()
        events[1].record()
        self._device.synchronise()
        return float(events[0].elapsed_time(events[1])) * 1e-3 / inner, True


def _switches() -> int:
    """How often the operating system took a processor from this process so far; 0 where it does not say."""
    try:
        import resource  # noqa: PLC0415 - not on every operating system
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
