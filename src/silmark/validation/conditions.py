"""Where the errors come from: the same ratios by what a measurement was like, so that a bias shows itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from silmark import models
from silmark.graph import Experts
from silmark.mapping import probe
from silmark.validation import names
from silmark.validation.score import Outcome

_LEAST = 10
"""Fewer rows of one condition say little."""


def conditions(outcomes: Sequence[Outcome]) -> list[tuple[str, str, str, list[Outcome]]]:
    """(metric, what, value, outcomes) of own engines, wherever a metric has several values of it."""
    found = []
    for metric in sorted({o.metric for o in outcomes}):
        mine = [o for o in outcomes if o.counts and o.metric == metric]
        for what, value in _FACTORS.items():
            groups: dict[str, list[Outcome]] = {}
            for one in mine:
                groups.setdefault(value(one), []).append(one)
            kept = {key: rows for key, rows in groups.items() if key and len(rows) >= _LEAST}
            if len(kept) > 1:
                found += [(metric, what, key, kept[key]) for key in sorted(kept, key=_place)]
    return found


def _place(text: str) -> tuple[int, str]:
    digits = "".join(c for c in text.partition(" to ")[0] if c.isdigit())
    return (int(digits) + text.startswith("over") if digits else 0, text)


def _bucket(count: int | None, edges: Sequence[int]) -> str:
    if count is None:
        return ""
    low = 1
    for edge in edges:
        if count <= edge:
            return str(edge) if low == edge else f"{low} to {edge}"
        low = edge + 1
    return f"over {edges[-1]}"


def _sequences(one: Outcome) -> str:
    return _bucket(one.row.concurrency or one.row.batch, (1, 8, 32, 128))


def _chips(one: Outcome) -> str:
    return str((one.row.tp or 1) * (one.row.pp or 1))


def _prompt(one: Outcome) -> str:
    return _bucket(one.row.isl, (256, 1024, 2048))


def _load(one: Outcome) -> str:
    if one.metric != "throughput" or one.row.concurrency is not None:
        return ""
    return "static batch" if one.row.batch else "full load"


def _kind(one: Outcome) -> str:
    name = names.model_name(one.row)
    return "" if name is None else _network(name)


@cache
def _network(name: str) -> str:
    return "routed experts" if any(isinstance(op, Experts) for op in probe(models.load(name))) else "dense"


def _engine(one: Outcome) -> str:
    return names.engine(one.row)


_FACTORS: dict[str, Callable[[Outcome], str]] = {
    "engine": _engine,
    "model": _kind,
    "load": _load,
    "chips of a replica": _chips,
    "sequences": _sequences,
    "prompt": _prompt,
}
