"""Operators: the vocabulary between models and chips, so that n models and m chips need n + m files.

Every operator stands for `count` identical instances in one step (usually one per layer). Sizes that the
weights fix are ints; sizes that the workload fixes (tokens, sequences, context) are float64 arrays that
broadcast against each other, so one operator describes any number of steps at once.

`split` says how tensor parallelism cuts an operator (mapping.sharding does it):
    column   outputs n are divided; the result stays divided
    row      the reduction k is divided; an all-reduce of the result follows
    heads    attention heads (and KV heads, as far as they go) are divided
    experts  experts are divided (EP) or each expert's inner width (TP); the result is reduced
    none     every chip of the group does the whole
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Split = Literal["column", "row", "heads", "experts", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operator:
    """Fields common to all operators: a dotted name and how often it occurs in a step."""

    name: str
    count: float = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemm(_Operator):
    """`[m, k] @ [k, n]` with stored weights of n * k elements (`groups` independent ones side by side).

    Attributes:
        m: rows (tokens), any shape.
        n, k: outputs and reduction depth of one group.
        weight_bits: stored bits per weight where the model fixes them (an MXFP4 checkpoint), else None.
        joined: its result is added to another operator's before any exchange between chips.
        parts: matrices side by side in n (query, key, value; gate, up), which stacks without fusion multiply in turn.
    """

    kind: ClassVar[str] = "gemm"
    m: Array
    n: int
    k: int
    groups: int = 1
    split: Split = "none"
    weight_bits: float | None = None
    joined: bool = False
    parts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention(_Operator):
    """Scores, softmax and weighted sum of `seqs` sequences over their cached context.

    An indexer (DeepSeek Sparse Attention, arXiv:2512.02556, section 2.1) is an attention without values: `v_dim` 0
    means scores of every query with every cached key, summed over the heads, and the choice of the highest.

    Attributes:
        seqs: sequences.
        new: new (query) tokens per sequence; 1 in decode.
        past: tokens cached before this step, per sequence.
        heads, kv_heads: query heads and heads of the cache (MLA in absorbed form: 1).
        qk_dim, v_dim: widths of one head in scores and in values.
        kv_width: elements cached per token and layer (GQA: 2 * kv_heads * head_dim; MLA: latent + rope).
        window: sliding window in tokens, None for full attention.
        selected: most tokens that a query attends to, chosen for it by an indexer; None: all in sight.
        kv_bits: stored bits per cached element where the model fixes them, else None.
        causal: False for encoders.
        ways: chips that divide every sequence among them (context parallelism); shapes are of all of them together.
        whole_queries: each of them has all new tokens and a part of the cache, instead of a part of both.
    """

    kind: ClassVar[str] = "attention"
    seqs: Array
    new: Array
    past: Array
    heads: int
    kv_heads: int
    qk_dim: int
    v_dim: int
    kv_width: int
    window: int | None = None
    selected: int | None = None
    kv_bits: float | None = None
    causal: bool = True
    ways: int = 1
    whole_queries: bool = False
    split: Split = "heads"

    @property
    def scores_only(self) -> bool:
        """Whether this is an indexer."""
        return bool(np.all(np.asarray(self.v_dim) == 0))

    def span(self) -> Array:
        """Mean number of tokens that one query token attends to (window, choice and causality counted)."""
        if not self.causal:
            return np.asarray(self.past + self.new, dtype=np.float64)
        full = self.past + (self.new + 1) / 2
        most = self.window
        if self.selected is not None:
            most = self.selected if most is None else min(most, self.selected)
        if most is None:
            return np.asarray(full, dtype=np.float64)
        # Query i sees min(most, past + i) tokens, i = 1 .. new: a ramp that saturates.
        ramp = np.clip(most - self.past, 0, self.new)
        inside = ramp * (self.past + (ramp + 1) / 2)
        return np.asarray((inside + (self.new - ramp) * most) / self.new, dtype=np.float64)

    def held(self) -> Array:
        """Tokens that the cache must keep for one sequence."""
        total = self.past + self.new
        return np.asarray(total if self.window is None else np.minimum(total, self.window + self.new - 1))

    def cached(self) -> Array:
        """Tokens of the cache that one sequence must read at least once."""
        held = self.held()
        return held if self.selected is None else np.minimum(held, self.new * float(self.selected))

    def kv_bytes(self, usual: float) -> float:
        """Bytes per cached element, `usual` where the model does not fix them."""
        return usual if self.kv_bits is None else self.kv_bits / 8.0

    def gathered(self) -> Attention:
        """The same work without a choice of tokens, for machines that have no kernel of their own for it.

        Every query has a cache of its own, gathered for it, and so becomes a sequence of one token. Where the
        choice leaves nothing out, the sequence stays whole.
        """
        if self.selected is None:
            return self
        whole = self.past + self.new <= self.selected
        return replace(
            self,
            seqs=np.where(whole, self.seqs, self.seqs * self.new),
            new=np.where(whole, self.new, 1.0),
            past=np.where(whole, self.past, self.span() - 1.0),
            selected=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Experts(_Operator):
    """Routed expert MLPs: every token goes through `top_k` of `experts` MLPs of width `inner`.

    Attributes:
        m: tokens before routing.
        top_k: experts per token that this chip computes (a fraction of the model's after EP).
        hidden, inner: model width and width of one expert.
        gated: two up projections (SwiGLU) instead of one.
    """

    kind: ClassVar[str] = "experts"
    m: Array
    experts: int
    top_k: float
    hidden: int
    inner: int
    gated: bool = True
    split: Split = "experts"
    weight_bits: float | None = None

    @property
    def weights_per_expert(self) -> int:
        """Elements of one expert's matrices."""
        return (3 if self.gated else 2) * self.hidden * self.inner

    def touched(self) -> Array:
        """Expected number of distinct experts that m tokens reach under uniform routing."""
        miss = np.power(1.0 - self.top_k / self.experts, self.m)
        return np.asarray(self.experts * (1.0 - miss), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv(_Operator):
    """2-D convolution of m images: `n` output channels from `k` input channels, `kernel` x `kernel`.

    Attributes:
        m: images.
        out_size, in_size: side of the (square) output and input feature map.
        groups: channel groups; n and k are totals over groups.
    """

    kind: ClassVar[str] = "conv"
    m: Array
    n: int
    k: int
    kernel: int
    out_size: int
    in_size: int
    groups: int = 1
    split: Split = "column"

    @property
    def depth(self) -> int:
        """Reduction depth of the equivalent matrix product."""
        return self.kernel**2 * self.k // self.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan(_Operator):
    """State-space scan (Mamba-2's SSD) or gated delta rule, with one recurrent state per head.

    In decode the state is read and written once per sequence; a prompt is run in chunks. The delta rule (Yang et al.,
    arXiv:2412.06464, equation 10) subtracts from every value what the state already holds under its key.

    Attributes:
        m: tokens in the step.
        seqs: sequences whose state is loaded and stored.
        heads, head_dim, state: shape of the recurrent state.
        chunk: tokens per chunk of the parallel form (1 in decode).
        delta: the gated delta rule; `state` is the width of a key, `head_dim` that of a value.
        state_bits: stored bits per element of the state where the model fixes them, else None.
    """

    kind: ClassVar[str] = "scan"
    m: Array
    seqs: Array
    heads: int
    head_dim: int
    state: int
    chunk: int = 1
    delta: bool = False
    state_bits: float | None = None
    split: Split = "heads"

    @property
    def elements(self) -> float:
        """Elements of the state of one sequence."""
        return float(self.heads * self.head_dim * self.state)

    def state_bytes(self, usual: float) -> float:
        """Bytes per element of the state, `usual` where the model does not fix them."""
        return usual if self.state_bits is None else self.state_bits / 8.0

    @property
    def token_flops(self) -> float:
        """FLOPs of one token against the state: decay, update, read-out, and for the delta rule a further read."""
        return (8.0 if self.delta else 6.0) * self.elements

    @property
    def delta_flops(self) -> float:
        """FLOPs per token of the chunked form that the delta rule adds to the scan's.

        A second product with the state; inside a chunk keys times keys (arXiv:2412.06464, section 3.3), and the
        inverse of that triangle times keys and values.
        """
        if not self.delta:
            return 0.0
        inside = 2.0 * self.chunk * self.heads * (2.0 * self.state + self.head_dim)
        return 2.0 * self.elements + (inside if self.chunk > 1 else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Elementwise(_Operator):
    """Norms, activations, rotary embeddings, residual adds, softmax of logits, gathers.

    Attributes:
        m: rows (tokens).
        read, write: elements per row that come from and go to memory.
        flops: vector operations per row.
        window: a short convolution that loads and stores its last inputs, of every sequence anew (decode).
        epilogue: elements per row that it reads beside the result of the product in front of it, where a compiler can
            make it the end of that product; None where it is a pass of its own.
    """

    kind: ClassVar[str] = "elementwise"
    m: Array
    read: int
    write: int
    flops: int
    window: bool = False
    split: Split = "none"
    epilogue: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gibbs(_Operator):
    """Chromatic Gibbs sampling of m independent samples on a sparse graph.

    Attributes:
        m: samples.
        nodes, degree, colours: of the interaction graph.
        sweeps: full sweeps per sample and denoising step.
        reads, writes: nodes read out, and nodes clamped or written, per sample and denoising step.
    """

    kind: ClassVar[str] = "gibbs"
    m: Array
    nodes: int
    degree: int
    colours: int
    sweeps: int
    reads: int
    writes: int
    split: Split = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collective(_Operator):
    """Communication inserted by the mapping.

    Attributes:
        pattern: all-reduce | all-gather | reduce-scatter | all-to-all | send | dispatch | combine.
        bytes_: payload per chip (all-reduce: the whole tensor; all-gather: the gathered result;
            all-to-all: what one chip sends in total; send: the message; dispatch, combine: the copies of one
            chip's tokens for all their experts).
        group: chips that take part.
        level: of a send: "up" inside a unit, "out" between units. Groups lie in as many units as they need.
        copies: copies of one token in the payload of a dispatch or combine.
    """

    kind: ClassVar[str] = "collective"
    pattern: Literal["all-reduce", "all-gather", "reduce-scatter", "all-to-all", "send", "dispatch", "combine"]
    bytes_: Array
    group: int
    level: Literal["up", "out"] = "up"
    copies: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary(_Operator):
    """A place where machines spend time that no operator owns: the seam of a layer or of a step.

    Attributes:
        scope: "layer" (once per block of the model) or "step" (once per forward pass).
        m: tokens that cross it.
        hidden: width of what crosses it.
    """

    kind: ClassVar[str] = "boundary"
    scope: Literal["layer", "step"]
    m: Array
    hidden: int


Op = Gemm | Attention | Experts | Conv | Scan | Elementwise | Gibbs | Collective | Boundary
Graph = tuple[Op, ...]
