"""Error bars of a simulation: the same requests on clocks that the uncertainty of step times allows.

A draw is one truth about one system: one factor on the times of steps with prompts in them, one on those of decodes
alone. Both come from what `step.log_terms` adds up - the residuals of the validated class, every resource's figures,
the software's maturity. A term that both have (a memory's bandwidth, the class itself) is off in the same way for both:
who is slower with prompts is slower with answers, which queues feel most. Residuals are of a configuration's mean, so a
factor holds for a whole run. What a queue makes of it, the simulation finds out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from silmark.economics.sample import draw
from silmark.figures import Interval
from silmark.step import StepModel, log_terms
from silmark.workloads import Step

if TYPE_CHECKING:  # numba takes half a second to import
    from silmark.serving.kernel.clock import Clock

USUAL = 16
"""Draws where nobody asks for another number: the tenth and the ninetieth percentile lie between two on either side."""
_UNIT = Interval(math.exp(-1.0), 1.0, math.e)
_Terms = Mapping[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Truth:
    """What the times of a system may really be, over what is predicted.

    Attributes:
        prompts: factor on steps with prompts, and on the host's part of a request.
        tokens: factor on steps of decodes alone, and on decodes' attention.
    """

    prompts: float
    tokens: float


@dataclass(frozen=True, slots=True)
class Typical:
    """Steps whose shares of resources weigh the figures.

    Attributes:
        decoders: sequences of a decode step.
        prompt, output: mean tokens of a request.
    """

    decoders: float
    prompt: float
    output: float


def truths(model: StepModel, typical: Typical, count: int = USUAL, seed: int = 0) -> tuple[Truth, ...]:
    """So many possible truths about one replica; the same ones for the same seed.

    Args:
        model: its step times.
        typical: what it does most.
        count: draws.
        seed: of the order in which the terms are combined.
    """
    first = Step.prefill(1.0, max(1.0, typical.prompt), 0.0)
    other = Step.decode(max(1.0, typical.decoders), typical.prompt + typical.output / 2)
    prompts, tokens = log_terms(model, model.quick(first), "ttft"), log_terms(model, model.quick(other), "tpot")
    names = sorted({*prompts, *tokens})
    drawn = draw(dict.fromkeys(names, _UNIT), count, seed)
    factors = (_factors(drawn, terms) for terms in (prompts, tokens))
    return tuple(Truth(*pair) for pair in zip(*factors, strict=True))


def _factors(drawn: Mapping[str, NDArray[np.float64]], terms: _Terms) -> list[float]:
    """Products of the draws, each to the power of its term's width below or above the middle."""
    total = np.zeros(next(iter(drawn.values())).size)
    for name, (below, above) in terms.items():
        z = np.log(drawn[name])
        total += z * np.where(z < 0, below, above)
    return list(map(float, np.exp(total)))


def scaled(clock: Clock, truth: Truth) -> Clock:
    """The clock if that were the truth; energy stays, its error bar is that of power."""
    return clock._replace(
        body_ns=_whole(clock.body_ns, truth.prompts),
        head_ns=_whole(clock.head_ns, truth.prompts),
        prompt_ns=clock.prompt_ns * truth.prompts,
        request_ns=_whole(clock.request_ns, truth.prompts),
        lead_ns=_whole(clock.lead_ns, truth.prompts),
        tail_ns=_whole(clock.tail_ns, truth.tokens),
        alone_ns=_whole(clock.alone_ns, truth.tokens),
        area_ns=clock.area_ns * truth.tokens,
        mixed_ns=clock.mixed_ns * truth.tokens,
    )


def _whole(times: NDArray[np.int64], factor: float) -> NDArray[np.int64]:
    return np.asarray(np.rint(times * factor), dtype=np.int64)
