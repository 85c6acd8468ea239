"""From one micro batch to a step: what overlaps, what bubbles, and which coefficients of the software apply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from silmark.chips import Chip
from silmark.chips.mechanisms import AbstractMechanism
from silmark.models import Model
from silmark.systems import Target
from silmark.training.job import Job
from silmark.training.network import Replicas, replicas, send_s
from silmark.training.work import Pass, Work, work

OPTIMIZER_BYTES = 30.0
"""Adam per parameter: reads gradient, copy and two moments, writes copy and moments (28), and 16-bit parameter (2)."""


@dataclass(frozen=True, slots=True)
class Components:
    """What the physics gives for one job, before the software's coefficients.

    Attributes:
        work: one micro batch through all stages of one replica.
        replicas: exchanges between replicas; send_s: one message between stages.
        optimizer_s: the update of one chip's share of the states.
        layers: of the model.
    """

    job: Job
    work: Work
    replicas: Replicas
    send_s: float
    optimizer_s: float
    layers: int


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one optimizer step by cause; they add up to `total`."""

    matrix: float
    experts: float
    attention: float
    stream: float
    host: float
    tensor_link: float
    replica_link: float
    bubble: float
    optimizer: float

    @property
    def parts(self) -> dict[str, float]:
        """By name, for tables."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @property
    def total(self) -> float:
        """The step."""
        return sum(self.parts.values())

    def bound_by(self) -> str:
        """The part that takes the largest share."""
        return max(self.parts, key=lambda name: self.parts[name])


def components(model: Model, target: Target, mechanism: AbstractMechanism, job: Job) -> Components:
    """Prices a job's parts."""
    own = model.parameters / (job.tp * job.pp) / (job.shards if job.zero else 1)
    return Components(
        job=job,
        work=work(model, target, mechanism, job),
        replicas=replicas(model, target, job),
        send_s=send_s(model, target, job),
        optimizer_s=own * OPTIMIZER_BYTES / bandwidth(target.chip),
        layers=max(1, model.layer_count),
    )


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
    imbalance = max(1.0, -(-parts.layers // job.pp) * job.pp / parts.layers) if job.interleave == 1 else 1.0
    m, stage = float(job.passes), imbalance / job.pp
    once = layers.scaled(stage) + ends
    shown = 1.0 - c["exchange"]
    host = c["layer"] * parts.layers * stage * (3 if job.recompute == "full" else 2)
    stage_s = _compute(layers.scaled(stage), c) + layers.link * stage * shown + host
    sends = 2.0 * parts.send_s * job.interleave * (m + job.pp - 1)
    bubble = (job.pp - 1) / job.interleave * stage_s + sends
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
        bubble=bubble if job.pp > 1 else 0.0,
        optimizer=parts.optimizer_s * c["stream"],
    )


def _compute(one: Pass, c: Mapping[str, float]) -> float:
    kinds = ((one.matrix, "matrix"), (one.experts, "experts"), (one.attention, "attention"), (one.stream, "stream"))
    return sum(seconds * c[name] for seconds, name in kinds)


def _again(w: Work, job: Job) -> Pass:
    """What the backward pass computes a second time; exchanges inside layers are repeated with whole layers only."""
    match job.recompute:
        case "full":
            return w.forward
        case "selective":
            return Pass(attention=w.forward.attention)
        case "alternate":
            return Pass(matrix=w.forward.matrix / 2, experts=w.forward.experts / 2, stream=w.forward.stream)
        case _:
            return Pass()


def _exposed(parts: Components, compute: float, hidden: float) -> float:
    """Exchanges between replicas that show: what exceeds the compute, and a share of what lies under it."""
    r, m = parts.replicas, parts.job.passes
    total = m * (r.forward + r.backward) + r.final
    under = min(total, compute)
    return total - hidden * under
