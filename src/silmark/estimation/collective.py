"""One collective on a target: every algorithm's time over payloads, the chosen one, and how far it may be off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from silmark import fabric
from silmark.fabric import COMPILED, Reach
from silmark.figures import Figure, Grade, Interval
from silmark.figures.figure import quadrature
from silmark.figures.tables import packaged
from silmark.graph import Array
from silmark.systems import Target

_FITTED = "silmark-calibration"
_NEARLY_NOTHING = 1.0
"""Bytes whose time is latency alone."""


@dataclass(frozen=True, slots=True, eq=False)
class CollectiveEstimate:
    """Times of one collective.

    Attributes:
        pattern: all-reduce | all-gather | reduce-scatter | all-to-all | send.
        reach: the members and their links.
        buffers: bytes as nccl-tests counts them: a chip's whole buffer, its own part included [n].
        algorithms: seconds by every algorithm that could run [n]; empty for one chip.
        time: of the fastest one, 80 % intervals [n].
        figures: what the chosen algorithms' times rest on, by key.
    """

    pattern: str
    reach: Reach
    buffers: Array
    algorithms: Mapping[str, Array]
    time: tuple[Interval, ...]
    figures: Mapping[str, Figure]

    @property
    def chosen(self) -> tuple[str, ...]:
        """The fastest algorithm for each buffer; "none" for one chip."""
        if not self.algorithms:
            return ("none",) * self.buffers.size
        return _chosen(self.algorithms)

    def bus(self, seconds: Array) -> Array:
        """Bus bandwidth in bytes per second, as nccl-tests defines it (doc/PERFORMANCE.md); 0 for one chip."""
        n = 2 if self.pattern == "send" else self.reach.group
        crossed = crossing(self.pattern, n) * self.buffers
        return np.divide(crossed, seconds, out=np.zeros_like(crossed), where=seconds > 0)

    @property
    def grade(self) -> Grade:
        """The worst grade of what the times rest on; a prediction is derived at best."""
        return max([Grade.DERIVED, *(figure.grade for figure in self.figures.values())])


def crossing(pattern: str, n: int) -> float:
    """Times the buffer that crosses a chip's links at least: bus bandwidth over algorithm bandwidth."""
    if pattern == "send":
        return 1.0
    return (2 if pattern == "all-reduce" else 1) * (n - 1) / n


def collective(pattern: str, buffers: Array, target: Target, members: int, apart: int) -> CollectiveEstimate:
    """Prices one collective.

    Args:
        pattern: see `CollectiveEstimate`.
        buffers: bytes [n].
        target: the chips.
        members: chips that take part.
        apart: chips from one member to the next; 1 for neighbours.
    """
    reach = target.reach(members, apart)
    # A payload of all-to-all is what a chip sends; of its buffer one part stays.
    payload = buffers * (crossing(pattern, members) if pattern == "all-to-all" else 1.0)
    times = fabric.algorithms(pattern, payload, reach)
    if not times:
        nothing = Interval(0.0, 0.0, 0.0)
        return CollectiveEstimate(pattern, reach, buffers, times, (nothing,) * buffers.size, {})
    least = fabric.algorithms(pattern, _NEARLY_NOTHING, reach)
    figures: dict[str, Figure] = {}
    bars = []
    for name, seconds in zip(_chosen(times), np.min(list(times.values()), axis=0), strict=True):
        used = _figures(pattern, target, reach, name)
        figures |= used
        bars.append(_bar(float(seconds), float(least[name]), used, _residual(pattern, name, target, reach)))
    return CollectiveEstimate(pattern, reach, buffers, times, tuple(bars), figures)


def _chosen(times: Mapping[str, Array]) -> tuple[str, ...]:
    names = list(times)
    return tuple(names[index] for index in np.argmin(list(times.values()), axis=0))


def _figures(pattern: str, target: Target, reach: Reach, algorithm: str) -> dict[str, Figure]:
    """Link figures and fitted parameters behind an algorithm."""
    spans = reach.node < reach.group
    used = target.figures("up") if reach.node > 1 else {}
    used |= target.figures("out") if spans else {}
    library, rests_on = reach.up.library, fabric.terms_of(pattern, algorithm, reach)
    for key, figure in fabric.figures().items():
        owner, _, rest = key.partition(".")
        own = owner == library and rest.rpartition(".")[0] in rests_on
        if own or (spans and key == f"network.{library}"):
            used[f"calibration.fabric.{key}"] = figure
    return used


def _residual(pattern: str, algorithm: str, target: Target, reach: Reach) -> float:
    """90 % quantile of the absolute log error of the fit: on the chip's own rows, or on chips left out.

    A fit is named after its first algorithm: those of the library together, or the engines' kernels.
    """
    tables = packaged("calibration")["fabric"]["residuals"]
    name = f"{pattern.replace('-', '_')}_{'direct' if pattern in ('send', 'all-to-all') else 'ring'}"
    if algorithm.endswith("_shot") and reach.up.library not in COMPILED:
        name = "all_reduce_one_shot"
    own = tables["median_and_p90_abs_log"].get(f"{name} {target.chip.id}")
    if own is not None and reach.node == reach.group:
        return float(own[1])
    held = tables["chip_left_out_median_and_p90_abs_log"]
    return max(float(p90) for key, (_, p90) in held.items() if key.startswith(name))


def _bar(seconds: float, fixed: float, used: Mapping[str, Figure], residual: float) -> Interval:
    """Interval of one time: its figures count by the share of the time that they set, as in `step.error`.

    The residuals of chips that were left out hold the errors of fitted parameters, and of latencies in whose unit
    they are fitted; assumed ones count themselves. Of several figures of one part (what is fixed, what grows with the
    payload) the widest counts.
    """
    open_ = [(key, f) for key, f in used.items() if f.grade > Grade.MEASURED and f.source != _FITTED]
    latency = [f for key, f in open_ if key.endswith((".launch", ".step", ".latency"))]
    rate = [f for key, f in open_ if key.endswith((".share", ".bandwidth")) or ".network." in key]
    part = min(1.0, fixed / seconds)
    below = [part * _widest(f.log_low for f in latency), (1 - part) * _widest(f.log_high for f in rate)]
    above = [part * _widest(f.log_high for f in latency), (1 - part) * _widest(f.log_low for f in rate)]
    return Interval.around(seconds, quadrature([residual, *below]), quadrature([residual, *above]))


def _widest(widths: Iterable[float]) -> float:
    return max(widths, default=0.0)
