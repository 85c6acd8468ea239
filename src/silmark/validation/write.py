"""Writes what a validation found: the residual classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from silmark.figures.tables import data_folder
from silmark.validation.classes import Class
from silmark.validation.report import engines, used

_HEAD = """\
# Measured over predicted - of a time, a rate or a power alike - by class of chips: median, 10 % and 90 % quantile.
# A class is family-evidence, or evidence alone where a family has no rows of its own. Chips of a class weigh alike;
# the quantiles are widened until they hold for a chip that was left out. Engines: {engines}.
# `between_plans` is the same of the ratio of two plans' predictions, for plans on the same chips.
# Written by `silmark validate --write`.
"""


def residuals_file() -> Path:
    """The file that error bars are made from."""
    return data_folder() / "calibration" / "residuals.toml"


def residuals(classes: Sequence[Class], between: Sequence[Class] = ()) -> str:
    """The text of residuals.toml.

    Args:
        classes: of single predictions.
        between: of ratios of two plans' predictions.
    """
    head: dict[str, float | str] = {
        "family": "residuals",
        "date": datetime.now(UTC).date().isoformat(),
        "command": "silmark validate --write",
        "data": "public end-to-end rows of measurements/public; interval: quantiles of measured over predicted",
        "rows": used(classes),
    }
    lines = [_HEAD.format(engines=engines()), *(f"{key} = {_text(value)}" for key, value in head.items())]
    for table, counted, found in (("classes", "rows", classes), ("between_plans", "pairs", between)):
        name = ""
        for one in found:
            if one.name != name:
                name = one.name
                lines += ["", f"[{table}.{name}]"]
            lines.append(
                f"{one.metric} = {{ {', '.join(f'{k} = {_text(v)}' for k, v in _leaf(one, counted).items())} }}"
            )
    return "\n".join(lines) + "\n"


def _leaf(one: Class, counted: str) -> dict[str, float | str]:
    numbers: dict[str, float | str] = {
        key: float(f"{value:.4g}") for key, value in (("value", one.value), ("low", one.low), ("high", one.high))
    }
    numbers["unit"] = "1"
    if one.assumed:
        return {**numbers, "source": "silmark-assumption", "grade": "assumed", "note": one.why}
    chips = ", ".join(f"{chip} {count}" for chip, count in one.rows.items())
    left = "a chip left out" if one.grade == "measured" else "what was left out"
    widened = f"widened by {one.widened:.2f}: {left} is held at {100 * one.held:.0f} %"
    return {
        **numbers,
        "source": "silmark-calibration",
        "grade": one.grade,
        "note": f"{one.why}; {widened}; {counted}: {chips}",
    }


def _text(value: float | str) -> str:
    return json.dumps(value, ensure_ascii=False)
