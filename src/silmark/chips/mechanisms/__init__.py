"""The architecture families. A new one is one file here and one line in FAMILIES."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from silmark.chips.mechanisms.base import RESOURCES, AbstractMechanism, Cost, Placement, Resource, slowest
from silmark.chips.spec import Chip
from silmark.formats import Precision

FAMILIES: dict[str, str] = {
    "gpu": "silmark.chips.mechanisms.gpu:Gpu",
    "systolic": "silmark.chips.mechanisms.systolic:Systolic",
    "streaming": "silmark.chips.mechanisms.streaming:Streaming",
    "wafer": "silmark.chips.mechanisms.wafer:Wafer",
    "dimc": "silmark.chips.mechanisms.dimc:Dimc",
    "photonic": "silmark.chips.mechanisms.photonic:Photonic",
    "thermodynamic": "silmark.chips.mechanisms.thermodynamic:Thermodynamic",
    "cpu": "silmark.chips.mechanisms.cpu:Cpu",
}
"""Family -> class, imported when first asked for."""


def family(name: str) -> type[AbstractMechanism]:
    """The mechanism class of a family."""
    module, _, attribute = FAMILIES[name].partition(":")
    return cast("type[AbstractMechanism]", getattr(import_module(module), attribute))


def build(chip: Chip, precision: Precision, placement: Placement) -> AbstractMechanism:
    """The chip's mechanism, ready to cost operators in that precision and placement."""
    return family(chip.family)(chip, precision, placement)


__all__ = ["FAMILIES", "RESOURCES", "AbstractMechanism", "Cost", "Placement", "Resource", "build", "family", "slowest"]
