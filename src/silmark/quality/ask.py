"""Doors of this package that need PyTorch only once they are walked through."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from silmark.errors import MissingExtra
from silmark.quality.result import Quality
from silmark.quality.way import Way


def need_torch() -> None:
    """Raises MissingExtra where what runs models is not installed."""
    if any(find_spec(name) is None for name in ("torch", "transformers", "safetensors")):
        raise MissingExtra("running a model", "torch")


def standin_quality(name: str, ways: Sequence[Way]) -> dict[Way, Quality]:
    """What ways of computing do to one of the models that need no folder; raises SilmarkError where it is absent."""
    need_torch()
    from silmark.quality.run import assess  # noqa: PLC0415 - loads PyTorch
    from silmark.quality.standins import STANDINS  # noqa: PLC0415

    return assess(STANDINS[name](), ways)
