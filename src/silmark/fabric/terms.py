"""The one formula of all collectives, and its fitted parameters (`data/calibration/fabric.toml`).

    t = pace * (launch + step * steps * near) + step * steps * wire
        + factor * (P + sqrt(pace * ramp * B * P)) / (share * B)

Hockney's alpha-beta model with a bandwidth that saturates: the second summand of the last bracket is what small
payloads P lose until all channels of a link of bandwidth B are busy. `steps` and `factor` follow from algorithm,
topology and group; `launch`, `step`, `ramp` and `share` belong to the communication library. Of a link's latency, what
a switch of chips has (NEAR) is mostly the chip's own writing, fencing and polling and goes with its pace; the rest is
wire and host, and does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from silmark.errors import BadValue
from silmark.fabric.curve import Array, Curve
from silmark.fabric.link import Link
from silmark.fabric.topology import Shape
from silmark.figures import Figure
from silmark.figures.tables import packaged, read_figure, walk

NEAR = 1.0e-6
"""Seconds of one message over NVSwitch between A100s, as the packaged systems write it: the unit of `step`."""


_DEPTH = 2
"""Dots in the key of a library's parameter: library.algorithm.parameter."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Fitted parameters of one algorithm of one library.

    Attributes:
        launch: seconds before the first byte moves.
        step: link latencies per message of a chain.
        share: share of the bandwidth that large payloads reach.
        ramp: seconds; times bandwidth it is the payload at which half of that share is reached.
    """

    launch: float
    step: float
    share: float
    ramp: float


@dataclass(frozen=True, slots=True)
class Algorithm:
    """One way to run a collective.

    Attributes:
        factor: times the payload that crosses one chip's links, per group size and shape; the part of the
            links that is busy is counted in.
        steps: messages one after another, per group size and shape.
        available: whether the fabric can do it.
    """

    factor: Callable[[int, Shape], float]
    steps: Callable[[int, Shape], float]
    available: Callable[[int, Link], bool] = lambda n, link: True


def on_axes(n: int, link: Link) -> bool:
    """Whether the fabric has axes that the bucket algorithm can follow."""
    return link.topology in ("torus", "mesh", "ring")


def delay(link: Link, chain: float) -> float:
    """Seconds of so many link latencies one after another."""
    near = min(link.latency_s, NEAR)
    return chain * (link.pace * near + link.latency_s - near)


def curve(link: Link, terms: Terms, factor: float, steps: float) -> Curve:
    """The formula of this module, for one algorithm on one link."""
    rate = link.bandwidth_bytes_per_s
    per_byte = factor / ((terms.share if link.share is None else link.share) * rate)
    fixed = link.pace * terms.launch + delay(link, terms.step * steps)
    return Curve(fixed, per_byte, per_byte * math.sqrt(link.pace * terms.ramp * rate))


def seconds(payload: Array, link: Link, terms: Terms, factor: float, steps: float) -> Array:
    """The formula for payloads of any shape, in bytes."""
    return curve(link, terms, factor, steps)(payload)


@cache
def figures() -> dict[str, Figure]:
    """All fitted parameters by dotted key, e.g. `gpu.all_reduce_ring.share`."""
    table = packaged("calibration").get("fabric", {}).get("parameters", {})
    return {key: read_figure("fabric.toml", key, leaf) for key, leaf in walk(table)}


@cache
def library(name: str) -> dict[str, Terms]:
    """Algorithms that a library offers, with their parameters; raises BadValue for an unknown library."""
    found: dict[str, dict[str, float]] = {}
    for key, figure in figures().items():
        owner, _, rest = key.partition(".")
        algorithm, _, parameter = rest.partition(".")
        if owner == name and parameter:
            found.setdefault(algorithm, {})[parameter] = figure.value
    if not found:
        known = sorted({key.split(".")[0] for key in figures() if key.count(".") == _DEPTH})
        raise BadValue("library", name, f"one of {', '.join(known)}")
    return {algorithm: Terms(**values) for algorithm, values in found.items()}
