"""Parts that mix tokens: grouped-query attention, multi-head latent attention, Mamba, Mamba-2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from silmark.graph import Array, Attention, Elementwise, Gemm, Op, Scan
from silmark.models.parts import NORM_FLOPS, SILU_FLOPS, short_convolution
from silmark.models.spec import Part
from silmark.workloads.step import Step

ROPE_FLOPS = 3
"""Per element of a rotated vector: two multiplications and an add."""
INDEX_BITS = 8.25
"""Per element of an indexer's key: 8 bits, and a scale of 32 per 128 elements."""


@dataclass(frozen=True, slots=True)
class GroupedAttention(Part):
    """Multi-head attention with `kv_heads` <= `heads` (1: multi-query); projections of q, k and v are one product.

    Attributes:
        hidden: width of input and output; head_dim: of one head.
        window: sliding window in tokens, None for full attention.
        rotary: elements per head that the rotary embedding turns (0: none).
        qk_norm: learned elements of the norms of queries and keys (0: none).
        qkv_bias, out_bias: learned biases of the products.
        sinks: a learned logit per head (gpt-oss).
        causal: False for encoders.
        gated: a gate as wide as the queries on what attention gives, from the same product (Qwen3-Next).
    """

    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    window: int | None = None
    rotary: int = 0
    qk_norm: int = 0
    qkv_bias: bool = False
    out_bias: bool = False
    sinks: bool = False
    causal: bool = True
    gated: bool = False

    @property
    def _qkv(self) -> int:
        return (self.heads * (1 + self.gated) + 2 * self.kv_heads) * self.head_dim

    @property
    def parameters(self) -> int:
        """Both products, biases, norms, sinks."""
        matrices = self.hidden * (self._qkv + self.heads * self.head_dim)
        biases = self._qkv * self.qkv_bias + self.hidden * self.out_bias
        return matrices + biases + self.qk_norm + self.heads * self.sinks

    def kv_elements(self, context: Array) -> Array:
        """Keys and values of the tokens inside the window; encoders cache nothing."""
        if not self.causal:
            return np.zeros_like(context)
        kept = context if self.window is None else np.minimum(context, self.window)
        return np.asarray(kept * (2 * self.kv_heads * self.head_dim))

    def lower(self, step: Step) -> Iterator[Op]:
        """Projections, rotary embedding (with the norms of queries and keys), attention, output."""
        m = step.tokens
        yield Gemm(name="attention.qkv", m=m, n=self._qkv, k=self.hidden, split="column", parts=3)
        if self.rotary or self.qk_norm:
            turned = (self.heads + self.kv_heads) * self.head_dim
            rope = (self.heads + self.kv_heads) * self.rotary * ROPE_FLOPS
            flops = rope + (turned * NORM_FLOPS if self.qk_norm else 0)
            yield Elementwise(name="attention.rope", m=m, read=turned, write=turned, flops=flops, split="heads")
        yield Attention(
            name="attention",
            seqs=step.seqs,
            new=step.new,
            past=step.past,
            heads=self.heads,
            kv_heads=self.kv_heads,
            qk_dim=self.head_dim,
            v_dim=self.head_dim,
            kv_width=2 * self.kv_heads * self.head_dim,
            window=self.window,
            causal=self.causal,
        )
        if self.gated:
            width = self.heads * self.head_dim
            yield Elementwise(
                name="attention.gate", m=m, read=2 * width, write=width, flops=SILU_FLOPS * width, split="heads"
            )
        yield Gemm(name="attention.out", m=m, n=self.hidden, k=self.heads * self.head_dim, split="row")


@dataclass(frozen=True, slots=True)
class Indexer:
    """Picks the cached tokens that a query attends to (DeepSeek Sparse Attention, arXiv:2512.02556, section 2.1).

    Scores are relu(q . k), weighted per head and summed; one key per token, shared by all heads and kept in 8 bits
    with a scale of four bytes per 128 elements.

    Attributes:
        heads, width: of the index queries; width is also that of a key.
        selected: tokens that a query attends to at most.
    """

    heads: int
    width: int
    selected: int

    def parameters(self, hidden: int, q_rank: int) -> int:
        """Products for queries, keys and weights of the heads, and the LayerNorm of the keys."""
        return self.heads * self.width * (q_rank or hidden) + hidden * (self.width + self.heads) + 2 * self.width

    def lower(self, step: Step, hidden: int, q_rank: int) -> Iterator[Op]:
        """Products, rotary embedding with norm and narrowing, scores and choice: every chip does the whole."""
        m, queries = step.tokens, self.heads * self.width
        yield Gemm(name="index.q", m=m, n=queries, k=q_rank or hidden)
        yield Gemm(name="index.k", m=m, n=self.width + self.heads, k=hidden)
        moved = queries + self.width
        yield Elementwise(name="index.rope", m=m, read=moved, write=moved, flops=(ROPE_FLOPS + NORM_FLOPS) * moved)
        yield Attention(
            name="index",
            seqs=step.seqs,
            new=step.new,
            past=step.past,
            heads=self.heads,
            kv_heads=1,
            qk_dim=self.width,
            v_dim=0,
            kv_width=self.width,
            kv_bits=INDEX_BITS,
            split="none",
        )


