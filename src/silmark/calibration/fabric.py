"""Fits the collectives on public timings: NCCL and the engines' own kernels on A100, H100 and B200, sends on A100.

Rows: ops_collectives_aiconfigurator (aiconfigurator 095f58a, Apache-2.0; sizes are elements of the stated type)
and ops_network_vidur (vidur 7d47513, MIT; sizes are bytes). Chips enter by the bandwidth of their links only, so
a chip that was never measured inherits the shares. Launches from graphs count, eager ones do not: they are the
host's time, not the fabric's. Robust least squares of log ratios, every chip counting alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from silmark.calibration import points, rows
from silmark.chips import catalog
from silmark.fabric import PATTERNS, Link
from silmark.fabric.terms import Terms, seconds
from silmark.fabric.topology import shape
from silmark.figures.tables import data_folder
from silmark.graph import Array
from silmark.systems.catalog import usual

LATENCY = 1.0e-6
"""Seconds of one message over NVSwitch, as the packaged systems assume; `step` is fitted relative to it."""
BYTES = {"half": 2, "bfloat16": 2, "int8": 1}
PATTERN = {
    "all_reduce": "all-reduce",
    "all_gather": "all-gather",
    "reduce_scatter": "reduce-scatter",
    "alltoall": "all-to-all",
}
_START = Terms(launch=4e-6, step=1.0, share=0.8, ramp=1e-5)
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


def _link(chip: str) -> Link:
    found = catalog.load(chip)
    return Link(
        "switch", found.si("link.scale_up.bandwidth"), LATENCY, in_network_reduction=usual(found).in_network_reduction
    )


def collectives(wanted: Callable[[str], bool]) -> list[Group]:
    """Rows of the collective table whose implementation is wanted, by pattern, chip and group size."""
    found = [r for r in rows.table("ops_collectives_aiconfigurator") if wanted(r["impl"])]
    groups = []
    for (op, system, count), mine in rows.grouped(found, "op", "system", "num_gpus").items():
        n, chip = int(count), rows.CHIPS[system]
        size = np.asarray([BYTES[r["dtype"]] for r in mine]) * rows.numbers(mine, "message_elements")
        # The table counts the part that a chip keeps; a payload of all-to-all is what it sends.
        sent = size * (n - 1) / n if op == "alltoall" else size
        groups.append(Group(PATTERN[op], chip, n, _link(chip), sent, rows.numbers(mine, "time_us") * 1e-6))
    return groups


def sends() -> list[Group]:
    """Pairs of chips of one node that send to each other, on NVSwitch and on bridges."""
    groups = []
    for (topology,), mine in rows.grouped(
        [r for r in rows.table("ops_network_vidur") if r["op"] == "send_recv" and r["devices_per_node"] == "2"],
        "topology",
    ).items():
        if not topology.startswith("a100"):
            continue
        chip = rows.CHIPS["a100"]
        time = rows.numbers(mine, "time_us") * 1e-6
        groups.append(Group("send", f"{chip} {topology}", 2, _link(chip), rows.numbers(mine, "size_bytes"), time))
    return groups


def predict(group: Group, fitted: Mapping[str, Terms]) -> Array:
    """Seconds of the fastest algorithm among the fitted ones."""
    lies = shape("switch", group.n, 0, 2, 1.0)
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


def stages() -> list[tuple[list[Group], list[str], Fitted]]:
    """What is fitted on what, in order: rows, algorithms, their starting points."""
    nccl = collectives(lambda impl: impl == "NCCL")
    own = collectives(lambda impl: impl.endswith("_graph") or impl == "TRTLLM")
    shots = {
        "all_reduce_one_shot": Terms(3e-6, 1.0, 0.7, 1e-9),
        "all_reduce_two_shot": Terms(5e-6, 1.0, 0.7, 1e-8),
    }
    switched = {"all_reduce_ring": _START, "all_reduce_in_switch": replace(_START, share=0.6)}
    listed: list[tuple[list[Group], list[str], Fitted]] = []
    for pattern, name in (
        ("all-gather", "all_gather_ring"),
        ("reduce-scatter", "reduce_scatter_ring"),
        ("all-to-all", "all_to_all_direct"),
    ):
        listed.append(([g for g in nccl if g.pattern == pattern], [name], {name: _START}))
    listed.append(([g for g in nccl if g.pattern == "all-reduce"], list(switched), switched))
    listed.append((own, list(shots), shots))
    listed.append((sends(), ["send_direct"], {"send_direct": _START}))
    return listed


def fit(without: str = "") -> Fitted:
    """All parameters, optionally with the rows of one chip left out."""
    fitted: Fitted = {}
    for groups, names, start in stages():
        kept = [g for g in groups if g.chip != without]
        fitted |= solve(kept, names, fitted, start)
    return fitted


def errors(fitted: Fitted, only: str = "") -> dict[str, list[float]]:
    """Median and 90 % quantile of the absolute log error by stage and chip."""
    found: dict[str, list[Array]] = {}
    for groups, names, _ in stages():
        # NCCL's rows know nothing of the engines' kernels; those fall back to NCCL for large tensors.
        others = () if "all_reduce_one_shot" in names else ("all_reduce_one_shot", "all_reduce_two_shot")
        offered = {name: terms for name, terms in fitted.items() if name not in others}
        for group in groups:
            if only in ("", group.chip):
                key = f"{names[0]} {group.chip}"
                found.setdefault(key, []).append(np.abs(np.log(predict(group, offered) / group.measured)))
    return {key: np.quantile(np.concatenate(parts), [0.5, 0.9]).tolist() for key, parts in found.items()}


def beyond_pair(fitted: Fitted) -> Array:
    """Share of a bridge's bandwidth left to four cards in bridged pairs, per row of more than 10 MB."""
    mine = [
        r
        for r in rows.table("ops_network_vidur")
        if r["topology"] == "a100_pairwise_nvlink" and r["op"] == "all_reduce" and r["num_workers"] == "4"
    ]
    size, time = rows.numbers(mine, "size_bytes"), rows.numbers(mine, "time_us") * 1e-6
    large = size > 1e7
    ring = fitted["all_reduce_ring"]
    return 1.5 * size[large] / time[large] / (ring.share * _link(rows.CHIPS["a100"]).bandwidth_bytes_per_s)


