"""Lengths of prompts and answers: fixed, uniform, lognormal, or as measured in another trace."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from silmark.errors import BadValue
from silmark.workloads.traces.rows import Ints
from silmark.workloads.words import whole
from silmark.workloads.workload import MAX_TOKENS

_FORM = re.compile(r"(?P<low>[0-9_]+)\.\.(?P<high>[0-9_]+)|(?P<mean>[0-9_]+)~(?P<ratio>[0-9.]+)|(?P<fixed>[0-9_]+)")
_LOGNORMAL = re.compile(r"lognormal:(?P<mean>[0-9_]+):(?P<cv>[0-9.]+)")
_EXPECTED = "tokens, such as 1024, 512..2048, 1024~0.2 (vLLM's range ratio) or lognormal:1024:0.8 (mean, CV)"


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens per request.

    Attributes:
        draw: so many lengths.
        most: the longest that can come out.
        mean: their mean.
    """

    draw: Callable[[np.random.Generator, int], Ints]
    most: int
    mean: float


def lengths(label: str, text: str) -> Lengths:
    """A distribution from its words; raises BadValue."""
    match = _FORM.fullmatch(text) if len(text) < 40 else None
    spread = _LOGNORMAL.fullmatch(text) if len(text) < 40 else None
    if match is not None and match["fixed"]:
        return uniform(tokens(label, match["fixed"]), tokens(label, match["fixed"]))
    if match is not None and match["low"]:
        low, high = tokens(label, match["low"]), tokens(label, match["high"])
        if low > high:
            raise BadValue(label, text, "the smaller number first")
        return uniform(low, high)
    if match is not None and match["mean"]:
        mean, ratio = tokens(label, match["mean"]), _number(label, match["ratio"])
        if not 0 <= ratio < 1:
            raise BadValue(label, text, "a range ratio from 0 to 1, 1 excluded")
        # vllm/benchmarks/datasets, get_sampling_params: whole numbers around the mean, both ends included.
        return uniform(max(1, math.floor(mean * (1 - ratio))), math.ceil(mean * (1 + ratio)))
    if spread is not None:
        return lognormal(tokens(label, spread["mean"]), _number(label, spread["cv"]), label)
    raise BadValue(label, text, _EXPECTED)


def tokens(label: str, text: str) -> int:
    """A number of tokens."""
    found = whole(label, text)
    if found > MAX_TOKENS:
        raise BadValue(label, text, f"at most {MAX_TOKENS:,} tokens")
    return found


def beginning(label: str, text: str) -> int:
    """Tokens of a shared beginning, 0 for none."""
    return 0 if text == "0" else tokens(label, text)


def uniform(low: int, high: int) -> Lengths:
    """Whole numbers from low to high, each as likely as the next."""
    return Lengths(lambda random, count: random.integers(low, high, count, endpoint=True), high, (low + high) / 2)


def lognormal(mean: int, cv: float, label: str = "lognormal") -> Lengths:
    """Rounded lognormal numbers of at least 1, cut at a hundred times the mean; cv: standard deviation over mean."""
    if not 0 < cv <= 10:
        raise BadValue(label, cv, "a coefficient of variation above 0, at most 10")
    sigma = math.sqrt(math.log1p(cv * cv))
    most = min(100 * mean, MAX_TOKENS)

    def draw(random: np.random.Generator, count: int) -> Ints:
        found = random.lognormal(math.log(mean) - sigma * sigma / 2, sigma, count)
        return np.clip(np.round(found), 1, most).astype(np.int64)

    return Lengths(draw, most, float(mean))


def _number(label: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadValue(label, text, _EXPECTED) from None
