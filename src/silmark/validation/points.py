"""Published points against predictions that were made without them: systems of which a fit saw little or nothing.

Three kinds. Points of a fit, predicted with that point left out: every calibration file keeps these ratios itself.
Points that no fit used, predicted here. Claims that a parameter was taken from: they come back by construction and are
named circular, so that nobody counts them as reproduced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from silmark import models, systems
from silmark.calibration import points
from silmark.estimation import estimate
from silmark.figures.tables import packaged
from silmark.formats import Precision
from silmark.graph import Array
from silmark.mapping import Infeasible
from silmark.mapping.candidates import cut, placements
from silmark.step import StepModel, compile_step
from silmark.validation.grid import Grid
from silmark.workloads import Step, Workload

Role = Literal["left out", "unlike", "circular"]
_SCALE = {"s": 1.0, "ms": 1e-3, "us": 1e-6}
_WAFER = {"2": "latency", "3": "ttft", "4": "tpot", "6": "operator"}
"""What the tables of WaferLLM measure."""


@dataclass(frozen=True, slots=True)
class Point:
    """One published number and what is predicted without it.

    Attributes:
        name, chip: of the point.
        metric: ttft, tpot, latency, throughput or operator.
        published: the number with its unit.
        ratio: predicted over published speed; NaN where the plan is refused.
        role: left out (or in no fit at all), unlike, circular.
        how: what was left out, or why the point says little.
        source: key.
    """

    name: str
    chip: str
    metric: str
    published: str
    ratio: float
    role: Role
    how: str
    source: str


def collect() -> list[Point]:
    """All points, by chip and name."""
    return sorted([*_wafer(), *_streaming(), *_systolic(), *_whole()], key=lambda one: (one.chip, one.name))


def logs(found: list[Point], metric: str) -> dict[str, Array]:
    """ln(measured / predicted) of a time by chip, of points that were left out."""
    by_chip: dict[str, list[float]] = {}
    for one in found:
        if one.role == "left out" and one.metric == metric and np.isfinite(one.ratio):
            by_chip.setdefault(one.chip, []).append(float(np.log(one.ratio)))
    return {chip: np.array(values) for chip, values in sorted(by_chip.items())}


def grid(found: list[Point]) -> Grid:
    """As a table: predicted over published speed, and what the fit did not see."""
    rows = []
    for one in found:
        how = f"fitted on it: circular; {one.how}" if one.role == "circular" else one.how
        how = f"not alike: {how}" if one.role == "unlike" else how
        ratio = "-" if np.isnan(one.ratio) else f"{one.ratio:.2f}"
        rows.append((one.chip, one.name, one.metric, how.replace("|", "/"), one.published, ratio))
    headers = ("chip", "point", "metric", "what the fit left out", "published", "predicted over it")
    return Grid("Points left out, speeds", headers, tuple(rows), 4, detail=True)


def _left(family: str) -> Mapping[str, float]:
    found: Mapping[str, float] = packaged("calibration").get(family, {}).get("left_out", {})
    return found


def _wafer() -> Iterator[Point]:
    how = {"2": "in no fit", "6": "the point left out"}
    left = _left("wafer")
    for row in points.read("waferllm"):
        if row["point"] in left:
            what = how.get(row["table"], "all points of its model left out")
            said, metric = f"{row['value']} {row['unit']}", _WAFER[row["table"]]
            yield Point(
                row["point"], "cerebras-wse-2", metric, said, left[row["point"]], "left out", what, row["source"]
            )


def _streaming() -> Iterator[Point]:
    left = _left("streaming")
    for row in points.read("groq_decode"):
        if row["point"] in left:
            how = "the point left out" if row["use"] == "fit" else "in no fit"
            said, ratio = f"{row['value']} {row['unit']}", left[row["point"]]
            yield Point(row["point"], "groq-groqchip-1", "tpot", said, ratio, "left out", how, row["source"])


def _systolic() -> Iterator[Point]:
    table = packaged("calibration")["systolic"]
    for name, ratio in _left("systolic").items():
        half = name.endswith("half")
        how = "the longer half of its rows left out" if half else "all of its rows left out"
        source = table["parameters"]["gemm"]["share"]["source"]
        yield Point(f"v6e {name}", table["chip"], "operator", "median of rows", ratio, "left out", how, source)


def _whole() -> Iterator[Point]:
    metrics = {"decode": "tpot", "users": "tpot", "prefill": "ttft", "forward": "latency", "served": "throughput"}
    for row in points.read("systems"):
        ratio, why = _ratio(row)
        said = f"{row['value']} {row['unit']}" if row["unit"] != "1" else f"{row['value']} of {row['against']}"
        chip = systems.target(row["system"]).chip.id
        role: Role = "circular" if row["role"] == "circular" else "unlike" if row["role"] == "unlike" else "left out"
        yield Point(row["point"], chip, metrics[row["step"]], said, ratio, role, why or row["why"], row["source"])


def _ratio(row: Mapping[str, str]) -> tuple[float, str]:
    """Predicted over published speed of one row, and the reason if there is none."""
    model = _compiled(row["system"], row["model"], row["precision"], row["tp"], row["attention"], row["tiers"])
    other = _compiled(row["against"], row["model"], "default", "", "heads", "main") if row["against"] else model
    if isinstance(model, Infeasible) or isinstance(other, Infeasible):
        return float("nan"), model.reason if isinstance(model, Infeasible) else getattr(other, "reason", "")
    value = float(row["value"])
    if row["step"] in ("users", "served"):
        return _steady(row, model, value)
    step = _step(row)
    if other is not model:
        published = value * float(other.cost(step).time_s)
    else:
        published = 1.0 / value if row["unit"] == "tok/s" else value * _SCALE[row["unit"]]
    return published / float(model.cost(step).time_s), ""


def _steady(row: Mapping[str, str], model: StepModel, value: float) -> tuple[float, str]:
    """The same for a steady state: its decode step, or prompt and answer tokens per second."""
    prompt, answer = (int(part) for part in row["tokens"].split("+"))
    served = estimate(model, Workload(row["point"], prompt, answer, users=int(row["batch"]) if row["batch"] else None))
    if isinstance(served, Infeasible):
        return float("nan"), served.reason
    if row["step"] == "users":  # the decode step of those in flight, prompts of others apart
        return value * _SCALE[row["unit"]] / float(model.cost(served.steps()["decode"]).time_s), ""
    return served.rate.mid * (prompt + answer) / answer / value, ""


def _step(row: Mapping[str, str]) -> Step:
    batch, tokens = int(row["batch"]), int(row["tokens"])
    match row["step"]:
        case "decode":
            return Step.decode(batch, tokens)
        case "prefill":
            return Step.prefill(batch, tokens)
    return Step.forward(batch, tokens)


@lru_cache(maxsize=64)
def _compiled(on: str, model: str, formats: str, tp: str, attention: str, tiers: str) -> StepModel | Infeasible:
    target, loaded = systems.target(on), models.load(model)
    chip = target.chip
    precision = Precision.of(chip.precision if formats == "default" else formats)
    place = placements(chip)[0 if tiers == "sram" else -1]
    plan = cut(loaded, target, precision, place)
    if tp:
        plan = replace(plan, tp=int(tp), pp=target.count // int(tp))
    plan = replace(plan, attention="batch" if attention == "batch" else "heads")
    # An announced chip has no software of its own: its claim is for a mature one.
    return compile_step(loaded, target, plan, "equal" if chip.status == "announced" else "own")
