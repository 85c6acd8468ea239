"""Fits the collectives on public timings: NCCL and the engines' own kernels on A100, H100 and B200, sends on A100.

Rows: ops_collectives_aiconfigurator (aiconfigurator 095f58a, Apache-2.0; sizes are elements of the stated type)
and ops_network_vidur (vidur 7d47513, MIT; sizes are bytes). Chips enter by the bandwidth of their links and by their
pace (clock and dies), so a chip that was never measured inherits the shares. Launches from graphs are fitted; eager
ones give the host's time alone. Robust least squares of log ratios, every chip counting alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from silmark.calibration import fabric_assumed, points, rows
from silmark.chips import catalog
from silmark.fabric import PATTERNS, Link, summing
from silmark.fabric.pace import CLOCK
from silmark.fabric.terms import Terms, seconds
from silmark.fabric.topology import shape
from silmark.figures.tables import data_folder
from silmark.graph import Array
from silmark.systems import Target
from silmark.systems.catalog import usual

BYTES = {"half": 2, "bfloat16": 2, "int8": 1}
PATTERN = {
    "all_reduce": "all-reduce",
    "all_gather": "all-gather",
    "reduce_scatter": "reduce-scatter",
    "alltoall": "all-to-all",
}
_START = Terms(launch=4e-6, step=1.0, share=0.8, ramp=1e-5)
_SMALL = 16384.0
"""Bytes up to which time is latency alone."""
_OWN = ("all_reduce_one_shot", "all_reduce_two_shot")
Fitted = dict[str, Terms]


@dataclass(frozen=True)
class Group:
    """Rows of one pattern, chip and group size: bytes and seconds."""

    pattern: str
    chip: str
    n: int
    link: Link
    payload: Array
    measured: Array

    def paced(self, dies: float) -> Group:
        """The same rows where several dies in one package take so many times longer."""
        found = catalog.load(self.chip.partition(" ")[0])
        across = dies if found.si("die.count", 1.0) > 1 else 1.0
        return replace(self, link=replace(self.link, pace=CLOCK / found.si("compute.clock") * across))


Stage = tuple[list[Group], list[str], Fitted]
"""Rows, the algorithms that are fitted on them, and where the fit starts."""


def link_of(chip: str, count: int, kernels: bool) -> Link:
    """The link inside a chip's usual node, with the engines' kernels or the library alone."""
    found = catalog.load(chip)
    return replace(Target(found, usual(found), count).link("up"), kernels=kernels)


def collectives(wanted: Callable[[str], bool], kernels: bool = False) -> list[Group]:
    """Rows of the collective table whose implementation is wanted, by pattern, chip and group size."""
    found = [r for r in rows.table("ops_collectives_aiconfigurator") if wanted(r["impl"])]
    groups = []
    for (op, system, count, dtype), mine in rows.grouped(found, "op", "system", "num_gpus", "dtype").items():
        n, chip = int(count), rows.CHIPS[system]
        size = BYTES[dtype] * rows.numbers(mine, "message_elements")
        # The table counts the part that a chip keeps; a payload of all-to-all is what it sends.
        sent = size * (n - 1) / n if op == "alltoall" else size
        time = rows.numbers(mine, "time_us") * 1e-6
        link = summing(link_of(chip, n, kernels), dtype)
        groups.append(Group(PATTERN[op], chip, n, link, sent, time))
    return groups


def own() -> list[Group]:
    """The engines' kernels inside graphs."""
    return collectives(lambda impl: impl.endswith("_graph") or impl == "TRTLLM", kernels=True)


def sends() -> list[Group]:
    """Pairs of A100 of one node that send to each other, on NVSwitch and on bridges of the same rate."""
    groups = []
    for (topology,), mine in rows.grouped(
        [r for r in rows.table("ops_network_vidur") if r["op"] == "send_recv" and r["devices_per_node"] == "2"],
        "topology",
    ).items():
        if not topology.startswith("a100"):
            continue
        chip = rows.CHIPS["a100"]
        time = rows.numbers(mine, "time_us") * 1e-6
        link = link_of(chip, 2, kernels=False)
        groups.append(Group("send", f"{chip} {topology}", 2, link, rows.numbers(mine, "size_bytes"), time))
    return groups


