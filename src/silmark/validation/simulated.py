"""Servers of measured rows, simulated request by request.

The engine comes up as `silmark.serving.replica` says, with what the row states; its steps take what the chip's
mechanism says, without any factor fitted to servers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from silmark.figures import Figure, assumptions
from silmark.graph import Array, Experts
from silmark.mapping import Infeasible, probe
from silmark.serving import times
from silmark.serving.arguments import EngineArgs
from silmark.serving.records import DONE
from silmark.serving.replica import Replica, replica
from silmark.step import StepModel, grade
from silmark.validation import setup
from silmark.validation.rows import Row
from silmark.workloads import Step
from silmark.workloads.requests import Requests
from silmark.workloads.traces import Stream

_NS = 1e9


@dataclass(frozen=True, slots=True)
class Seen:
    """What clients saw, in seconds.

    Attributes:
        name: row of the trace, ascending.
        ttft, e2e: from sending a request to its first and last token.
        between: mean time between tokens, all answers pooled.
    """

    name: NDArray[np.int64]
    ttft: Array
    e2e: Array
    between: float


def engine(row: Row, args: EngineArgs) -> Replica | str:
    """The engine of a row as it comes up, or why there is none."""
    model = setup.compiled(row)
    if isinstance(model, str):
        return model
    found = replica(model.model, model.target, model.plan, args)
    return found.reason if isinstance(found, Infeasible) else found


def grade_of(model: StepModel) -> str:
    """The worst grade among the figures of a decode step."""
    return str(grade(model, model.quick(Step.decode([1.0], 1000.0)).at(0), "tpot"))


def speed(model: StepModel) -> Figure:
    """Measured over simulated time of a step."""
    routed = any(isinstance(op, Experts) for op in probe(model.model))
    return assumptions("arrivals")["capacity.error_experts" if routed else "capacity.error"]


def serve(engine_: Replica, requests: Requests, slower: float = 1.0) -> Seen:
    """Sends requests to a replica.

    Args:
        engine_: who answers.
        requests: who asks.
        slower: factor on every step's time.
    """
    from silmark.serving.simulate import Fleet, simulate  # noqa: PLC0415 - numba takes a second to import

    clock = times.slowed(times.clock(engine_.step_model, engine_.options), slower)
    trace = Stream("requests", requests.rows.size, lambda: iter((requests,)))
    answered = simulate(Fleet((engine_.options,), clock), trace).answered
    done = np.sort(answered[answered["status"] == DONE], order="name")
    spoken = (done["last_ns"] - done["first_ns"]).sum() / max(1, (done["output"] - 1).sum())
    return Seen(
        done["name"],
        (done["first_ns"] - done["arrival_ns"]) / _NS,
        (done["last_ns"] - done["arrival_ns"]) / _NS,
        float(spoken) / _NS,
    )
