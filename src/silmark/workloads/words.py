"""Durations, rates and whole numbers as users type them, refused with a sentence where they make no sense."""

from __future__ import annotations

import math
import operator
import re

from silmark.errors import BadValue

_DURATION = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(s|ms|us|min|h)?")
_FREQUENCY = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*(?:/\s*(s|min|h|d))?")
_LARGEST = 10**15
_RAREST = 1e-9
_PERIODS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0, "h": 3600.0}

Duration = str | float
Count = int | str


def duration(label: str, value: Duration) -> float:
    """Seconds from `2s`, `50ms` or a number of seconds; `none` is no limit. Raises BadValue."""
    if isinstance(value, str):
        if value.strip().lower() in ("none", "inf"):
            return math.inf
        match = _DURATION.fullmatch(value.strip()) if len(value) < 40 else None
        if match is None or match[2] is None:
            raise BadValue(label, value, "a time with its unit, such as 2s or 50ms, or none")
        value = float(match[1]) * _SECONDS[match[2]]
        if math.isinf(value):
            raise BadValue(label, match[0], "a time such as 2s, 50ms or none")
    if not (isinstance(value, int | float) and value > 0):
        raise BadValue(label, value, "a time above 0, such as 2s or 50ms")
    return float(value)


def frequency(label: str, value: str | float) -> float:
    """Events per second from `50/s`, `3000/min`, `2e5/h` or a number per second. Raises BadValue."""
    expected = f"a rate such as 50/s, 3000/min or 2e5/h, from {_RAREST:g} to {_LARGEST:.0e} per second"
    if isinstance(value, str):
        match = _FREQUENCY.fullmatch(value.strip()) if len(value) < 40 else None
        if match is None:
            raise BadValue(label, value, expected)
        value = float(match[1]) / _PERIODS[match[2] or "s"]
    if isinstance(value, bool) or not (isinstance(value, int | float) and _RAREST <= value <= _LARGEST):
        raise BadValue(label, value, expected)
    return float(value)


def whole(label: str, value: Count, least: int = 1) -> int:
    """A whole number from a number or its digits; raises BadValue."""
    expected = f"a whole number from {least} to {_LARGEST:.0e}"
    if isinstance(value, str):
        text = value.strip().replace("_", "").replace(",", "")
        if not (text.isascii() and text.isdigit()) or len(text) > 18:
            raise BadValue(label, value, expected)
        return whole(label, int(text), least)
    try:
        number = operator.index(value)
    except TypeError:
        raise BadValue(label, value, expected) from None
    if isinstance(value, bool) or not least <= number <= _LARGEST:
        raise BadValue(label, value, expected)
    return number
