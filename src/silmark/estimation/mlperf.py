"""MLPerf Inference: what a submission of so many chips should reach, from the data sets' mean lengths.

Logs state neither the prompts' lengths nor the cut of the model. The cut is taken as submitters choose it: of the
replicas of 1, 2, 4 or 8 chips that hold the model, those of the highest throughput. Formats: accuracy within 99 % of
the reference allows fp8 on chips that multiply it, and fp4 where the log says so; what a log calls fp16 beside a
faster format is the checkpoint that was quantised.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from silmark import chips, models, systems
from silmark.estimation.mixture import Mixture
from silmark.estimation.request import prepare
from silmark.estimation.single_pass import Pass
from silmark.figures import assumptions
from silmark.formats import Precision
from silmark.graph import Experts
from silmark.mapping import Infeasible, Plan, probe
from silmark.mapping.candidates import cut, placements
from silmark.step import StepCost, StepModel, compile_step
from silmark.systems import Target
from silmark.workloads import Step, Workload

_WAYS = (1, 2, 4, 8)
"""Chips of a replica that are tried; a chip count that none divides is one replica."""
_NARROW = {"fp4": "fp4", "mxfp4": "fp4", "nvfp4": "fp4", "int4": "int4", "uint4": "int4", "fp32": "wide"}
_NO_MODEL_IN_MEMORY = "no replica of 1, 2, 4 or 8 chips holds the model"


@dataclass(frozen=True, slots=True)
class Task:
    """One benchmark: mean tokens of a sample, sequences that one sample decodes (beams), and its name in the data."""

    name: str
    prompt: int
    output: int
    beams: int

    def limits(self, scenario: str) -> tuple[float, float] | None:
        """Limits of the times to the first token and per token, in seconds; None where the rules set none."""
        figures = assumptions("mlperf")
        keys = [f"{self.name}.{scenario.lower()}.{what}" for what in ("ttft", "tpot")]
        if any(key not in figures for key in keys):
            return None
        return figures[keys[0]].value, figures[keys[1]].value


@dataclass(frozen=True, slots=True)
class Offline:
    """Full load.

    Attributes:
        step_model: one replica.
        rate: tokens (or samples) per second of all replicas.
        batch: sequences (or samples) in flight on one replica.
        step_s: seconds in which each of them gains a token (or is done).
        alone_s: seconds of one sample alone on the chip, models without tokens only.
        cost: of a decode step or pass.
    """

    step_model: StepModel
    rate: float
    batch: float
    step_s: float
    alone_s: float
    cost: StepCost


def task(model: str) -> Task | None:
    """The benchmark of a catalogue model, None if MLPerf has none."""
    figures = assumptions("mlperf")
    name = model.replace(".", "-")
    if f"{name}.prompt" not in figures:
        return None
    beams = figures.get(f"{name}.beams")
    prompt, output = (round(figures[f"{name}.{key}"].value) for key in ("prompt", "output"))
    return Task(name, prompt, output, round(beams.value) if beams else 1)


def formats(chip: str, text: str) -> Precision:
    """Formats of a submission; see above."""
    known = chips.load(chip).formats
    wide = "fp16" if "fp16" in known else "bf16"
    stated = _NARROW.get(text.lower(), "")
    if stated == "fp4" and "fp4" in known:
        return Precision.of("fp4:fp4:fp8")
    if stated == "int4":
        return Precision.of(f"int4:{wide}")
    if "fp8" in known and stated != "wide":
        return Precision.of("fp8")
    if "int8" in text.lower() and "int8" in known:
        return Precision.of("int8")
    return Precision.of(wide)


@lru_cache(maxsize=512)
def offline(chip: str, model: str, precision: Precision, count: int, output: int | None) -> Offline | Infeasible:
    """The best rate of so many chips.

    Args:
        chip, model: catalogue names.
        precision: formats.
        count: chips of the submission.
        output: mean output length, None for the data set's.
    """
    known, system = chips.load(chip), systems.usual(chips.load(chip))
    work = task(model)
    if work is None:
        return Infeasible(f"MLPerf's data set for {model} is not known")
    found: list[Offline] = []
    refused = Infeasible(_NO_MODEL_IN_MEMORY)
    for ways in sorted({n for n in _WAYS if count % n == 0 and n <= system.chips * system.units_max}):
        compiled = _replica(model, known.id, precision, ways)
        if isinstance(compiled, Infeasible):
            refused = compiled
            continue
        made = _full(compiled, work, output or work.output, count // ways)
        if isinstance(made, Infeasible):
            refused = made
        else:
            found.append(made)
    return max(found, key=lambda one: one.rate) if found else refused


def _replica(model: str, chip: str, precision: Precision, ways: int) -> StepModel | Infeasible:
    known, spec = chips.load(chip), models.load(model)
    system = systems.usual(known)
    place = placements(known)[-1]
    plan = cut(spec, Target(known, system, ways), precision, place)
    if any(isinstance(op, Experts) for op in probe(spec)) and plan.pp == 1:
        plan = Plan(precision, plan.tp, 1, 1, plan.ep, placement=place)
    return compile_step(spec, Target(known, system, ways), plan)


def _full(model: StepModel, work: Task, output: int, replicas: int) -> Offline | Infeasible:
    prepared = prepare(model, Workload("offline", work.prompt, output), quick=True)
    if isinstance(prepared, Infeasible):
        return prepared
    if isinstance(prepared, Pass):
        at, seconds = prepared.cost.at(prepared.index), float(prepared.latency[prepared.index])
        tokens = min(work.prompt, model.model.max_context) if model.model.kind == "encoder" else 1
        alone = float(np.max(model.cost(Step.forward(1, tokens)).time_s))
        items = float(prepared.batches[prepared.index])
        return Offline(model, float(prepared.rates[prepared.index]) * replicas, items, seconds, alone, at)
    return _tokens(prepared, work, replicas)


def _tokens(prepared: Mixture, work: Task, replicas: int) -> Offline:
    """Beams decode together and share their prompt."""
    index = prepared.index
    batch = float(prepared.batches[index])
    decoding = float(prepared.decode.time_s[index]) * float(prepared.stall[index])
    step = decoding + (float(prepared.tpot[index]) - decoding) / work.beams
    rate = batch / work.beams / step * replicas
    return Offline(prepared.model, rate, batch, step, float(prepared.first.time_s), prepared.decode.at(index))
