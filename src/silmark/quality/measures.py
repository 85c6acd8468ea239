"""How far outputs are off, in the terms of each task; numpy arrays in, sourced by nothing but themselves.

Every measure is a mean over items (tokens, sentences, images); its interval bounds 80 % of such means over other
items of the same kind, by the items' spread. The chip's arithmetic is not random there: noise has a seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from silmark.figures import Interval

Floats = NDArray[np.floating[Any]]
_SIDE = 1.2816
"""Standard deviations on either side of the mean that bound 80 % of a normal distribution."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What one number of an answer is.

    Attributes:
        words: heading in tables.
        better: whether more or less of it is better, or neither.
        form: how it is printed.
    """

    words: str
    better: str
    form: str


MEASURES: dict[str, Measure] = {
    "perplexity": Measure("perplexity", "less", ".4f"),
    "perplexity_fp32": Measure("perplexity in fp32", "less", ".4f"),
    "kl": Measure("KL to fp32 (nats)", "less", ".2e"),
    "top1_agreement": Measure("top-1 agreement", "more", ".2%"),
    "first_difference": Measure("first differing token", "more", ".0f"),
    "equal_tokens": Measure("equal tokens", "more", ".1%"),
    "cosine": Measure("mean cosine", "more", ".5f"),
    "cosine_least": Measure("least cosine", "more", ".5f"),
    "pair_rmse": Measure("pair-similarity RMSE", "less", ".4f"),
    "neighbour_agreement": Measure("neighbour agreement", "more", ".1%"),
    "accuracy": Measure("accuracy", "more", ".2%"),
    "accuracy_fp32": Measure("accuracy in fp32", "more", ".2%"),
    "agreement": Measure("agreement with fp32", "more", ".2%"),
    "snr_db": Measure("SNR (dB)", "more", ".1f"),
}
HEADLINE = {
    "language": "top1_agreement",
    "encoder": "neighbour_agreement",
    "classifier": "agreement",
    "outputs": "cosine",
}
"""By task, the measure that stands for it where there is room for one."""


def mean(items: Floats) -> Interval:
    """Mean of items with the interval of means over other items."""
    middle = float(np.mean(items))
    side = _SIDE * float(np.std(items, ddof=1)) / math.sqrt(items.size) if items.size > 1 else 0.0
    return Interval(middle - side, middle, middle + side)


def share(hits: NDArray[np.bool_]) -> Interval:
    """Share of items that hit, with Wilson's interval, which knows that none seen is not none."""
    count, middle = hits.size, float(np.mean(hits))
    spread = _SIDE**2 / count
    centre = (middle + spread / 2) / (1 + spread)
    side = _SIDE / (1 + spread) * math.sqrt(middle * (1 - middle) / count + spread / (4 * count))
    return Interval(max(min(centre - side, middle), 0.0), middle, min(max(centre + side, middle), 1.0))


def exactly(value: float) -> Interval:
    """A number without an interval: a least or a root of the items that there are."""
    return Interval(value, value, value)


def snr_db(truth: Floats, found: Floats) -> float:
    """Power of the outputs in fp32 over the power of their error, in dB; infinite where there is none."""
    truth, found = truth.astype(np.float64), found.astype(np.float64)
    noise = float(np.sum(np.square(found - truth)))
    return (
        10 * math.log10(float(np.sum(np.square(truth))) / noise)
        if noise > 0
        else math.nan
        if math.isnan(noise)
        else math.inf
    )


