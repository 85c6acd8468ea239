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
    return [*CHIPS, *(name for name in formats.FORMATS if name not in CHIPS)]


@lru_cache
def get(name: str) -> Arithmetic:
    """The arithmetic of that name; raises UnknownName with near matches."""
    from silmark.numerics import analog  # noqa: PLC0415 - which reads files, and needs this package's formats

    if name in ARITHMETICS:
        return ARITHMETICS[name]
    if name in analog.names():
        return analog.load(name)
    if name in formats.FORMATS or name in formats.SHORT:
        both = formats.get(name)
        wide = both if name in ("bf16", "fp16") else formats.get("fp32")
        return Digital(name=name, left=both, right=both, out=wide)
    raise UnknownName(
        "arithmetic", name, [*ARITHMETICS, *analog.names(), *formats.FORMATS], hint=f"known: {', '.join(ARITHMETICS)}"
    )


__all__ = ["CHIPS", "Digital", "Factored", "get", "names"]
