"""Pace: how long a chip takes to launch a kernel, write to a neighbour and see an answer, over an A100.

Communication kernels wait in cycles, so a faster clock waits less. Where one chip is several dies, flags and fences
cross the border between them; what that costs is fitted (`pace.dies` of `data/calibration/fabric.toml`).
"""

from __future__ import annotations

from silmark.fabric.terms import figures

CLOCK = 1.41e9
"""Hz of the A100, on whose fixed times the parameters are written."""


def pace(clock_hz: float, several_dies: bool) -> float:
    """Factor on fixed times; 1 where the clock is unknown (0)."""
    if clock_hz <= 0:
        return 1.0
    across = figures().get("pace.dies")
    return CLOCK / clock_hz * (across.value if across is not None and several_dies else 1.0)
