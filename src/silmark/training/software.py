"""What the training software makes of the hardware: the fitted coefficients of a stack, as one job meets them.

Coefficients lie in `data/calibration/training.toml`, written by `silmark calibrate training`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from silmark import chips
from silmark.chips import Chip, coefficients
from silmark.figures import Figure
from silmark.graph import Attention
from silmark.models import Model
from silmark.training.job import Job
from silmark.workloads import Step

PARAMETERS = ("matrix", "experts", "attention", "stream", "layer", "hidden", "exchange")
"""Times of matrix products, routed experts, attention and element-wise operators over the mechanism's; host seconds per
layer and pass; shares of the exchanges between replicas and inside a layer that compute hides."""
KIN = {"torchtitan": "foundry", "megatron": "foundry", "maxtext": "foundry", "levanter": "maxtext"}
"""Whose coefficient a stack takes where too few rows tell its own."""
_AMPERE_FLOP = 2048
"""FLOP in 16 bits per unit and clock that synchronous matrix instructions feed (A100: 312 TFLOP/s / 108 / 1.41 GHz)."""
_HEAD = 128.0


def figures(job: Job, chip: Chip, model: Model) -> dict[str, Figure]:
    """The figures behind the coefficients of one job, by key of the calibration file."""
    table = coefficients.load("training")
    return {key: table[key] for keys in _keys(table, job, chip, model).values() for key, _ in keys}


def effective(table: Mapping[str, float], job: Job, chip: Chip, model: Model) -> dict[str, float]:
    """Values of PARAMETERS for one job: products of the table's entries, each to its power.

    Args:
        table: entries by key: the fitted file's values, or a fit's trial.
    """
    values = dict.fromkeys(PARAMETERS, 1.0)
    for name, keys in _keys(table, job, chip, model).items():
        for key, power in keys:
            match power:
                case "width":
                    values[name] *= (head_width(model) / _HEAD) ** table[key]
                case "power":
                    values[name] *= powered(chip) ** -table[key]
                case _:
                    values[name] *= table[key]
    return values


def values() -> dict[str, float]:
    """The fitted file's entries as plain numbers."""
    return {key: figure.value for key, figure in coefficients.load("training").items()}


def _keys(table: Mapping[str, object], job: Job, chip: Chip, model: Model) -> dict[str, list[tuple[str, str]]]:
    """For each parameter, entries of the table and how they enter: as they are, or as an exponent."""
    found = {name: [(_own(table, job.stack, name), "")] for name in PARAMETERS}
    if job.fused:
        found["stream"] = [("compiled.stream", "")]
    if job.async_tp:
        found["exchange"] = [("async_tp.exchange", "")]
    if not job.wide and chip.family == "gpu":
        found["matrix"].append(("narrow.matrix", ""))
        found["experts"].append(("narrow.matrix", ""))
    if powered(chip) < 1.0:
        for name in ("matrix", "experts", "attention"):
            found[name].append(("power.exponent", "power"))
    if job.flash and chip.family == "gpu":
        found["attention"].append(("heads.attention", "width"))
        if outgrown(chip):
            found["attention"].append(("generation.attention", ""))
    return found


def _own(table: Mapping[str, object], stack: str, name: str) -> str:
    while f"{stack}.{name}" not in table and stack in KIN:
        stack = KIN[stack]
    return f"{stack}.{name}"


def outgrown(chip: Chip) -> bool:
    """Whether training's attention kernels, written for synchronous instructions, leave matrix units idle.

    They do on NVIDIA's chips since Hopper: FlashAttention-2 reaches 35 % of an H100, FlashAttention-3 with
    asynchronous instructions 75 % (Shah et al., arXiv:2407.08608, abstract).
    """
    if chip.family != "gpu" or chip.vendor != "NVIDIA" or "compute.units" not in chip.figures:
        return False
    wide = next((f for f in ("bf16", "fp16") if f in chip.formats), None)
    each = chip.si(f"peak.{wide}") / (chip.si("compute.units") * chip.si("compute.clock")) if wide else 0.0
    return each > 1.5 * _AMPERE_FLOP


@cache
def powered(chip: Chip) -> float:
    """Power above idle over that of the same silicon at its highest limit in the catalogue.

    Long matrix products run an accelerator into its power limit, so that of two SKUs with one peak the one with
    less power clocks lower.
    """
    wide = next((f"peak.{f}" for f in ("bf16", "fp16") if f in chip.formats), None)
    if chip.family != "gpu" or wide is None:
        return 1.0
    same = ("compute.units", "compute.clock", wide)
    stem, own = chip.id.split("-")[:2], chip.si("power.tdp")
    most = own
    for name in (n for n in chips.names() if n.split("-")[:2] == stem):
        other = chips.load(name)
        if all(other.si(k, 0.0) == chip.si(k, 0.0) for k in same):
            most = max(most, other.si("power.tdp"))
    idle = chip.si("power.idle_share") * most
    return max(0.1, (own - idle) / (most - idle))


def head_width(model: Model) -> float:
    """Width of an attention head, 128 for models without attention."""
    ops = model.lower(Step.forward(1, 1))
    return float(next((op.v_dim for op in ops if isinstance(op, Attention)), _HEAD))
