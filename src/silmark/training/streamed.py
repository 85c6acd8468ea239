"""Weight streaming: a wafer that keeps activations and sees each layer's weights pass by (Cerebras MemoryX).

Per step every parameter comes in and every gradient goes out, 4 bytes each over the machine's own network ports: a
lower bound that no software removes. What share of the peak its kernels reach in training is not disclosed, so the
middle is the mechanism's time for forward and backward passes, and the interval spans everything from the peak.
"""

from __future__ import annotations

from silmark.chips import Chip
from silmark.chips.mechanisms import AbstractMechanism, Placement, build
from silmark.models import Model
from silmark.systems import Target
from silmark.training.flops import hardware_per_token
from silmark.training.job import Job
from silmark.training.timing import Components, Timing, components

BYTES = 4.0
SLOWEST = 3.0
"""How much longer than the mechanism's time a step may take, for lack of any published utilisation."""


def machine(chip: Chip, job: Job) -> AbstractMechanism:
    """The mechanism with the whole wafer as the region of the layer that is passing."""
    side = int(min(chip.si("compute.mesh_width"), chip.si("compute.mesh_height")))
    return build(chip, job.precision, Placement("sram", "sram", side))


def stream_s(model: Model, chip: Chip) -> float:
    """Seconds in which all weights (or all gradients) cross the ports of one machine."""
    key = "link.host.bandwidth" if "link.host.bandwidth" in chip.figures else "link.scale_out.bandwidth"
    return BYTES * model.parameters / chip.si(key)


def bounds(model: Model, target: Target, job: Job) -> tuple[float, float]:
    """Least seconds of a step: (weights pass by, arithmetic at the peak)."""
    peak = target.chip.si(f"peak.{job.precision.compute}") * job.chips
    return stream_s(model, target.chip), hardware_per_token(model, job) * job.tokens / peak


def streamed(model: Model, target: Target, job: Job) -> tuple[Timing, Components]:
    """The step's parts: what compute does not hide of the stream counts as exchange between replicas."""
    parts = components(model, target, machine(target.chip, job), job)
    w, m = parts.work, job.passes
    total = w.forward + w.backward + w.ends_forward + w.ends_backward
    compute = m * (total.matrix + total.experts + total.attention + total.stream)
    stream = max(0.0, bounds(model, target, job)[0] - float(compute))
    timing = Timing(
        matrix=m * total.matrix,
        experts=m * total.experts,
        attention=m * total.attention,
        stream=m * total.stream,
        host=0.0,
        tensor_link=0.0,
        replica_link=stream,
        bubble=0.0,
        optimizer=0.0,
    )
    return timing, parts