@dataclass(frozen=True, slots=True)
class LatentAttention(Part):
    """Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1 and appendix C).

    Only a latent of width `kv_rank` and one rotary key of width `rope` are cached per token. In decode the
    up-projections are absorbed into queries and outputs, so scores run over the latent itself; in prefill keys
    and values are expanded for every token in sight, cached ones included. With an indexer every query has tokens of
    its own, and both phases take the absorbed form (arXiv:2512.02556, appendix A).

    Attributes:
        q_rank: width of the latent of queries, 0 if queries are projected directly.
        nope, rope, v_dim: widths of one head's unrotated and rotated keys and of its values.
        bias: biases on the down-projections and the output.
        turned: False where nothing is rotated (Kimi Linear).
        indexer: picks the tokens that a query attends to; None: all of them.
    """

    hidden: int
    heads: int
    q_rank: int
    kv_rank: int
    nope: int
    rope: int
    v_dim: int
    bias: bool = False
    turned: bool = True
    indexer: Indexer | None = None

    @property
    def _q_out(self) -> int:
        return self.heads * (self.nope + self.rope)

    @property
    def parameters(self) -> int:
        """Down- and up-projections, their norms, the output."""
        latent = self.kv_rank + self.rope
        queries = self.q_rank * (self.hidden + 1 + self._q_out) if self.q_rank else self.hidden * self._q_out
        keys = self.hidden * latent + self.kv_rank + self.kv_rank * self.heads * (self.nope + self.v_dim)
        biases = (self.q_rank + latent + self.hidden) * self.bias
        index = self.indexer.parameters(self.hidden, self.q_rank) if self.indexer else 0
        return queries + keys + self.heads * self.v_dim * self.hidden + biases + index

    def kv_elements(self, context: Array) -> Array:
        """Latent and rotary key of every token, and its index key."""
        return np.asarray(context * (self.kv_rank + self.rope + (self.indexer.width if self.indexer else 0)))

    def lower(self, step: Step) -> Iterator[Op]:
        """Projections to latents and queries, then the absorbed or the expanded form, then the output."""
        m, latent = step.tokens, self.kv_rank + self.rope
        if self.q_rank:
            # Both down-projections are one product, as engines fuse them.
            yield Gemm(name="attention.down", m=m, n=self.q_rank + latent, k=self.hidden)
            yield Gemm(name="attention.q_up", m=m, n=self._q_out, k=self.q_rank, split="column")
        else:
            yield Gemm(name="attention.q", m=m, n=self._q_out, k=self.hidden, split="column")
            yield Gemm(name="attention.down", m=m, n=latent, k=self.hidden)
        normed, turned = self.q_rank + self.kv_rank, (self.heads + 1) * self.rope * self.turned
        flops = NORM_FLOPS * normed + ROPE_FLOPS * turned
        yield Elementwise(name="attention.rope", m=m, read=normed + turned, write=normed + turned, flops=flops)
        if self.indexer:
            yield from self.indexer.lower(step, self.hidden, self.q_rank)
        absorbed = step.phase == "decode" or self.indexer
        yield from self._absorbed(step) if absorbed else self._expanded(step)
        yield Gemm(name="attention.out", m=m, n=self.hidden, k=self.heads * self.v_dim, split="row")

    def _absorbed(self, step: Step) -> Iterator[Op]:
        m, heads, rank = step.tokens, self.heads, self.kv_rank
        yield Gemm(name="attention.absorb_k", m=m, n=rank, k=self.nope, groups=heads, split="column")
        yield self._attention(step, 1, rank + self.rope, rank)
        yield Gemm(name="attention.absorb_v", m=m, n=self.v_dim, k=rank, groups=heads, split="column")

    def _expanded(self, step: Step) -> Iterator[Op]:
        seen = np.asarray(step.seqs * (step.past + step.new))
        width = self.heads * (self.nope + self.v_dim)
        yield Gemm(name="attention.kv_up", m=seen, n=width, k=self.kv_rank, split="column")
        yield self._attention(step, self.heads, self.nope + self.rope, self.v_dim)

    def _attention(self, step: Step, kv_heads: int, qk_dim: int, v_dim: int) -> Attention:
        return Attention(
            name="attention",
            seqs=step.seqs,
            new=step.new,
            past=step.past,
            heads=self.heads,
            kv_heads=kv_heads,
            qk_dim=qk_dim,
            v_dim=v_dim,
            kv_width=self.kv_rank + self.rope,
            selected=self.indexer.selected if self.indexer else None,
        )


