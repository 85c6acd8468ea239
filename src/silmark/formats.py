"""Vocabulary of number formats: how many bits an element takes, and in what rate it computes.

Only names and sizes live here; what a format does to values is `silmark.numerics`.
"""

from __future__ import annotations

from dataclasses import dataclass

from silmark.errors import BadValue, UnknownName


@dataclass(frozen=True, slots=True)
class Format:
    """One number format.

    Attributes:
        name: key used in chip files and plans.
        bits: stored bits per element, block scales included.
        wide: the 16-bit-or-wider formats whose results are taken as reference quality.
    """

    name: str
    bits: float
    wide: bool = False

    @property
    def bytes(self) -> float:
        """Stored bytes per element, block scales included."""
        return self.bits / 8


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("fp64", 64, wide=True),
        Format("fp32", 32, wide=True),
        Format("tf32", 32, wide=True),
        Format("bf16", 16, wide=True),
        Format("fp16", 16, wide=True),
        Format("mxint16", 16.25, wide=True),  # 8 scale bits per block of 32
        Format("fp8", 8),
        Format("int8", 8),
        Format("mxint8", 8.125),  # d-Matrix BFP16_64: 8 scale bits per block of 64
        Format("abfp16", 7.125, wide=False),  # 7-bit weights, one bf16 scale per 128 (ABFP, arXiv:2205.06287)
        Format("mx9", 9),
        Format("mx6", 6),
        Format("fp6", 6.25),
        Format("fp4", 4.5),  # NVFP4: one fp8 scale per block of 16
        Format("int4", 4.125),
        Format("mxint4", 4.25),
        Format("binary", 1),  # spins of a sampling machine
    )
}


def get(name: str) -> Format:
    """Returns the format of that name; raises UnknownName with near matches."""
    try:
        return FORMATS[name]
    except KeyError:
        raise UnknownName("format", name, FORMATS, hint=f"known formats: {', '.join(FORMATS)}") from None


@dataclass(frozen=True, slots=True)
class Precision:
    """In which formats a plan stores weights and KV cache and computes its matrix products."""

    weights: str
    compute: str
    kv: str

    @classmethod
    def of(cls, name: str) -> Precision:
        """`bf16` -> all bf16; `w4a16` style names are written `int4:bf16` (weights:compute[:kv])."""
        parts = name.split(":")
        if len(parts) > 3:
            raise BadValue("precision", name, "a format, or weights:compute[:kv]")
        for part in parts:
            get(part)
        weights, compute = parts[0], parts[1] if len(parts) > 1 else parts[0]
        # Engines keep the cache in 8 bits where products run in fewer.
        kv = parts[2] if len(parts) > 2 else compute if FORMATS[compute].bits >= 8 else "fp8"
        return cls(weights, compute, kv)

    @property
    def weight_bytes(self) -> float:
        """Bytes per weight."""
        return FORMATS[self.weights].bytes

    @property
    def kv_bytes(self) -> float:
        """Bytes per cached element."""
        return FORMATS[self.kv].bytes

    @property
    def activation_bytes(self) -> float:
        """Bytes per activation element as it moves between operators and chips.

        Narrow formats quantise inside the matrix operator; what is stored in between stays 16 bits.
        """
        return max(2.0, FORMATS[self.compute].bytes) if self.compute != "fp64" else 8.0

    def __str__(self) -> str:
        if self.weights == self.compute == self.kv:
            return self.weights
        if self.kv == self.compute:
            return f"{self.weights}:{self.compute}"
        return f"{self.weights}:{self.compute}:{self.kv}"
