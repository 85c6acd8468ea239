"""Input and output tokens: which share of a system's time, and so of its cost, each of them takes.

The rule is time. In the steady state a system spends its time on prompts (prefill) and on decode steps; a token of a
prompt pays its share of the one, a token of an answer its share of the other. Chunked prefill mixes both in one step;
the shares are then those of the work, as in `estimation.mixture`. So for every request

    prompt x price of input + output x price of output = output x price per output token.
"""

from __future__ import annotations

from dataclasses import dataclass

from silmark.estimation import Estimate
from silmark.figures import Interval


@dataclass(frozen=True, slots=True)
class Split:
    """How cost divides over tokens.

    Attributes:
        prefill: share of the time spent on prompts.
        per_input, per_output: cost of a token of either kind over the cost per output token of the whole.
    """

    prefill: float
    per_input: float
    per_output: float

    def of(self, total: Interval) -> tuple[Interval, Interval]:
        """A cost per output token, as costs of an input and of an output token."""
        return total.scaled(self.per_input), total.scaled(self.per_output)


def split(answer: Estimate) -> Split | None:
    """The shares of time at the estimate's batch; None for models that make no tokens."""
    share = prefill_share(answer)
    if share is None:
        return None
    work = answer.workload
    return Split(share, share * work.output / work.prompt, 1.0 - share)


def prefill_share(answer: Estimate) -> float | None:
    """Share of the time per token that prompts take; None for models that make no tokens."""
    if answer.tpot_s is None:
        return None
    model = answer.step_model
    full = min(1.0, answer.batch / model.plan.dp / model.depth)
    stall = 1.0 + (model.imbalance - 1.0) * full  # pipeline stages wait for the fullest one
    decode_s = float(answer.phases["decode"].time_s) * stall
    return min(1.0, max(0.0, 1.0 - decode_s / answer.tpot_s.mid))
