"""Signal-to-noise ratio of every product: which layer suffers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SAMPLE = 1 << 16
"""Elements of one product's output that are compared, evenly spaced: a layer's SNR needs no more."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One product of the model, over all batches.

    Attributes:
        name: the module that forms it; `: scores` and `: values` are the two of attention.
        own_db: SNR of its output where its inputs are those that the chip's run gives it: what this product adds.
        total_db: SNR of its output against the run in fp32: what has come together up to here.
    """

    name: str
    own_db: float
    total_db: float


@dataclass(slots=True)
class Trace:
    """Outputs of products in the order of execution, batch after batch.

    Attributes:
        reference: a trace of the same batches in fp32; None while that one is made.
    """

    reference: Trace | None = None
    names: dict[int, str] = field(default_factory=dict)
    _samples: list[tuple[int, Tensor]] = field(default_factory=list)
    _sums: dict[int, list[float]] = field(default_factory=dict)

    @property
    def local(self) -> bool:
        """Whether each product is wanted in fp32 as well."""
        return self.reference is not None

    def add(self, number: int, name: str, result: Tensor, exact: Tensor) -> None:
        """Notes one output, and how far it is off."""
        self.names[number] = name
        flat = result.reshape(-1)
        part = flat[:: max(1, flat.numel() // SAMPLE)]
        index = len(self._samples)
        if self.reference is None:
            self._samples.append((number, part.clone()))
            return
        self._samples.append((number, part[:0]))
        known, truth = self.reference._samples[index] if index < len(self.reference._samples) else (-1, part)
        sums = self._sums.setdefault(number, [0.0] * 4)
        own = exact.reshape(-1)[:: max(1, flat.numel() // SAMPLE)]
        sums[0] += float(own.square().sum())
        sums[1] += float((part - own).square().sum())
        if known == number and truth.shape == part.shape:
            sums[2] += float(truth.square().sum())
            sums[3] += float((part - truth).square().sum())

    def layers(self) -> tuple[Layer, ...]:
        """Every product in the order of execution."""
        return tuple(
            Layer(self.names[number], decibels(sums[0], sums[1]), decibels(sums[2], sums[3]))
            for number, sums in sorted(self._sums.items())
        )


def decibels(signal: float, noise: float) -> float:
    """Ratio of two powers in dB; infinite without noise, NaN where either is none."""
    if math.isnan(signal) or math.isnan(noise):
        return math.nan
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0 else -math.inf
