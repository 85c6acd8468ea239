"""Picture of a collective: seconds and bus bandwidth of every algorithm over the size of the buffer."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from silmark.errors import BadValue
from silmark.estimation.collective import CollectiveEstimate
from silmark.report.picture import panels


def draw(title: str, found: CollectiveEstimate, path: Path) -> None:
    """Writes the picture; raises BadValue for a path that cannot be one, or a single size."""
    if found.buffers.size == 1:
        raise BadValue("plot", str(path), "several sizes: --bytes 1KB,64KB,1MB,64MB,1GB")
    with panels(path, (13, 5), (1, 1)) as (left, right):
        for name, seconds in found.algorithms.items():
            label = name.replace("_", " ")
            left.plot(found.buffers, seconds, marker=".", label=label)
            right.plot(found.buffers, found.bus(seconds) / 1e9, marker=".", label=label)
        low, high = (np.array([getattr(one, end) for one in found.time]) for end in ("low", "high"))
        left.fill_between(found.buffers, low, high, alpha=0.2, color="grey", label="chosen, 80 %")
        left.set(xscale="log", yscale="log", xlabel="bytes", ylabel="seconds", title=title)
        right.set(xscale="log", xlabel="bytes", ylabel="bus bandwidth (GB/s)")
        for axes in (left, right):
            axes.grid(visible=True, which="major", alpha=0.3)
        left.legend(frameon=False, fontsize=8)
