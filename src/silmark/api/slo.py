"""Promises as users type them: `ttft:1s,tpot:50ms@p99`."""

from __future__ import annotations

import math
import re

from silmark.api.question import duration
from silmark.errors import BadValue
from silmark.serving.slo import PROMISED, Limit, Slo

_ITEM = re.compile(r"(ttft|tpot|e2el)\s*[:=]\s*([^@]{1,20})(?:@p([0-9]{1,2}(?:\.[0-9]{1,4})?))?")
_EXPECTED = f"promises such as ttft:1s,tpot:50ms or ttft:1s@p99, of {', '.join(PROMISED)}"
USUAL = 99.0
"""Percentile that decides where none is named: MLPerf's."""


def slo(text: str | None) -> Slo:
    """Promises from text; a percentile holds for its promise and for those before it that name none.

    Raises:
        BadValue: another text, or one metric twice.
    """
    if text is None:
        return Slo()
    parts = [part.strip().lower() for part in text.split(",")] if len(text) < 200 else []
    limits: list[Limit] = []
    percentile = USUAL
    for part in reversed(parts):
        match = _ITEM.fullmatch(part)
        if match is None:
            raise BadValue("slo", text, _EXPECTED)
        percentile = float(match[3]) if match[3] else percentile
        metric = next(name for name in PROMISED if name == match[1])
        seconds = duration(f"slo {metric}", match[2].strip())
        if math.isinf(seconds):
            raise BadValue("slo", text, f"times with an end: leave {metric} out where nothing is promised")
        limits.append(Limit(metric, seconds, percentile))
    if not limits or len({limit.metric for limit in limits}) < len(limits):
        raise BadValue("slo", text, f"{_EXPECTED}, each once")
    return Slo(tuple(reversed(limits)))
