"""Gated delta nets: the linear attention of Qwen3-Next, Qwen3.5 and Kimi Linear.

Yang et al., arXiv:2412.06464, section 3: products, a short convolution over keys, queries and values, a recurrent
state per value head that forgets by a gate and is corrected under every key, a gated norm. Kimi's variant
(arXiv:2510.26692, section 3) forgets by channel and makes its gates with products of low rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from silmark.graph import Elementwise, Gemm, Op, Scan
from silmark.models.parts import NORM_FLOPS, SILU_FLOPS, short_convolution
from silmark.models.spec import Part
from silmark.workloads.step import Step

CHUNK = 64
"""Tokens per chunk of the parallel form in the reference kernels."""
_STATE_BITS = 32.0  # engines keep the state in full precision


@dataclass(frozen=True, slots=True)
class GatedDelta(Part):
    """A gated delta-rule mixer.

    Attributes:
        key_heads, key_dim: of queries and of keys; value heads share them in groups.
        heads, head_dim: of values; one state of key_dim x head_dim each.
        kernel: taps of the depthwise convolution.
        gate_rank: rank of the products that make the gates; 0: gates of full rank, and one decay per head.
    """

    hidden: int
    key_heads: int
    key_dim: int
    heads: int
    head_dim: int
    kernel: int
    gate_rank: int = 0

    @property
    def _values(self) -> int:
        return self.heads * self.head_dim

    @property
    def _conv(self) -> int:
        return 2 * self.key_heads * self.key_dim + self._values

    @property
    def _decays(self) -> int:
        """Elements of one token's decay."""
        return self.key_heads * self.key_dim if self.gate_rank else self.heads

    @property
    def _in(self) -> int:
        """Outputs of the first product: queries, keys, values, strengths of the correction, and both gates."""
        gates = 2 * self.gate_rank if self.gate_rank else self._values + self.heads
        return self._conv + self.heads + gates

    @property
    def parameters(self) -> int:
        """Products, convolution, norm, and A per head with the bias of the decays."""
        low_rank = self.gate_rank * (self._decays + self._values)
        products = self.hidden * (self._in + self._values) + low_rank
        return products + self._conv * self.kernel + self.heads + self._decays + self.head_dim

    @property
    def state_elements(self) -> int:
        """The states, and the last kernel - 1 inputs of the convolution."""
        return self._values * self.key_dim + self._conv * (self.kernel - 1)

    def lower(self, step: Step) -> Iterator[Op]:
        """Products in, convolution, delta rule, gated norm, product out."""
        m, decode = step.tokens, step.phase == "decode"
        yield Gemm(name="delta.in", m=m, n=self._in, k=self.hidden, split="column")
        if self.gate_rank:
            width = self._decays + self._values
            yield Gemm(name="delta.gates", m=m, n=width, k=self.gate_rank, split="column")
        yield short_convolution("delta.conv", step, self._conv, self.kernel)
        yield Scan(
            name="delta.rule",
            m=m,
            seqs=step.seqs,
            heads=self.heads,
            head_dim=self.head_dim,
            state=self.key_dim,
            chunk=1 if decode else CHUNK,
            delta=True,
            state_bits=_STATE_BITS,
        )
        flops = (SILU_FLOPS + 1 + NORM_FLOPS) * self._values
        yield Elementwise(
            name="delta.norm", m=m, read=2 * self._values, write=self._values, flops=flops, split="column"
        )
        yield Gemm(name="delta.out", m=m, n=self.hidden, k=self._values, split="row")