def dies(groups: list[Group]) -> list[float]:
    """Small messages of chips of two dies over those of one, in cycles: one ratio per pattern and group size."""
    cycles: dict[tuple[str, int], dict[bool, list[float]]] = {}
    for group in groups:
        found = catalog.load(group.chip)
        clocks = np.median(group.measured[group.payload <= _SMALL]) * found.si("compute.clock")
        several = found.si("die.count", 1.0) > 1
        cycles.setdefault((group.pattern, group.n), {}).setdefault(several, []).append(float(clocks))
    both = [by for by in cycles.values() if len(by) == 2]
    return [float(np.exp(np.mean(np.log(by[True])) - np.mean(np.log(by[False])))) for by in both]


def predict(group: Group, fitted: Mapping[str, Terms]) -> Array:
    """Seconds of the fastest algorithm among the fitted ones."""
    lies = shape(group.link.topology, group.n, group.link.size, group.link.dimensions, group.link.beyond)
    times = [
        seconds(group.payload, group.link, fitted[name], a.factor(group.n, lies), a.steps(group.n, lies))
        for name, a in PATTERNS[group.pattern].items()
        if name in fitted and a.available(group.n, group.link)
    ]
    return np.asarray(np.minimum.reduce(times))


def solve(groups: list[Group], names: list[str], fixed: Fitted, start: Mapping[str, Terms]) -> Fitted:
    """Parameters of the named algorithms, the others held."""
    from scipy.optimize import least_squares  # noqa: PLC0415 - optional dependency

    chips = {g.chip for g in groups}
    weight = {chip: 1 / np.sqrt(sum(len(g.payload) for g in groups if g.chip == chip)) for chip in chips}

    def unpack(x: Array) -> Fitted:
        share = 1 / (1 + np.exp(-x[2::4]))
        values = np.exp(x)
        return {n: Terms(values[4 * i], values[4 * i + 1], share[i], values[4 * i + 3]) for i, n in enumerate(names)}

    def residuals(x: Array) -> Array:
        fitted = {**fixed, **unpack(x)}
        return 30 * np.concatenate([np.log(predict(g, fitted) / g.measured) * weight[g.chip] for g in groups])

    first = [start[name] for name in names]
    begin = [(np.log(t.launch), np.log(t.step), np.log(t.share / (1 - t.share)), np.log(t.ramp)) for t in first]
    least = np.tile([np.log(1e-7), np.log(0.01), -4, np.log(1e-9)], len(names))
    most = np.tile([np.log(1e-4), np.log(10), 5, np.log(1e-3)], len(names))
    answer = least_squares(residuals, np.ravel(begin), bounds=(least, most), loss="soft_l1", f_scale=0.3)
    return unpack(answer.x)


def stages() -> list[Stage]:
    """What is fitted on what, in order: rows, algorithms, their starting points."""
    nccl = collectives(lambda impl: impl == "NCCL")
    shots = dict(zip(_OWN, (Terms(3e-6, 1.0, 0.7, 1e-9), Terms(5e-6, 1.0, 0.7, 1e-8)), strict=True))
    switched = {"all_reduce_ring": _START, "all_reduce_in_switch": replace(_START, launch=1.5e-5, share=0.6)}
    listed: list[Stage] = []
    for pattern, name in (
        ("all-gather", "all_gather_ring"),
        ("reduce-scatter", "reduce_scatter_ring"),
        ("all-to-all", "all_to_all_direct"),
    ):
        listed.append(([g for g in nccl if g.pattern == pattern], [name], {name: _START}))
    listed.append(([g for g in nccl if g.pattern == "all-reduce"], list(switched), switched))
    listed.append((own(), list(shots), shots))
    listed.append((sends(), ["send_direct"], {"send_direct": _START}))
    return listed


def _every(group: Group) -> bool:
    return True


def fit(listed: list[Stage], wanted: Callable[[Group], bool] = _every) -> tuple[Fitted, list[float]]:
    """All parameters and the ratios of `dies` from the wanted rows; an algorithm without rows stays unfitted."""
    several = dies([g for groups, _, _ in listed for g in groups if wanted(g) and g.pattern != "send"])
    several = several or [fabric_assumed.dies()]
    fitted: Fitted = {}
    for groups, names, start in listed:
        kept = [g.paced(float(np.median(several))) for g in groups if wanted(g)]
        if kept:
            fitted |= solve(kept, names, fitted, start)
    return fitted, several


