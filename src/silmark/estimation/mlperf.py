"""MLPerf Inference: what a submission of so many chips should reach, from the data sets' mean lengths.

Logs state neither the prompts' lengths nor the cut of the model. The cut is taken as submitters choose it: of tensor
and pipeline cuts of replicas of 1, 2, 4 or 8 chips that hold the model, the one of the highest throughput - in the
server scenarios among batches that keep the limits of latency. Formats: accuracy within 99 % of the reference allows
fp8 on chips that multiply it, int8 and fp4 where the log says so; what a log calls fp16 beside a faster format is the
checkpoint that was quantised. NVIDIA's submissions are compiled (TensorRT), their scales known before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from silmark import chips, models, systems
from silmark.estimation.mixture import Mixture
from silmark.estimation.single_pass import Pass
from silmark.figures import assumptions
from silmark.formats import Precision
from silmark.graph import Experts
from silmark.mapping import Infeasible, Plan, probe
from silmark.mapping.candidates import cut, placements
from silmark.models import Model
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
        """Limits of the times to the first token (or of a whole pass) and per token, in seconds.

        Infinite where the rules limit only one of them, None where they set none.
        """
        figures = assumptions("mlperf")
        keys = [f"{self.name}.{scenario.lower()}.{what}" for what in ("ttft", "tpot")]
        if not any(key in figures for key in keys):
            return None
        first, token = (figures[key].value if key in figures else math.inf for key in keys)
        return first, token


@dataclass(frozen=True, slots=True)
class Run:
    """A submission.

    Attributes:
        step_model: one replica.
        rate: tokens (or samples) per second of all replicas.
        batch: sequences (or samples) in flight on one replica.
        step_s: seconds in which each of them gains a token (or is done).
        first_s: mean seconds to the first token under this load; models without tokens: of a sample alone.
        alone_s: seconds of one sample alone on the chips.
        cost: of a decode step or pass.
        distance: by how much the worse of the limits is missed, as a ratio; 1 where both are kept.
    """

    step_model: StepModel
    rate: float
    batch: float
    step_s: float
    first_s: float
    alone_s: float
    cost: StepCost
    distance: float


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
    if text.lower() == "int8" and "int8" in known:
        return Precision.of("int8")
    if "fp8" in known and stated != "wide":
        return Precision.of("fp8")
    if "int8" in text.lower() and "int8" in known:
        return Precision.of("int8")
    return Precision.of(wide)


@lru_cache(maxsize=1024)
def submission(
    chip: str, model: str, precision: Precision, count: int, output: int | None, scenario: str = "offline"
) -> Run | Infeasible:
    """The best rate of so many chips that keeps the scenario's limits.

    Args:
        chip, model: catalogue names.
        precision: formats.
        count: chips of the submission.
        output: mean output length, None for the data set's.
        scenario: offline, server, interactive; without limits of its own it counts as offline.
    """
    system = systems.usual(chips.load(chip))
    work = task(model)
    if work is None:
        return Infeasible(f"MLPerf's data set for {model} is not known")
    found: list[Run] = []
    refused = Infeasible(_NO_MODEL_IN_MEMORY)
    for ways in sorted({n for n in _WAYS if count % n == 0 and n <= system.chips * system.units_max}):
        for compiled in _replicas(model, chip, precision, ways):
            if isinstance(compiled, Infeasible):
                refused = compiled
                continue
            made = _run(compiled, work, output or work.output, count // ways, work.limits(scenario))
            if isinstance(made, Infeasible):
                refused = made
            else:
                found.append(made)
    if not found:
        return refused
    return max(found, key=lambda one: (-one.distance, one.rate))


@lru_cache(maxsize=256)
def _replicas(model: str, chip: str, precision: Precision, ways: int) -> tuple[StepModel | Infeasible, ...]:
    """A replica of so many chips under every cut that is tried."""
    known, spec = chips.load(chip), models.load(model)
    place = placements(known, spec.kind)[-1]
    if known.family == "gpu" and known.vendor == "NVIDIA" and spec.kind == "decoder":
        place = replace(place, engine="trtllm:static")
    tuned = f"tuned.{known.vendor.lower()}" in assumptions("mlperf")
    target = Target(known, systems.usual(known), ways)
    usual = cut(spec, target, precision, place)
    return tuple(compile_step(spec, target, plan, "equal" if tuned else "own") for plan in _cuts(spec, usual, ways))


def _cuts(spec: Model, usual: Plan, ways: int) -> Iterator[Plan]:
    """Tensor and pipeline cuts; with routed experts also whole ones on every chip, and attention on own sequences."""
    if any(isinstance(op, Experts) for op in probe(spec)):
        whole = replace(usual, tp=ways, pp=1, ep=ways)
        yield from {replace(whole, ep=math.gcd(usual.ep, ways)): 0, whole: 0, replace(whole, ranks=ways): 0}
        return
    for pp in [n for n in _WAYS if ways % n == 0 and (n == 1 or spec.kind == "decoder")]:
        yield replace(usual, tp=ways // pp, pp=pp)


def _run(
    model: StepModel, work: Task, output: int, replicas: int, limits: tuple[float, float] | None
) -> Run | Infeasible:
    first, token = limits or (math.inf, math.inf)
    if model.model.kind != "decoder":
        return _passes(Pass(model, Workload("mlperf", work.prompt, output, first)), replicas)
    # Beams share their prompt: each carries its part of the prefill and of the cache.
    asked = Workload("mlperf", max(1, work.prompt // work.beams), output, first, token)
    # Pages are taken as answers grow: in a steady state sequences are half-way through theirs.
    room = model.memory.sequences(asked.prompt + asked.output / 2)
    if room < 1:
        return Infeasible(f"the cache of one sequence of {asked.prompt + output:,} tokens does not fit")
    return _tokens(Mixture(model, asked, room, quick=True), work, replicas)


def _passes(prepared: Pass, replicas: int) -> Run:
    model, index = prepared.model, prepared.index
    alone = float(np.max(model.cost(Step.forward(1, prepared.tokens)).time_s))
    return Run(
        step_model=model,
        rate=float(prepared.rates[index]) * replicas,
        batch=float(prepared.batches[index]),
        step_s=float(prepared.latency[index]),
        first_s=alone,
        alone_s=alone,
        cost=prepared.cost.at(index),
        distance=max(1.0, prepared.distance),
    )


def _tokens(mixture: Mixture, work: Task, replicas: int) -> Run:
    """The batch of the highest rate: submitters use all the room and time that the limits leave.

    Offline all samples are there at the start, and the run ends with the last of them: while the answers of the last
    batch end one after another, half of it is in flight on average.
    """
    asked, model = mixture.workload, mixture.model
    missed = np.maximum(np.maximum(mixture.tpot / asked.tpot_s, mixture.ttft / asked.ttft_s), 1.0)
    rates = mixture.batches / mixture.tpot
    if math.isinf(asked.tpot_s):
        held = assumptions("mlperf")["run.duration"].value
        rates = rates * held / (held + asked.output * mixture.tpot / 2)
    index = int(np.argmax(np.where(missed <= 1.0, rates, -missed)))
    batch, step = float(mixture.batches[index]), float(mixture.tpot[index])
    alone = float(np.max(model.decode_s(work.beams, mixture.context)))
    return Run(
        step_model=model,
        rate=float(rates[index]) / work.beams * replicas,
        batch=batch,
        step_s=step,
        # A prompt waits for the step in progress, and its tokens pass with a whole step of the others.
        first_s=float(mixture.ttft[index]) + step,
        alone_s=float(mixture.first.time_s) * work.beams + asked.output * alone,
        cost=mixture.decode.at(index),
        distance=float(missed[index]),
    )
