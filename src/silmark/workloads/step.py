"""Step: one forward pass of a batch, any number of them at once as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from silmark.graph import Array

Phase = Literal["prefill", "decode", "forward"]


@dataclass(frozen=True, slots=True)
class Step:
    """Shapes of a forward pass; the three arrays broadcast against each other.

    Attributes:
        phase: prefill (new tokens of a prompt), decode (one new token per sequence), or forward (encoders,
            images, samples: one pass without cache).
        seqs: sequences, images or samples.
        new: new tokens per sequence.
        past: cached tokens per sequence.
    """

    phase: Phase
    seqs: Array
    new: Array
    past: Array

    @classmethod
    def decode(cls, batch: ArrayLike, context: ArrayLike) -> Step:
        """One token for each of `batch` sequences, with `context` cached tokens each."""
        return cls("decode", _array(batch), _array(1), _array(context))

    @classmethod
    def prefill(cls, seqs: ArrayLike, prompt: ArrayLike, past: ArrayLike = 0) -> Step:
        """`prompt` new tokens for each of `seqs` sequences, after `past` cached ones."""
        return cls("prefill", _array(seqs), _array(prompt), _array(past))

    @classmethod
    def forward(cls, items: ArrayLike, tokens: ArrayLike = 1) -> Step:
        """One pass over `items` texts of `tokens` tokens, or images, or samples (tokens = 1)."""
        return cls("forward", _array(items), _array(tokens), _array(0))

    @property
    def tokens(self) -> Array:
        """New tokens of the whole batch."""
        return np.asarray(self.seqs * self.new, dtype=np.float64)


def _array(value: ArrayLike) -> Array:
    return np.asarray(value, dtype=np.float64)
