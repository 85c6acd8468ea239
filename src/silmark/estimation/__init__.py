"""From steps to requests: TTFT, TPOT, throughput, power and joules per token, with error bars."""

from silmark.estimation.choose import Asked, choose
from silmark.estimation.request import estimate
from silmark.estimation.result import Estimate
from silmark.estimation.serving import Serving

__all__ = ["Asked", "Estimate", "Serving", "choose", "estimate"]
