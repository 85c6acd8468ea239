"""A system's links as built, and the same system without some of its parts."""

from __future__ import annotations

from collections.abc import Sequence

from silmark import chips, systems
from silmark.api.question import Count
from silmark.api.single import estimate
from silmark.report.rows import Row
from silmark.report.system import Built, Side
from silmark.systems import System, Target
from silmark.systems.without import without as take_away


def system(
    name: str,
    *,
    without: Sequence[str] = (),
    model: str | None = None,
    workload: str = "chat",
    batch: Count = "auto",
) -> Built:
    """One unit of a system, and what becomes of it without some parts.

    Args:
        name: id of a packaged system or a `.toml` path.
        without: ids of parts, or families such as aries, leo, taurus, scorpio.
        model: catalogue name or path; both sides are then asked what they do for it.
        workload, batch: as in `estimate`.

    Raises:
        SilmarkError: a name that is unknown, a file that is wrong, parts that are not there.
    """
    said = {"system": name, "without": list(without), "model": model, "workload": workload}
    if not without:
        return Built(said, _side(systems.load(name), model, workload, batch))
    full, variant = take_away(name, without)
    bare = _side(variant.system, None if variant.lost else model, workload, batch, variant.lost)
    return Built(said, _side(full, model, workload, batch), bare, variant.changes)


def _side(found: System, model: str | None, workload: str, batch: Count, lost: str = "") -> Side:
    target = Target(chips.load(found.chip), found, found.chips)
    return Side(target, _row(target, model, workload, batch) if model else None, lost)


def _row(target: Target, model: str, workload: str, batch: Count) -> Row:
    return estimate(model, target, workload=workload, batch=batch).rows[-1]
