"""Turns what users type into values, refusing what makes no sense with a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from silmark import chips as catalogue
from silmark.chips import HOST, Chip
from silmark.errors import BadValue, UnknownName
from silmark.figures import Interval
from silmark.formats import Precision
from silmark.models import Model
from silmark.workloads import WORKLOADS, Workload
from silmark.workloads.words import Count, Duration, duration, frequency, whole

__all__ = [
    "Count", "Duration", "chip_list", "duration", "finite", "frequency", "known_format", "precision", "share",
    "too_long", "whole", "workload",
]  # fmt: skip


def share(label: str, value: str | float) -> Interval:
    """A share from 0 to 1, alone or as low:mid:high; raises BadValue."""
    parts = value.split(":") if isinstance(value, str) else [value]
    try:
        numbers = [float(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3 or not 0 <= numbers[0] <= numbers[1] <= numbers[2] <= 1:
        raise BadValue(label, value, "a share from 0 to 1, or low:mid:high such as 0.6:0.7:0.8")
    return Interval(*numbers)


def workload(
    name: str,
    prompt: Count | None = None,
    output: Count | None = None,
    ttft: Duration | None = None,
    tpot: Duration | None = None,
    batch: Count = "auto",
    power: float | None = None,
    *,
    reuse: Count = 0,
    reuse_share: str | float = 1.0,
    think: Duration | None = None,
) -> Workload:
    """A named workload with the given fields in place of its own."""
    if name not in WORKLOADS:
        raise UnknownName("workload", name, WORKLOADS, hint=f"known workloads: {', '.join(WORKLOADS)}")
    base = WORKLOADS[name]
    return replace(
        base,
        prompt=base.prompt if prompt is None else whole("prompt", prompt),
        output=base.output if output is None else whole("output", output),
        ttft_s=base.ttft_s if ttft is None else duration("ttft", ttft),
        tpot_s=base.tpot_s if tpot is None else duration("tpot", tpot),
        users=base.users if batch == "auto" else whole("batch", batch),
        power_w=base.power_w if power is None else power,
        reuse=whole("reuse", reuse, least=0),
        reuse_share=share("reuse-share", reuse_share).mid,
        think_s=0.0 if think is None else duration("think", think),
    )


def precision(name: str, chip: Chip) -> Precision:
    """`default` is the chip's own 16-bit format, else its native one; other names as in formats."""
    return Precision.of(chip.precision if name == "default" else name)


def chip_list(names: str | Sequence[str]) -> list[Chip]:
    """`all`, or names, aliases and `.toml` paths, separated by commas; `-name` leaves one out of all."""
    parts = [p.strip() for p in names.split(",")] if isinstance(names, str) else [str(p) for p in names]
    parts = [p for p in parts if p]
    if not parts:
        raise BadValue("chips", names, "all, or names such as h100,groq,./mychip.toml")
    dropped = {p[1:] if p[1:] == HOST else catalogue.resolve(p[1:]) for p in parts if p.startswith("-")}
    wanted = [p for p in parts if not p.startswith("-")] or ["all"]
    found: dict[str, Chip] = {}
    for part in wanted:
        everything = (*catalogue.names(), HOST) if part == "all" else (part,)
        for chip in map(catalogue.load, everything):
            if chip.id not in dropped:
                found[chip.id] = chip
    if not found:
        raise BadValue("chips", names, "at least one chip that is not left out")
    return list(found.values())


def known_format(name: str) -> str:
    """Checks a format name early, so that a typing error is not sixty refusals."""
    if name != "default":
        Precision.of(name)
    return name


def too_long(model: Model, asked: Workload) -> list[str]:
    """What to say where a workload's texts are longer than the model takes."""
    if model.kind == "encoder" and 0 < model.max_context < asked.prompt:
        return [f"texts are cut to the {model.max_context:,} tokens that the model takes"]
    total = asked.prompt + asked.output
    if model.kind != "decoder" or not 0 < model.max_context < total:
        return []
    return [f"{total:,} tokens are more than the {model.max_context:,} that the model's configuration allows"]


def finite(seconds: float) -> float | None:
    """A promise for a JSON document: None where there is none."""
    return seconds if seconds != math.inf else None
