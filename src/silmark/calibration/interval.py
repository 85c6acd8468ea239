"""Error bars for what nobody measured: 80 % prediction intervals for a new member of a family.

Members of a family (chips, models, engines) are each off by an amount of their own, and their rows scatter around it.
Of a member that was left out of the fit, both can be seen. A new member's own amount lies within

    t(0.9, members) * root mean square of the members' medians

where few members were measured (the prediction interval of random effects: Higgins, Thompson and Spiegelhalter 2009,
"A re-evaluation of random-effects meta-analysis", eq. 12, around 0 because the prediction is not shifted by what it
did not see), and within the 0.8 (members + 1)-th smallest of their sizes where there are enough of them to read it
off (split conformal prediction: Lei et al. 2018, "Distribution-free predictive inference for regression", eq. 2). One
odd member says little about the usual ones: in the mean square, sizes count up to two robust deviations. The scatter
around it is that of the measured members, and adds in quadrature.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from silmark.calibration.engines import quantiles
from silmark.graph import Array

LEAST = 0.05
"""Narrower, in logarithms, than repeats of one configuration under another version of its software."""
FULL = 5
"""Rows from which a member's median counts in full; members with fewer do not count where three have as many."""
_COVER = 0.8
_MANY = 9
"""Members from which quantiles of their sizes can be read off."""
_ODD = 2.0 / 0.6745
"""Two standard deviations, where the median of sizes is 0.6745 of one (normal distribution)."""
_SCATTER = 3
"""Rows from which a member says how its rows scatter."""


def of_new(members: Sequence[Array]) -> tuple[float, float]:
    """Widths below and above, in logarithms, that hold 80 % of the rows of a member that was not measured.

    Args:
        members: per measured member ln(measured / predicted) of its rows, under fits that had left it out.
    """
    used = _large(members)
    own = _own(used)
    around = [rows - np.median(rows) for rows in used if len(rows) >= _SCATTER]
    low, _, high = quantiles(around) if around else (0.0, 0.0, 0.0)
    return max(LEAST, math.hypot(own, low)), max(LEAST, math.hypot(own, high))


def left_out(members: Mapping[str, Array]) -> dict[str, tuple[float, float]]:
    """Per member the widths that the other members make; of a lone member its own."""
    return {
        name: of_new([rows for other, rows in members.items() if other != name] or [members[name]]) for name in members
    }


def of_known(members: Sequence[Array]) -> tuple[float, float]:
    """The same for further rows of measured members: quantiles of rows that the fit did not see."""
    low, _, high = quantiles(_large(members))
    return max(LEAST, -low), max(LEAST, high)


def _large(members: Sequence[Array]) -> list[Array]:
    """Members with many rows, unless too few would be left."""
    large = [rows for rows in members if len(rows) >= FULL]
    return large if len(large) >= min(3, len(members)) else list(members)


def _own(members: Sequence[Array]) -> float:
    """How far a new member as a whole may be off."""
    medians = np.abs([np.median(rows) for rows in members])
    count = len(members)
    if count >= _MANY:
        return float(np.interp(_COVER * (count + 1), np.arange(1, count + 1), np.sort(medians)))
    from scipy.stats import t  # noqa: PLC0415 - only fits need scipy

    weights = np.minimum(1.0, np.array([len(rows) for rows in members]) / FULL)
    sizes = np.minimum(medians, _ODD * np.median(medians))
    spread = np.sqrt(np.sum(weights * sizes**2) / np.sum(weights))
    return float(spread * t.ppf((1.0 + _COVER) / 2.0, max(1.0, np.sum(weights))))
