"""Dispatch and combine: tokens to the experts that they chose, and the results back.

A library sends inside a unit and between units at the same time, so that the slower of the two counts:

    t = launch + max(local / (share_up * B_up), remote / (share_out * B_out))

Two ways, as DeepEP has them (Zhao et al., github.com/deepseek-ai/DeepEP, 2025). Low latency: every copy goes straight
to its expert's chip. Normal: a token goes once to every unit that it needs, and there once to every chip. Which
library serves a vendor's chips is in `data/aliases/engines.toml`; its parameters are in `data/calibration/
exchange.toml`. A plain all-to-all is always possible; the fastest way counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from silmark.fabric.curve import Array
from silmark.fabric.reach import Reach
from silmark.figures import Figure
from silmark.figures.tables import packaged, read_figure, walk

PHASES = ("dispatch", "combine")
FILE = "exchange"


@dataclass(frozen=True, slots=True)
class Way:
    """Fitted parameters of one way of a library: seconds before the first byte, shares of the links' bandwidths."""

    launch: float
    share_up: float
    share_out: float

    def seconds(self, local: Array, remote: Array, reach: Reach) -> Array:
        """The formula of this module for bytes that a chip sends inside its unit and beyond it."""
        inside = local / (self.share_up * reach.up.bandwidth_bytes_per_s)
        return np.asarray(np.maximum(inside, remote / (self.share_out * reach.out.bandwidth_bytes_per_s)) + self.launch)


def low_latency(way: Way, payload: Array, reach: Reach, wired: bool = True) -> Array:
    """Seconds of the way that sends every copy to its expert's chip.

    Args:
        way: its parameters.
        payload: bytes of all copies of one chip's tokens; experts are spread evenly.
        reach: the group.
        wired: False where the library sends everything through the network, to chips of the same unit too.
    """
    others = payload * ((reach.group - 1) / reach.group)
    local = payload * ((reach.node - 1) / reach.group) if wired else np.zeros_like(payload)
    return way.seconds(local, others - local, reach)


def normal(way: Way, payload: Array, copies: float, reach: Reach) -> Array:
    """Seconds of the way that sends a token once per unit and once per chip."""
    units, chips = reach.distinct(copies)
    token = payload / copies
    remote = token * (units * (1.0 - reach.node / reach.group))
    return way.seconds(token * (chips * (reach.node - 1) / reach.node), remote, reach)


@cache
def exchange_figures() -> dict[str, Figure]:
    """All fitted parameters by dotted key, e.g. `deepep.low_latency.launch`."""
    table = packaged("calibration").get(FILE, {}).get("parameters", {})
    return {key: read_figure(f"{FILE}.toml", key, leaf) for key, leaf in walk(table)}


@cache
def ways(library: str) -> dict[str, Way]:
    """What a library offers; empty for an unknown one."""
    found: dict[str, dict[str, float]] = {}
    for key, figure in exchange_figures().items():
        owner, way, parameter = key.split(".")
        if owner == library:
            found.setdefault(way, {})[parameter] = figure.value
    return {way: Way(**values) for way, values in found.items()}


def library_of(vendor: str) -> str:
    """The library that engines use on a vendor's chips, empty if none is known."""
    table: dict[str, str] = packaged("aliases").get("engines", {}).get("exchange", {})
    return table.get(vendor, "")


def offered(payload: Array, copies: float, reach: Reach, library: str) -> list[Array]:
    """Seconds by every way of a library."""
    known = ways(library)
    times = []
    if "low_latency" in known:
        times.append(low_latency(known["low_latency"], payload, reach))
    if "normal" in known:
        times.append(normal(known["normal"], payload, copies, reach))
    return times
