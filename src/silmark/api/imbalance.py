"""How unevenly tokens choose experts, from words: a factor, or `power-law:1.2`."""

from __future__ import annotations

import re

from silmark.errors import BadValue
from silmark.graph import Experts
from silmark.mapping import Plan, probe
from silmark.mapping.plan import MOST_UNEVEN
from silmark.mapping.skew import power_law
from silmark.models import Model

_FACTOR = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6})?")
_LAW = re.compile(r"power-law:([0-9]{1,2}(?:\.[0-9]{1,6})?)")
_STEEPEST = 4.0


def imbalance(asked: str | float, model: Model, plan: Plan) -> float:
    """Rows of the fullest chip's experts over the mean.

    Args:
        asked: the factor itself, or `power-law:` and the exponent of the experts' popularity.
        model: whose experts.
        plan: which divides them.

    Raises:
        BadValue: neither of both, or a plan that does not divide experts.
    """
    factor = _number(asked)
    if factor == 1.0:
        return 1.0
    layer = next((op for op in probe(model) if isinstance(op, Experts)), None)
    if layer is None:
        raise BadValue("imbalance", asked, f"1, since {model.name} has no routed experts")
    if plan.ep == 1:
        raise BadValue("imbalance", asked, "1, since this plan cuts every expert over all chips; --ep divides them")
    if factor is not None:
        return factor
    match = _LAW.fullmatch(str(asked).strip())
    alpha = float(match[1]) if match else 0.0
    if not 1.0 < alpha <= _STEEPEST:
        raise BadValue("imbalance", asked, f"a factor, or power-law:ALPHA with ALPHA above 1, at most {_STEEPEST:.0f}")
    if layer.experts % plan.ep:
        raise BadValue("ep", plan.ep, f"a divisor of the {layer.experts} experts, for a power law")
    return power_law(layer.experts, layer.top_k, plan.ep, alpha)


def _number(asked: str | float) -> float | None:
    """The factor, None for other words."""
    if isinstance(asked, str):
        asked = float(asked) if _FACTOR.fullmatch(asked.strip()) else -1.0
        if asked < 0:
            return None
    if isinstance(asked, bool) or not 1.0 <= asked <= MOST_UNEVEN:
        raise BadValue("imbalance", asked, f"a factor from 1 to {MOST_UNEVEN:,.0f}, or power-law:1.2")
    return float(asked)
