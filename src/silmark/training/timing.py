"""From one micro batch to a step: what overlaps, what bubbles, and which coefficients of the software apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from silmark.chips import Chip
from silmark.chips.mechanisms import AbstractMechanism
from silmark.models import Model
from silmark.systems import Target
from silmark.training.job import Job, Jobs, Real, fullest
from silmark.training.network import Replicas, replicas, send_s
from silmark.training.work import Pass, Work, work

OPTIMIZER_BYTES = 30.0
"""Adam per parameter: reads gradient, copy and two moments, writes copy and moments (28), and 16-bit parameter (2)."""
WORDS = {
    "matrix": "matrix products",
    "experts": "routed experts",
    "attention": "attention",
    "stream": "element-wise operators",
    "host": "host",
    "tensor_link": "exchanges inside a layer",
    "replica_link": "exchanges between replicas",
    "bubble": "pipeline bubble and sends",
    "optimizer": "optimizer",
}
"""What a part of a step is called in answers."""


@dataclass(frozen=True, slots=True)
class Components:
    """What the physics gives for one job, or for many, before the software's coefficients.

    Attributes:
        work: one micro batch through all stages of one replica.
        replicas: exchanges between replicas; send_s: one message between stages.
        optimizer_s: the update of one chip's share of the states.
        layers: of the model.
    """

    job: Job | Jobs
    work: Work
    replicas: Replicas
    send_s: Real
    optimizer_s: Real
    layers: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one optimizer step by cause, of one job or of many; they add up to `total`."""

    matrix: Real
    experts: Real
    attention: Real
    stream: Real
    host: Real
    tensor_link: Real
    replica_link: Real
    bubble: Real
    optimizer: Real

    @property
    def parts(self) -> dict[str, float]:
        """Of one job by name, for tables."""
        return {name: float(getattr(self, name)) for name in self.__dataclass_fields__}

    @property
    def total(self) -> Real:
        """The step."""
        return sum((getattr(self, name) for name in self.__dataclass_fields__), start=0.0)

    def bound_by(self) -> str:
        """The part that takes the largest share."""
        return max((parts := self.parts), key=lambda name: parts[name])


def components(model: Model, target: Target, mechanism: AbstractMechanism, job: Job) -> Components:
    """Prices a job's parts."""
    return Components(
        job=job,
        work=work(model, target, mechanism, job),
        replicas=replicas(model, target, job),
        send_s=send_s(model, target, job),
        optimizer_s=optimizer_s(model, target.chip, job),
        layers=max(1, model.layer_count),
    )


def optimizer_s(model: Model, chip: Chip, job: Job | Jobs) -> Real:
    """Seconds in which one chip's share of the states is updated."""
    own = model.parameters / (job.tp * job.pp) / np.where(job.zero, job.shards, 1)
    return own * OPTIMIZER_BYTES / bandwidth(chip)


def bandwidth(chip: Chip) -> float:
    """Bytes per second of the memory that holds the states, as achieved where that was measured."""
    for key in ("memory.main.achievable", "memory.main.bandwidth", "memory.sram.bandwidth"):
        if key in chip.figures:
            return chip.si(key)
    return chip.si("memory.main.bandwidth")


def timing(parts: Components, c: Mapping[str, float]) -> Timing:
    """Joins the parts under the coefficients of `software.effective`.

    One stage runs 1/pp of the layers; a step of m micro batches takes m + (p - 1) / v stage times (1F1B and its
    interleaved form, arXiv:2104.04473, section 2.2), the last stage's head on top of the m.
    """
    job, w = parts.job, parts.work
    again = _again(w, job)
    layers = w.forward + w.backward + again
    ends = w.ends_forward + w.ends_backward
    m: Real = np.asarray(job.passes, dtype=np.float64)
    stage = fullest(parts.layers, job) / job.pp
    once = layers.scaled(stage) + ends
    shown = 1.0 - c["exchange"]
    passes = job.by_recompute(none=2.0, selective=2.0, alternate=2.0, full=3.0)
    host = c["layer"] * parts.layers * stage * passes
    stage_s = _compute(layers.scaled(stage), c) + layers.link * stage * shown + host
    sends = 2.0 * parts.send_s * job.interleave * (m + job.pp - 1)
    bubble = np.asarray((job.pp - 1) / job.interleave * stage_s + sends, dtype=np.float64)
    compute = _compute(once, c) + host
    exposed = _exposed(parts, compute * m, c["hidden"])
    return Timing(
        matrix=m * once.matrix * c["matrix"],
        experts=m * once.experts * c["experts"],
        attention=m * once.attention * c["attention"],
        stream=m * once.stream * c["stream"],
        host=m * host,
        tensor_link=m * once.link * shown,
        replica_link=exposed,
        bubble=bubble,
        optimizer=parts.optimizer_s * c["stream"],
    )


def _compute(one: Pass, c: Mapping[str, float]) -> Real:
    kinds = ((one.matrix, "matrix"), (one.experts, "experts"), (one.attention, "attention"), (one.stream, "stream"))
    return sum((seconds * c[name] for seconds, name in kinds), start=0.0)


def _again(w: Work, job: Job | Jobs) -> Pass:
    """What the backward pass computes a second time; exchanges inside layers are repeated with whole layers only."""
    products = job.by_recompute(none=0.0, selective=0.0, alternate=0.5, full=1.0)
    return Pass(
        matrix=w.forward.matrix * products,
        experts=w.forward.experts * products,
        attention=w.forward.attention * job.by_recompute(none=0.0, selective=1.0, alternate=0.0, full=1.0),
        stream=w.forward.stream * job.by_recompute(none=0.0, selective=0.0, alternate=1.0, full=1.0),
        link=w.forward.link * job.by_recompute(none=0.0, selective=0.0, alternate=0.0, full=1.0),
    )


def _exposed(parts: Components, compute: Real, hidden: float) -> Real:
    """Exchanges between replicas that show: what exceeds the compute, and a share of what lies under it."""
    r, m = parts.replicas, parts.job.passes
    total = m * (r.forward + r.backward) + r.final
    return total - hidden * np.minimum(total, compute)
