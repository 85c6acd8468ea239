"""Words behind a generator's colon: `rate=5,prompt=512..2048` as values, refused with a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from silmark.errors import BadValue, UnknownName
from silmark.workloads.traces.shape import RATE, checked_rate
from silmark.workloads.words import duration, frequency, whole

MAX_REQUESTS = 10**12
_LONGEST_S = 100 * 86_400.0


@dataclass(frozen=True, slots=True)
class Parameter:
    """One word of a generator.

    Attributes:
        read: its name and text to its value.
        default: as text; None where it has to be given.
        help: what it is.
    """

    read: Callable[[str, str], Any]
    default: str | None
    help: str


Parameters = Mapping[str, Parameter]


def values(generator: str, text: str, known: Parameters) -> dict[str, Any]:
    """Values of all parameters; raises UnknownName for others, BadValue for text that is none."""
    given: dict[str, str] = {}
    for part in text.split(",") if text.strip() else ():
        name, equals, value = (word.strip() for word in part.partition("="))
        if name not in known:
            raise UnknownName("parameter", name, known, hint=f"{generator} knows {', '.join(known)}")
        if not equals or not value or name in given:
            raise BadValue(f"{generator}: {name}", value, f"{name}=VALUE, once")
        given[name] = value
    found = {}
    for name, parameter in known.items():
        word = given.get(name, parameter.default)
        if word is None:
            raise BadValue(f"{generator}: {name}", "", parameter.help)
        found[name] = parameter.read(f"{generator}: {name}", word) if word else None
    return found


def rate(label: str, text: str) -> float:
    """Requests per second from `5`, `5/s`, `300/min`, or inf."""
    try:
        found = math.inf if text.lower() == "inf" else frequency(label, text)
    except BadValue:
        raise BadValue(label, text, RATE) from None
    return checked_rate(label, found)


def count(label: str, text: str) -> int:
    """A number of requests, users or turns."""
    found = whole(label, text)
    if found > MAX_REQUESTS:
        raise BadValue(label, text, f"at most {MAX_REQUESTS:,}")
    return found


def natural(label: str, text: str) -> int:
    """A whole number, 0 included."""
    return whole(label, text, least=0)


def seconds(label: str, text: str) -> float:
    """A time with its unit; `0` needs none."""
    if text in ("0", "0s"):
        return 0.0
    found = duration(label, text)
    if found > _LONGEST_S:
        raise BadValue(label, text, "a time of at most 100 days, such as 30s")
    return found


def positive(label: str, text: str) -> float:
    """A number above 0, or inf."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not found > 0:
        raise BadValue(label, text, "a number above 0")
    return found


def between(low: float, high: float) -> Callable[[str, str], float]:
    """A reader of numbers of a range."""

    def read(label: str, text: str) -> float:
        found = positive(label, text) if text != "0" else 0.0
        if not low <= found <= high:
            raise BadValue(label, text, f"a number from {low:g} to {high:g}")
        return found

    return read


def one_of(*words: str) -> Callable[[str, str], str]:
    """A reader of one of some words."""

    def read(label: str, text: str) -> str:
        if text not in words:
            raise BadValue(label, text, " or ".join(words))
        return text

    return read