def errors(
    listed: list[Stage],
    fitted: tuple[Fitted, list[float]],
    wanted: Callable[[Group], bool] = _every,
    label: Callable[[Group], str] = lambda group: group.chip,
) -> dict[str, list[float]]:
    """Median and 90 % quantile of the absolute log error of the wanted rows by stage and label."""
    terms, several = fitted
    found: dict[str, list[Array]] = {}
    for groups, names, _ in listed:
        for group in filter(wanted, groups):
            if names[0] in terms:
                ratio = predict(group.paced(float(np.median(several))), terms) / group.measured
                found.setdefault(f"{names[0]} {label(group)}", []).append(np.abs(np.log(ratio)))
    return {key: np.quantile(np.concatenate(parts), [0.5, 0.9]).tolist() for key, parts in found.items()}


def left_out(listed: list[Stage], by: Callable[[Group], str]) -> tuple[list[Fitted], dict[str, list[float]]]:
    """Fits without one label's rows at a time, and their errors on those rows."""
    fits: list[Fitted] = []
    held: dict[str, list[float]] = {}
    for one in dict.fromkeys(by(g) for groups, _, _ in listed for g in groups):
        mine = partial(_labelled, by, one)
        fitted = fit(listed, partial(_others, mine))
        fits.append(fitted[0])
        held |= errors(listed, fitted, mine, by)
    return fits, held


def _labelled(by: Callable[[Group], str], label: str, group: Group) -> bool:
    return by(group) == label


def _others(mine: Callable[[Group], bool], group: Group) -> bool:
    return not mine(group)


def host() -> list[float]:
    """Seconds that a launch without a graph takes on each chip's host: medians of small messages."""
    eager = [r for r in rows.table("ops_collectives_aiconfigurator") if r["impl"].endswith("_eager")]
    found = []
    for mine in rows.grouped(eager, "system").values():
        size, time = rows.numbers(mine, "message_elements"), rows.numbers(mine, "time_us") * 1e-6
        found.append(float(np.median(time[size <= _SMALL])))
    return found


def run() -> None:
    """Fits and writes `data/calibration/fabric.toml`."""
    listed = stages()
    fitted, several = fit(listed)
    others, by_chip = left_out(listed, lambda group: group.chip)
    by_ranks = left_out(listed, lambda group: f"{group.n} ranks")[1]
    parameters: dict[str, points.Leaf] = {}
    for name, terms in fitted.items():
        for field, factor, unit in (("launch", 1e6, "us"), ("step", 1, "1"), ("share", 1, "1"), ("ramp", 1e6, "us")):
            value = getattr(terms, field) * factor
            every = [value] + [getattr(other[name], field) * factor for other in others]
            source = "vidur-network" if name == "send_direct" else "aiconfigurator-collectives"
            parameters[f"gpu.{name}.{field}"] = points.leaf(
                value, min(every), max(every), unit, source=source, grade="measured"
            )
    parameters["pace.dies"] = points.leaf(
        float(np.median(several)), float(np.quantile(several, 0.1)), float(np.quantile(several, 0.9)), "1",
        source="aiconfigurator-collectives", grade="measured",
        note="cycles of small messages on B200 over A100 and H100, by pattern and group size",
    )  # fmt: skip
    launches = [1e6 * one for one in host()]
    parameters["host.eager"] = points.leaf(
        float(np.median(launches)), min(launches), max(launches), "us", source="aiconfigurator-collectives",
        grade="measured", note="small all-reduces without a graph: the host's time, one per kind of server",
    )  # fmt: skip
    parameters |= fabric_assumed.parameters(fitted)
    tables = {
        "residuals.median_and_p90_abs_log": errors(listed, (fitted, several)),
        "residuals.chip_left_out_median_and_p90_abs_log": by_chip,
        "residuals.ranks_left_out_median_and_p90_abs_log": by_ranks,
    }
    head = points.head(
        "fabric",
        "silmark calibrate fabric",
        "ops_collectives_aiconfigurator, ops_network_vidur; interval: fits with one chip left out",
        sum(len(g.payload) for groups, _, _ in listed for g in groups),
    )
    points.write(data_folder() / "calibration" / "fabric.toml", head, parameters, tables)
