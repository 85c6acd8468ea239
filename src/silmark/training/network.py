"""What replicas exchange: parameters gathered, gradients reduced, over the links that a group of replicas spans."""

from __future__ import annotations

from dataclasses import dataclass

from silmark import fabric
from silmark.fabric import COMPILED
from silmark.models import Model
from silmark.systems import Target
from silmark.training.job import Job


@dataclass(frozen=True, slots=True)
class Replicas:
    """Seconds of the exchanges between replicas.

    Attributes:
        forward, backward: per micro batch, beside the layers' own work.
        final: once per step, after or under the last backward pass.
    """

    forward: float
    backward: float
    final: float


def replicas(model: Model, target: Target, job: Job) -> Replicas:
    """Exchanges of data parallelism.

    ZeRO 0 reduces gradients once per step; 1 and 2 scatter them and gather the new parameters; FSDP (3) gathers
    parameters before each pass over a layer and scatters gradients in every micro batch (Rajbhandari et al.,
    arXiv:1910.02054, section 7; Zhao et al., arXiv:2304.11277, section 3.2).
    """
    elements = model.parameters / (job.tp * job.pp)
    inner, outer = _levels(target, job)
    weights, gradients = elements * job.element_bytes, elements * job.reduce_bytes
    if inner * outer == 1:
        return Replicas(0.0, 0.0, 0.0)
    reach = target.reach(inner, apart=job.tp)
    gather = float(fabric.group_time("all-gather", weights, reach))
    scatter = float(fabric.group_time("reduce-scatter", gradients, reach))
    across = 0.0
    if outer > 1:
        across = float(fabric.collective_time("all-reduce", gradients / inner, outer, target.link("out")))
    if job.zero == 3:
        return Replicas(gather, gather + scatter, across)
    if job.zero:
        # FSDP's shard-grad-op keeps the gathered parameters between the passes, ZeRO 1 between steps.
        return Replicas(gather, scatter, across) if job.zero == 2 else Replicas(0.0, 0.0, scatter + gather + across)
    whole = float(fabric.group_time("all-reduce", gradients, reach))
    return Replicas(0.0, 0.0, whole + across)


def _levels(target: Target, job: Job) -> tuple[int, int]:
    """(chips that share states, copies of them): slices of a statically compiled machine keep a copy each."""
    joined = target.system.kinds.get("scale_out.topology") == "torus"  # optical switches extend the torus
    if target.system.library not in COMPILED or joined:
        return job.shards, 1
    inside = max(1, min(job.shards, target.system.chips // (job.tp * job.pp) or 1))
    while job.shards % inside:
        inside -= 1
    return inside, job.shards // inside


def send_s(model: Model, target: Target, job: Job) -> float:
    """Seconds to hand one micro batch's activations to the next pipeline stage, one direction.

    With sequence parallelism each of the tp chips sends its share (arXiv:2104.04473, section 4.1).
    """
    if job.pp == 1:
        return 0.0
    shared = job.tp if job.sequence_parallel or job.tp > 1 else 1
    message = job.micro * job.seq / job.cp * model.hidden * job.element_bytes / shared
    link = target.link("out" if target.units > 1 else "up")
    return float(fabric.collective_time("send", message, 2, link))