@dataclass(frozen=True, slots=True)
class Mamba(Part):
    """Mamba mixer (Gu and Dao, arXiv:2312.00752, section 3): every channel has a state of its own.

    Attributes:
        inner, state: channels, and elements of one channel's state.
        rank: width of the low-rank projection that makes the time steps.
        kernel: taps of the depthwise convolution.
        conv_bias, bias: biases of the convolution and of the projections in and out.
    """

    hidden: int
    inner: int
    state: int
    rank: int
    kernel: int
    conv_bias: bool = True
    bias: bool = False

    @property
    def _chosen(self) -> int:
        return self.rank + 2 * self.state

    @property
    def parameters(self) -> int:
        """Projections, convolution, time steps with their bias, A and D."""
        matrices = 3 * self.hidden * self.inner + self.inner * (self._chosen + self.rank)
        biases = (2 * self.inner + self.hidden) * self.bias + self.inner
        return matrices + biases + self.inner * (self.kernel + self.conv_bias) + self.inner * (self.state + 1)

    @property
    def state_elements(self) -> int:
        """The scan's state, and the last kernel - 1 inputs of the convolution."""
        return self.inner * (self.state + self.kernel - 1)

    def lower(self, step: Step) -> Iterator[Op]:
        """Projection in, convolution, input-dependent parameters, scan token by token, gated projection out."""
        m = step.tokens
        yield Gemm(name="mamba.in", m=m, n=2 * self.inner, k=self.hidden, split="column")
        yield short_convolution("mamba.conv", step, self.inner, self.kernel)
        yield Gemm(name="mamba.choose", m=m, n=self._chosen, k=self.inner, split="row")
        yield Gemm(name="mamba.step", m=m, n=self.inner, k=self.rank, split="column")
        yield Scan(name="mamba.scan", m=m, seqs=step.seqs, heads=self.inner, head_dim=1, state=self.state)
        flops = (SILU_FLOPS + 1) * self.inner
        yield Elementwise(name="mamba.gate", m=m, read=2 * self.inner, write=self.inner, flops=flops, split="column")
        yield Gemm(name="mamba.out", m=m, n=self.hidden, k=self.inner, split="row")


@dataclass(frozen=True, slots=True)
class Mamba2(Part):
    """Mamba-2 mixer (Dao and Gu, arXiv:2405.21060, section 7): projection, short convolution, scan, gated norm.

    Attributes:
        heads, head_dim, state: shape of the recurrent state; heads * head_dim is the inner width.
        groups: groups that share their B and C vectors.
        kernel: taps of the depthwise convolution; chunk: tokens per chunk of the parallel scan.
        conv_bias, bias: biases of the convolution and of the projections.
    """

    hidden: int
    heads: int
    head_dim: int
    state: int
    groups: int
    kernel: int
    chunk: int
    conv_bias: bool = True
    bias: bool = False

    @property
    def _inner(self) -> int:
        return self.heads * self.head_dim

    @property
    def _conv(self) -> int:
        return self._inner + 2 * self.groups * self.state

    @property
    def _in(self) -> int:
        return self._inner + self._conv + self.heads

    @property
    def parameters(self) -> int:
        """Projections, convolution, norm, and per head A, D and the bias of the time step."""
        matrices = self.hidden * (self._in + self._inner)
        biases = (self._in + self.hidden) * self.bias
        return matrices + biases + self._conv * (self.kernel + self.conv_bias) + self._inner + 3 * self.heads

    @property
    def state_elements(self) -> int:
        """The scan's state, and the last kernel - 1 inputs of the convolution."""
        return self._inner * self.state + self._conv * (self.kernel - 1)

    def lower(self, step: Step) -> Iterator[Op]:
        """Projection in, convolution, scan, gated norm, projection out."""
        m = step.tokens
        yield Gemm(name="mamba.in", m=m, n=self._in, k=self.hidden, split="column")
        yield short_convolution("mamba.conv", step, self._conv, self.kernel)
        yield Scan(
            name="mamba.scan",
            m=m,
            seqs=step.seqs,
            heads=self.heads,
            head_dim=self.head_dim,
            state=self.state,
            chunk=1 if step.phase == "decode" else self.chunk,
        )
        flops = (SILU_FLOPS + 1 + NORM_FLOPS) * self._inner
        yield Elementwise(name="mamba.norm", m=m, read=2 * self._inner, write=self._inner, flops=flops, split="column")
        yield Gemm(name="mamba.out", m=m, n=self.hidden, k=self._inner, split="row")
