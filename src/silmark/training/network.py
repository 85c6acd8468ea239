"""What replicas exchange: parameters gathered, gradients reduced, over the links that a group of replicas spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silmark import fabric
from silmark.fabric import COMPILED
from silmark.models import Model
from silmark.systems import Target
from silmark.training.job import Job, Jobs, Real, Whole


@dataclass(frozen=True, slots=True)
class Replicas:
    """Seconds of the exchanges between replicas, of one job or of many.

    Attributes:
        forward, backward: per micro batch, beside the layers' own work.
        final: once per step, after or under the last backward pass.
    """

    forward: Real
    backward: Real
    final: Real


def replicas(model: Model, target: Target, job: Job | Jobs) -> Replicas:
    """Exchanges of data parallelism.

    ZeRO 0 reduces gradients once per step; 1 and 2 scatter them and gather the new parameters; FSDP (3) gathers
    parameters before each pass over a layer and scatters gradients in every micro batch (Rajbhandari et al.,
    arXiv:1910.02054, section 7; Zhao et al., arXiv:2304.11277, section 3.2).
    """
    tp, pp, inner, outer = np.broadcast_arrays(job.tp, job.pp, *_levels(target, job))
    gather, scatter, whole, across = (np.zeros(tp.shape or 1) for _ in range(4))
    elements = np.atleast_1d(model.parameters / (tp * pp))
    weights, gradients = elements * job.element_bytes, elements * job.reduce_bytes
    for ways, sharing, copies, at in _rings(tp, inner, outer):
        reach = target.reach(sharing, apart=ways)
        gather[at] = fabric.group_time("all-gather", weights[at], reach)
        scatter[at] = fabric.group_time("reduce-scatter", gradients[at], reach)
        whole[at] = fabric.group_time("all-reduce", gradients[at], reach)
        if copies > 1:
            across[at] = fabric.collective_time("all-reduce", gradients[at] / sharing, copies, target.link("out"))
    gather, scatter, whole, across = (seconds.reshape(tp.shape) for seconds in (gather, scatter, whole, across))
    # FSDP's shard-grad-op (2) keeps the gathered parameters between the passes, ZeRO 1 between steps.
    last = np.select([job.zero == 0, job.zero == 1], [whole, scatter + gather], 0.0)
    return Replicas(
        forward=np.where(job.zero >= 2, gather, 0.0),
        backward=np.select([job.zero == 2, job.zero == 3], [scatter, gather + scatter], 0.0),
        final=last + across,
    )


def _rings(*sizes: Whole) -> Iterator[tuple[int, int, int, NDArray[np.bool_]]]:
    """Distinct (tp, chips that share states, copies of them) of more than one chip, and which jobs have them."""
    kinds, where = np.unique(np.stack(sizes).reshape(len(sizes), -1), axis=1, return_inverse=True)
    for index, (ways, sharing, copies) in enumerate(kinds.T.tolist()):
        if sharing * copies > 1:
            yield ways, sharing, copies, where.reshape(sizes[0].shape or 1) == index


def _levels(target: Target, job: Job | Jobs) -> tuple[Whole | int, Whole | int]:
    """(chips that share states, copies of them): slices of a statically compiled machine keep a copy each."""
    joined = target.system.kinds.get("scale_out.topology") == "torus"  # optical switches extend the torus
    if target.system.library not in COMPILED or joined:
        return job.shards, 1
    room = np.maximum(1, np.minimum(job.shards, np.maximum(1, target.system.chips // (job.tp * job.pp))))
    inside = np.ones_like(room)
    for size in range(1, int(room.max()) + 1):
        inside = np.where((size <= room) & (job.shards % size == 0), size, inside)
    return inside, job.shards // inside


def send_s(model: Model, target: Target, job: Job | Jobs) -> Real:
    """Seconds to hand one micro batch's activations to the next pipeline stage, one direction.

    Each of the tp chips sends its share (arXiv:2104.04473, section 4.1).
    """
    message = job.micro * job.seq / job.cp * model.hidden * job.element_bytes / job.tp
    inside, between = (fabric.collective_time("send", message, 2, target.link(level)) for level in ("up", "out"))
    return np.where(job.chips > target.system.chips, between, inside) * (job.pp > 1)
