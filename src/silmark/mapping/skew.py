"""How much more work the fullest chip has than the mean one, where routing does not spread tokens evenly."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from silmark.chips.mechanisms.gpu_routing import skewed
from silmark.figures import assumptions
from silmark.graph import Experts
from silmark.mapping.plan import Plan


def fullest(op: Experts, plan: Plan) -> float:
    """Rows of the fullest chip over the mean: the plan's factor, as far as a chip can be given as many.

    A chip's experts get each token once at most, so that the factor ends where all tokens come to it. Where each
    expert is cut over all chips, they have equal shares whatever the routing.
    """
    if plan.ep == 1:
        return 1.0
    local = -(-op.experts // plan.ep)
    return min(plan.expert_imbalance, max(1.0, op.experts / local * min(local, op.top_k) / op.top_k))


@lru_cache(maxsize=256)
def power_law(experts: int, top_k: float, ways: int, alpha: float) -> float:
    """Rows of the fullest part of the experts over the mean, where their popularity follows a power law.

    The law of `gpu_routing`, as benchmarks of expert kernels draw it, for a full engine step of tokens.

    Args:
        experts, top_k: of a layer.
        ways: parts that the experts are divided into; they divide them.
        alpha: exponent of the popularity's density; above 1, and the more uneven the larger.
    """
    tokens = assumptions("engine")["prefill.batched_tokens"].value
    step, layer, chosen, parts = np.array([[tokens], [experts], [top_k], [ways]], dtype=np.float64)
    return max(1.0, float(skewed(step, layer, chosen, parts, alpha).pairs[0]) / (tokens * top_k / ways))
