"""Robust fits of positive parameters to measured times, in logarithms, every chip counting alike.

The loss is soft-L1 on ln(predicted / measured): outliers (a library that picked a bad kernel) pull linearly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from silmark.calibration.points import Leaf, leaf
from silmark.graph import Array

NOISE = 0.1
"""|ln error| from which a row counts as an outlier: the spread between engines for one shape."""
_EVALUATIONS = 60
_NORMAL_80 = 1.2816  # quantile of a normal distribution that leaves 10 % on each side


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that share chip, engine and format.

    Attributes:
        chip: id.
        label: what the residual table calls it.
        seconds: measured times.
        predict: parameters -> predicted times of these rows.
    """

    chip: str
    label: str
    seconds: Array
    predict: Callable[[Mapping[str, float]], Array]

    def errors(self, parameters: Mapping[str, float]) -> Array:
        """ln(predicted / measured)."""
        return np.asarray(np.log(self.predict(parameters) / self.seconds))


@dataclass(frozen=True, slots=True)
class Fit:
    """Fitted parameters with their covariance in logarithms, in the order of `values`."""

    values: dict[str, float]
    covariance: Array

    def leaves(self, source: str, notes: Mapping[str, str], prefix: str = "") -> dict[str, Leaf]:
        """Parameters as entries of a calibration file, with 80 % intervals."""
        entries = {}
        for i, (key, value) in enumerate(self.values.items()):
            # A parameter that the rows do not feel has a variance of rounding errors, of either sign.
            width = float(np.exp(min(_NORMAL_80 * np.sqrt(max(0.0, self.covariance[i, i])), 1.0)))
            entries[key] = leaf(
                value, value / width, value * width, "1", source=source, grade="derived", note=notes.get(key, "")
            )
        return {f"{prefix}{key}": entry for key, entry in entries.items()}


def fit(
    groups: Sequence[Group],
    start: Mapping[str, float],
    bounds: Mapping[str, tuple[float, float]],
    fixed: Mapping[str, float] | None = None,
    without: str = "",
) -> Fit:
    """Fits the parameters in `start`.

    Args:
        groups: rows; each chip's rows together weigh as much as any other chip's.
        start: starting values.
        bounds: limits of some parameters; the others may move by a factor of 100.
        fixed: further parameters that `predict` needs.
        without: a chip that is left out.

    Returns:
        The fit; where there are no rows, the start, without variance.
    """
    from scipy.optimize import least_squares  # noqa: PLC0415 - only fits need scipy

    groups = [group for group in groups if group.chip != without]
    if not groups:
        return Fit(dict(start), np.zeros((len(start),) * 2))
    total: dict[str, int] = {}
    for group in groups:
        total[group.chip] = total.get(group.chip, 0) + len(group.seconds)
    names = list(start)
    low = np.log([bounds.get(name, (start[name] / 100, 0.0))[0] for name in names])
    high = np.log([bounds.get(name, (0.0, start[name] * 100))[1] for name in names])

    def residuals(x: Array) -> Array:
        parameters = {**(fixed or {}), **dict(zip(names, np.exp(x).tolist(), strict=True))}
        parts = [g.errors(parameters) * np.sqrt(500.0 / total[g.chip]) for g in groups]
        return np.concatenate(parts)

    first = np.clip(np.log([start[name] for name in names]), low + 1e-9, high - 1e-9)
    result = least_squares(
        residuals, first, bounds=(low, high), loss="soft_l1", f_scale=NOISE, x_scale="jac", max_nfev=_EVALUATIONS
    )
    jacobian = result.jac
    spread = 2.0 * result.cost / max(1, jacobian.shape[0] - len(names))
    covariance = np.linalg.pinv(jacobian.T @ jacobian) * spread
    return Fit(dict(zip(names, np.exp(result.x).tolist(), strict=True)), covariance)


def statistics(groups: Sequence[Group], parameters: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Rows, median and mean |ln error|, bias and 10 % and 90 % quantiles per label, and per chip."""
    by_label: dict[str, list[Array]] = {}
    for group in groups:
        errors = group.errors(parameters)
        for label in (group.label, f"{group.chip} all"):
            by_label.setdefault(label, []).append(errors)
    table = {}
    for label, parts in sorted(by_label.items()):
        table[label] = summary(np.concatenate(parts))
    return table


def summary(e: Array) -> dict[str, float]:
    """Rows, median and mean |ln error|, bias and 10 % and 90 % quantiles."""
    return {
        "rows": float(e.size),
        "median_error": float(np.median(np.abs(e))),
        "mean_error": float(np.mean(np.abs(e))),
        "bias": float(np.median(e)),
        "q10": float(np.quantile(e, 0.1)),
        "q90": float(np.quantile(e, 0.9)),
    }


def left_out(
    groups: Sequence[Group],
    start: Mapping[str, float],
    bounds: Mapping[str, tuple[float, float]],
    fixed: Mapping[str, float] | None = None,
) -> dict[str, dict[str, float]]:
    """Statistics of every chip under a fit that never saw it."""
    table = {}
    for chip in dict.fromkeys(group.chip for group in groups):
        kept = fit(groups, start, bounds, fixed, without=chip)
        own = statistics([g for g in groups if g.chip == chip], {**(fixed or {}), **kept.values})
        table[chip] = own[f"{chip} all"]
    return table