def log_softmax(logits: Floats) -> NDArray[np.float64]:
    """Logarithms of probabilities along the last axis."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    return np.asarray(wide - np.log(np.exp(wide).sum(axis=-1, keepdims=True)))


def divergence(truth: Floats, found: Floats) -> NDArray[np.float64]:
    """KL(truth || found) of each position, in nats."""
    known, said = log_softmax(truth), log_softmax(found)
    return np.asarray(np.maximum((np.exp(known) * (known - said)).sum(axis=-1), 0.0))


def language(truth: Floats, found: Floats, tokens: NDArray[np.int64]) -> dict[str, Interval]:
    """Measures of next-token predictions.

    Args:
        truth, found: logits (sequences, positions, vocabulary) in fp32 and in the chip's arithmetic.
        tokens: (sequences, positions), what was read.
    """
    at = tokens[:, 1:, None]
    losses = [-np.take_along_axis(log_softmax(one[:, :-1]), at, axis=-1)[..., 0] for one in (truth, found)]
    # Loss differs far more between texts than between arithmetics: the interval is that of the difference.
    reference, rise = float(np.mean(losses[0])), mean((losses[1] - losses[0]).mean(axis=1))
    perplexity = (math.exp(min(reference + one, 700.0)) for one in (rise.low, rise.mid, rise.high))
    return {
        "perplexity": Interval(*perplexity),
        "perplexity_fp32": exactly(math.exp(reference)),
        "kl": mean(divergence(truth, found).mean(axis=1)).at_least(0.0),
        "top1_agreement": share(truth.argmax(-1) == found.argmax(-1)),
        "snr_db": exactly(snr_db(truth, found)),
    }


def generated(truth: NDArray[np.int64], found: NDArray[np.int64]) -> dict[str, Interval]:
    """How greedy continuations (prompts, tokens) part: where first, and how much stays equal."""
    equal = truth == found
    first = np.where(equal.all(axis=1), equal.shape[1], equal.argmin(axis=1)) + 1
    return {"first_difference": mean(first.astype(np.float64)), "equal_tokens": _bounded(mean(equal.mean(axis=1)))}


def encoder(truth: Floats, found: Floats) -> dict[str, Interval]:
    """Measures of embeddings (items, width), of any length."""
    known, said = _unit(truth), _unit(found)
    cosines = (known * said).sum(axis=1)
    pairs, others = known @ known.T, said @ said.T
    upper = np.triu_indices(len(known), 1)
    nearest = [np.where(np.eye(len(one), dtype=bool), -np.inf, one).argmax(axis=1) for one in (pairs, others)]
    return {
        "cosine": _bounded(mean(cosines)),
        "cosine_least": exactly(float(cosines.min())),
        "pair_rmse": exactly(float(np.sqrt(np.mean(np.square((others - pairs)[upper]))))),
        "neighbour_agreement": share(nearest[0] == nearest[1]),
        "snr_db": exactly(snr_db(truth, found)),
    }


def classifier(truth: Floats, found: Floats, labels: NDArray[np.int64] | None) -> dict[str, Interval]:
    """Measures of logits (items, classes); accuracy where labels are known."""
    said = found.argmax(-1)
    right = (
        {}
        if labels is None
        else {"accuracy": share(said == labels), "accuracy_fp32": share(truth.argmax(-1) == labels)}
    )
    return {
        **right,
        "agreement": share(truth.argmax(-1) == said),
        "kl": mean(divergence(truth, found)).at_least(0.0),
        "snr_db": exactly(snr_db(truth, found)),
    }


def outputs(truth: Floats, found: Floats) -> dict[str, Interval]:
    """Measures of outputs (items, ...) of which nothing is known."""
    known, said = _unit(truth.reshape(len(truth), -1)), _unit(found.reshape(len(found), -1))
    cosines = (known * said).sum(axis=1)
    return {
        "cosine": _bounded(mean(cosines)),
        "cosine_least": exactly(float(cosines.min())),
        "snr_db": exactly(snr_db(truth, found)),
    }


def _unit(x: Floats) -> NDArray[np.float64]:
    wide = x.astype(np.float64)
    return np.asarray(wide / np.maximum(np.linalg.norm(wide, axis=-1, keepdims=True), 1e-300))


def _bounded(interval: Interval) -> Interval:
    return interval.at_most(1.0)
