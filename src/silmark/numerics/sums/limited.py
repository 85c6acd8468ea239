"""Sums in tensor cores that keep few bits (Hopper FP8)."""

from __future__ import annotations

from dataclasses import dataclass

from silmark.numerics.arrays import on_numpy, unwarned
from silmark.numerics.base import Array


@dataclass(frozen=True, slots=True)
class Limited:
    """Products and accumulator aligned to the largest exponent among them, and cut below the bits that are kept.

    Hopper's FP8 tensor cores align 32 products by shifting them right by their distance to the largest exponent and
    keep 14 bits of each (DeepSeek-V3, arXiv:2412.19437, sections 3.3.2 and 3.5.2); what comes out has 13 bits of
    mantissa behind the leading one. That the accumulator is aligned with the products, that the exponent is that of
    the unnormalised product and that what is shifted out is dropped toward zero is how tensor cores were found to
    work by test vectors (Fasi et al., PeerJ Computer Science 7:e330, 2021, for V100; models of H100 in
    arXiv:2511.10909 and arXiv:2512.07004). None of it is NVIDIA's word, and no chip was asked here.

    Attributes:
        bits: kept, the leading one included.
        group: products that are aligned together.
    """

    bits: int = 14
    group: int = 32

    @property
    def name(self) -> str:
        """Names bits and group."""
        return f"{self.bits} bits in groups of {self.group}"

    @unwarned
    def __call__(self, left: Array, right: Array) -> Array:
        """In the order of the elements."""
        from silmark.numerics.sums.kernels import aligned, batched  # noqa: PLC0415

        return on_numpy(lambda a, b: batched(aligned, a, b, self.bits, self.group), left, right)
