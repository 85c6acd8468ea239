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

from dataclasses import dataclass
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
    """

    kind: ClassVar[str] = "gemm"
    m: Array
    n: int
    k: int
    groups: int = 1
    split: Split = "none"
    weight_bits: float | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention(_Operator):
    """Scores, softmax and weighted sum of `seqs` sequences over their cached context.

    Attributes:
        seqs: sequences.
        new: new (query) tokens per sequence; 1 in decode.
        past: tokens cached before this step, per sequence.
        heads, kv_heads: query heads and heads of the cache (MLA in absorbed form: 1).
        qk_dim, v_dim: widths of one head in scores and in values.
        kv_width: elements cached per token and layer (GQA: 2 * kv_heads * head_dim; MLA: latent + rope).
        window: sliding window in tokens, None for full attention.
        causal: False for encoders.
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
    causal: bool = True
    split: Split = "heads"

    def span(self) -> Array:
        """Mean number of tokens that one query token attends to (window and causality counted)."""
        if not self.causal:
            return np.asarray(self.past + self.new, dtype=np.float64)
        full = self.past + (self.new + 1) / 2
        if self.window is None:
            return np.asarray(full, dtype=np.float64)
        # Query i sees min(window, past + i) tokens, i = 1 .. new: a ramp that saturates.
        ramp = np.clip(self.window - self.past, 0, self.new)
        inside = ramp * (self.past + (ramp + 1) / 2)
        return np.asarray((inside + (self.new - ramp) * self.window) / self.new, dtype=np.float64)

    def cached(self) -> Array:
        """Tokens of the cache that one sequence must read."""
        total = self.past + self.new
        return np.asarray(total if self.window is None else np.minimum(total, self.window + self.new - 1))


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
    """State-space scan (Mamba-2's SSD) with one recurrent state per head.

    In decode the state is read and written once per sequence; a prompt is run in chunks.

    Attributes:
        m: tokens in the step.
        seqs: sequences whose state is loaded and stored.
        heads, head_dim, state: shape of the recurrent state.
        chunk: tokens per chunk of the parallel form (1 in decode).
    """

    kind: ClassVar[str] = "scan"
    m: Array
    seqs: Array
    heads: int
    head_dim: int
    state: int
    chunk: int = 1
    split: Split = "heads"


@dataclass(frozen=True, slots=True, kw_only=True)
class Elementwise(_Operator):
    """Norms, activations, rotary embeddings, residual adds, softmax of logits, gathers.

    Attributes:
        m: rows (tokens).
        read, write: elements per row that come from and go to memory.
        flops: vector operations per row.
    """

    kind: ClassVar[str] = "elementwise"
    m: Array
    read: int
    write: int
    flops: int
    split: Split = "none"


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
        pattern: all-reduce | all-gather | reduce-scatter | all-to-all | send.
        bytes_: payload per chip (all-reduce: the whole tensor; all-gather: the gathered result;
            all-to-all: what one chip sends in total; send: the message).
        group: chips that take part.
        level: "up" inside the scale-up domain, "out" beyond it.
    """

    kind: ClassVar[str] = "collective"
    pattern: Literal["all-reduce", "all-gather", "reduce-scatter", "all-to-all", "send"]
    bytes_: Array
    group: int
    level: Literal["up", "out"] = "up"


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
