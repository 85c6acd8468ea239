"""Work: what a measurement consists of, physically - seconds of chips and links, and what an engine adds to."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.step import StepCost, StepModel


@dataclass(frozen=True, slots=True)
class Work:
    """One predicted measurement.

    Attributes:
        kind: class of residuals: ttft, ttft under load, tpot, throughput, latency, power.
        step_model: what ran.
        seconds: predicted time (watts where kind is power), engine of today.
        cost: of the steps behind it, for error bars.
        amount: where a rate was measured, what is done in these seconds; None where the time itself was.
        steps, sequences, tokens: engine steps in the time, sequences summed over these steps, prompt tokens taken in.
        context: mean cached tokens of a sequence in a decode step; 0 where the steps are none or all prefill.
        spread: further widths of the error bar below and above, in logarithms, for what the row does not say.
    """

    kind: str
    step_model: StepModel
    seconds: float
    cost: StepCost
    amount: float | None = None
    steps: float = 1.0
    sequences: float = 1.0
    tokens: float = 0.0
    context: float = 0.0
    spread: tuple[float, float] = (0.0, 0.0)

    @property
    def value(self) -> float:
        """The measured quantity: seconds, watts or a rate."""
        return self.seconds if self.amount is None else self.amount / self.seconds
