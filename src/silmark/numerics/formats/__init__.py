"""The number formats by name. A new one is an entry of its family's FORMATS, a new family a file and a line here."""

from __future__ import annotations

from silmark.errors import UnknownName
from silmark.numerics.base import NumberFormat
from silmark.numerics.formats import floats, integers

FORMATS: dict[str, NumberFormat] = {
    f.name: f
    for family in (
        floats.FORMATS,
        integers.FORMATS,
    )
    for f in family
}

SHORT = {"fp8": "fp8-e4m3"}
"""Names of `silmark.formats`, which plans are made with, and the format that is meant."""


def get(name: str) -> NumberFormat:
    """The format of that name, one of this package or of `silmark.formats`; raises UnknownName with near matches."""
    try:
        return FORMATS[SHORT.get(name, name)]
    except KeyError:
        raise UnknownName("number format", name, FORMATS, hint=f"known: {', '.join(FORMATS)}") from None
