"""The number formats by name. A new one is an entry of its family's FORMATS, a new family a file and a line here."""

from __future__ import annotations

from silmark.errors import UnknownName
from silmark.numerics.base import NumberFormat
from silmark.numerics.formats import abfp, affine, bfp, floats, integers, microexponents, mx, nvfp4, sbfp

FORMATS: dict[str, NumberFormat] = {
    f.name: f
    for family in (
        floats.FORMATS,
        integers.FORMATS,
        affine.FORMATS,
        mx.FORMATS,
        nvfp4.FORMATS,
        bfp.FORMATS,
        sbfp.FORMATS,
        microexponents.FORMATS,
        abfp.FORMATS,
    )
    for f in family
}

PLANS = {
    "fp8": "fp8-e4m3",
    "fp6": "mxfp6-e2m3",
    "fp4": "nvfp4",
    "int4": "int4-group128",
    "mxint8": "bfp16-64",
    "abfp16": "abfp7-128",
}
"""Names of `silmark.formats`, in which plans are made, that mean a format by another name here."""


def get(name: str) -> NumberFormat:
    """The format of that name, one of this package or a plan's; raises UnknownName with near matches."""
    return FORMATS[name] if name in FORMATS else planned(name)


def planned(name: str) -> NumberFormat:
    """The format that a plan means by a name of `silmark.formats`; raises UnknownName with near matches."""
    try:
        return FORMATS[PLANS.get(name, name)]
    except KeyError:
        raise UnknownName("number format", name, FORMATS, hint=f"known: {', '.join(FORMATS)}") from None
