"""The ways to multiply by name; a format's own name is the arithmetic that rounds both operands to it.

A new one is one entry of ARITHMETICS, and one file where it sums in a way of its own.
"""

from __future__ import annotations

from functools import lru_cache

from silmark.errors import UnknownName
from silmark.numerics import formats
from silmark.numerics.arithmetic.digital import Digital
from silmark.numerics.base import Arithmetic

ARITHMETICS: dict[str, Arithmetic] = {}
"""Arithmetics of chips; what has only a format's name is made by `get`."""


@lru_cache
def get(name: str) -> Arithmetic:
    """The arithmetic of that name; raises UnknownName with near matches."""
    if name in ARITHMETICS:
        return ARITHMETICS[name]
    if name in formats.FORMATS or name in formats.PLANS:
        both = formats.get(name)
        wide = both if name in ("bf16", "fp16") else formats.get("fp32")
        return Digital(name=name, left=both, right=both, out=wide)
    raise UnknownName("arithmetic", name, [*ARITHMETICS, *formats.FORMATS], hint=f"known: {', '.join(ARITHMETICS)}")


__all__ = ["ARITHMETICS", "Digital", "get"]
