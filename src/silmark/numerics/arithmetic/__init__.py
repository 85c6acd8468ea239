"""The ways to multiply by name; a format's own name is the arithmetic that rounds both operands to it.

    >>> get("dmatrix-basic").left.name
    'bfp16-64'

A new one is an entry of `chips`, and a file of `silmark.numerics.sums` where it sums in a way of its own.
"""

from __future__ import annotations

from functools import lru_cache

from silmark.errors import UnknownName
from silmark.numerics import formats
from silmark.numerics.arithmetic.chips import CHIPS
from silmark.numerics.arithmetic.digital import Digital
from silmark.numerics.arithmetic.factored import Factored
from silmark.numerics.base import Arithmetic


def names() -> list[str]:
    """All that `get` knows."""
    from silmark.numerics import analog  # noqa: PLC0415 - reads files, and needs this package's formats

    return [*CHIPS, *analog.names(), *(name for name in formats.FORMATS if name not in CHIPS)]


@lru_cache
def get(name: str) -> Arithmetic:
    """The arithmetic of that name; raises UnknownName with near matches.

    One that has only a format's name sums in float32 and leaves the sum in float32.
    """
    from silmark.numerics import analog  # noqa: PLC0415 - reads files, and needs this package's formats

    if name in CHIPS:
        return CHIPS[name]
    if name in analog.names():
        return analog.load(name)
    if name in formats.FORMATS or name in formats.PLANS:
        both = formats.get(name)
        return Digital(name=name, left=both, right=both, out=formats.get("fp32"))
    raise UnknownName("arithmetic", name, names(), hint=f"known: {', '.join(names())}")


__all__ = ["CHIPS", "Digital", "Factored", "get", "names"]