def run() -> None:
    """Fits and writes `data/calibration/fabric.toml`."""
    fitted = fit()
    left_out = {chip: fit(chip) for chip in dict.fromkeys(g.chip for groups, _, _ in stages() for g in groups)}
    parameters: dict[str, points.Leaf] = {}
    for name, terms in fitted.items():
        for field, factor, unit in (("launch", 1e6, "us"), ("step", 1, "1"), ("share", 1, "1"), ("ramp", 1e6, "us")):
            value = getattr(terms, field) * factor
            every = [value] + [getattr(other[name], field) * factor for other in left_out.values()]
            source = "vidur-network" if name == "send_direct" else "aiconfigurator-collectives"
            parameters[f"gpu.{name}.{field}"] = points.leaf(
                value, min(every), max(every), unit, source=source, grade="measured"
            )
    bridged = beyond_pair(fitted)
    parameters["topology.beyond_pair"] = points.leaf(
        float(np.median(bridged)), float(bridged.min()), float(bridged.max()), "1", source="vidur-network",
        grade="measured", note="four A100 in two bridged pairs, all-reduce; the rest goes over PCIe and the host",
    )  # fmt: skip
    parameters |= _static()
    held = {f"{key}": value for chip, other in left_out.items() for key, value in errors(other, chip).items()}
    points.write(
        data_folder() / "calibration" / "fabric.toml",
        {
            "family": "fabric",
            "date": datetime.now(UTC).date().isoformat(),
            "command": "silmark calibrate fabric",
            "data": "ops_collectives_aiconfigurator (without eager launches), ops_network_vidur; interval: fits with "
            "one chip left out",
            "rows": sum(len(g.payload) for groups, _, _ in stages() for g in groups),
        },
        parameters,
        {"residuals.median_and_p90_abs_log": errors(fitted), "residuals.chip_left_out_median_and_p90_abs_log": held},
    )


def _static() -> dict[str, points.Leaf]:
    """Parameters of compile-time schedules: no launch, direct exchanges, the frame overhead of the links."""
    parameters: dict[str, points.Leaf] = {}
    names = ("all_reduce_two_shot", "all_gather_direct", "reduce_scatter_direct", "all_to_all_direct", "send_direct")
    for name in names:
        step = 1.0 if name == "send_direct" else 1.5
        parameters |= {
            f"static.{name}.launch": points.leaf(0, 0, 0, "us", source="groq-isca-2022", grade="paper"),
            f"static.{name}.step": points.leaf(
                step, 1.0, 2.0, "1", source="groq-isca-2022", grade="derived",
                note="all-reduce of eight chips takes 2.1 us: two exchanges of 1.5 link latencies of 0.7 us; one point",
            ),
            f"static.{name}.share": points.leaf(
                0.9, 0.75, 0.975, "1", source="groq-isca-2022", grade="derived",
                note="75 to 90 % of the links reached, 2.5 % framing at best",
            ),
            f"static.{name}.ramp": points.leaf(0, 0, 0, "us", source="groq-isca-2022", grade="paper"),
        }  # fmt: skip
    return parameters
