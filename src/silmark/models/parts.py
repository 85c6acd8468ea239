"""Parts that every transformer shares: embedding, norm, MLP, routed experts, head.

Element-wise operators follow what serving engines fuse: residual add with the norm behind it, activation with
its gate, rotary embedding with the norm of queries and keys. Their FLOPs count one per vector operation and
element as the definition writes it; they matter for small models and weak vector units only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from silmark.graph import Elementwise, Experts, Gemm, Op
from silmark.models.spec import Part
from silmark.workloads.step import Step

NORM_FLOPS = 5
"""Per element: residual add, square, accumulate, scale by the deviation, scale by the weight."""
SILU_FLOPS = 4
"""Per element: exponential, add, divide, multiply; also taken for GELU's polynomial forms."""


def short_convolution(name: str, step: Step, channels: int, kernel: int) -> Elementwise:
    """A depthwise convolution over the last inputs of each channel, with SiLU behind it.

    In decode it also loads and stores its window; over a prompt the window stays on chip.
    """
    decode = step.phase == "decode"
    moved = channels * (kernel if decode else 1)
    flops = channels * (2 * kernel + SILU_FLOPS)
    return Elementwise(name=name, m=step.tokens, read=moved, write=moved, flops=flops, window=decode, split="column")


@dataclass(frozen=True, slots=True)
class Embedding(Part):
    """Lookup of token vectors, plus learned tables that are added to them.

    Attributes:
        tables: rows of each table (vocabulary, positions, token types).
        width: elements of one vector.
    """

    tables: tuple[int, ...]
    width: int

    @property
    def parameters(self) -> int:
        """All tables."""
        return sum(self.tables) * self.width

    @property
    def active(self) -> int:
        """None: a lookup reads one row and multiplies nothing."""
        return 0

    def lower(self, step: Step) -> Iterator[Op]:
        """One gather."""
        read, adds = self.width * len(self.tables), self.width * (len(self.tables) - 1)
        yield Elementwise(name="embedding", m=step.tokens, read=read, write=self.width, flops=adds)


@dataclass(frozen=True, slots=True)
class Norm(Part):
    """RMSNorm or LayerNorm over `width`, fused with the residual add in front of it.

    Attributes:
        learned: learned vectors: 1 (weight), 2 (weight and bias) or 0.
        residual: False where no residual is added (embedding norm, norm behind a mixer).
    """

    name: str
    width: int
    learned: int = 1
    residual: bool = True

    @property
    def parameters(self) -> int:
        """Weight, and bias where there is one."""
        return self.learned * self.width

    def lower(self, step: Step) -> Iterator[Op]:
        """One pass: reads input and residual, writes the normed value and the new residual."""
        moved = self.width * (2 if self.residual else 1)
        yield Elementwise(name=self.name, m=step.tokens, read=moved, write=moved, flops=NORM_FLOPS * self.width)


@dataclass(frozen=True, slots=True)
class Mlp(Part):
    """Dense MLP: two products, or three when gated (gate and up are one matrix, as engines store them).

    Attributes:
        bias: a bias on every product.
    """

    name: str
    hidden: int
    inner: int
    gated: bool = True
    bias: bool = False

    @property
    def parameters(self) -> int:
        """Matrices and biases."""
        ups = 2 if self.gated else 1
        return (ups + 1) * self.hidden * self.inner + (ups * self.inner + self.hidden if self.bias else 0)

    def lower(self, step: Step) -> Iterator[Op]:
        """Up, activation, down."""
        ups = 2 if self.gated else 1
        yield Gemm(name=f"{self.name}.up", m=step.tokens, n=ups * self.inner, k=self.hidden, split="column", parts=ups)
        yield Elementwise(
            name=f"{self.name}.act",
            m=step.tokens,
            read=ups * self.inner,
            write=self.inner,
            flops=(SILU_FLOPS + ups - 1) * self.inner,
            split="column",
            epilogue=0,
        )
        yield Gemm(name=f"{self.name}.down", m=step.tokens, n=self.hidden, k=self.inner, split="row")


@dataclass(frozen=True, slots=True)
class Moe(Part):
    """Routed experts with a linear router, and optionally a shared MLP that every token passes.

    Attributes:
        experts, top_k, inner: routed experts, chosen per token, width of one.
        gated: SwiGLU experts.
        shared: the shared MLP, if any; shared_gate: a learned gate of width `hidden` on it (Qwen2-MoE).
        router_bias, expert_bias: biases of the router and of the experts' products (gpt-oss).
    """

    hidden: int
    experts: int
    top_k: int
    inner: int
    gated: bool = True
    shared: Mlp | None = None
    shared_gate: bool = False
    router_bias: bool = False
    expert_bias: bool = False

    @property
    def _expert(self) -> int:
        return Mlp("expert", self.hidden, self.inner, self.gated, self.expert_bias).parameters

    @property
    def _common(self) -> int:
        router = self.experts * (self.hidden + self.router_bias)
        shared = self.shared.parameters if self.shared else 0
        return router + shared + self.hidden * self.shared_gate

    @property
    def parameters(self) -> int:
        """Router, all experts, shared MLP."""
        return self._common + self.experts * self._expert

    @property
    def active(self) -> int:
        """Router, the chosen experts, shared MLP."""
        return self._common + self.top_k * self._expert

    def lower(self, step: Step) -> Iterator[Op]:
        """Router, choice, experts, shared MLP."""
        m = step.tokens
        yield Gemm(name="router", m=m, n=self.experts, k=self.hidden)
        yield Elementwise(name="router.top_k", m=m, read=self.experts, write=2 * self.top_k, flops=5 * self.experts)
        yield Experts(
            name="experts",
            m=m,
            experts=self.experts,
            top_k=float(self.top_k),
            hidden=self.hidden,
            inner=self.inner,
            gated=self.gated,
        )
        if self.shared:
            for op in self.shared.lower(step):
                # One all-reduce serves the sum of shared and routed experts.
                yield replace(op, joined=True) if isinstance(op, Gemm) and op.split == "row" else op
            width = self.hidden
            # Adds the shared MLP's result to the experts' (and gates it: a dot product of width `hidden`).
            flops = width * (4 if self.shared_gate else 1)
            yield Elementwise(name=f"{self.shared.name}.add", m=m, read=2 * width, write=width, flops=flops)


@dataclass(frozen=True, slots=True)
class Head(Part):
    """Projection to the vocabulary and choice of the next token.

    Attributes:
        tied: its matrix is the embedding's and is counted there.
        bias: a bias per entry.
    """

    hidden: int
    vocab: int
    tied: bool
    bias: bool = False

    @property
    def parameters(self) -> int:
        """The matrix, unless tied, and the bias."""
        return (0 if self.tied else self.hidden * self.vocab) + (self.vocab if self.bias else 0)

    @property
    def active(self) -> int:
        """The matrix, whoever owns it."""
        return self.hidden * self.vocab + (self.vocab if self.bias else 0)

    def lower(self, step: Step) -> Iterator[Op]:
        """The product on the last token of each sequence in prefill, on all tokens otherwise; a softmax."""
        rows = step.seqs if step.phase == "prefill" else step.tokens
        yield Gemm(name="head", m=rows, n=self.vocab, k=self.hidden, split="column")
        yield Elementwise(name="sample", m=rows, read=self.vocab, write=1, flops=5 * self.vocab)


@dataclass(frozen=True, slots=True)
class Pooler(Part):
    """Dense layer with tanh on the first token of every text (BERT)."""

    hidden: int

    @property
    def parameters(self) -> int:
        """Matrix and bias."""
        return self.hidden * (self.hidden + 1)

    def lower(self, step: Step) -> Iterator[Op]:
        """One product of `seqs` rows."""
        yield Gemm(name="pooler", m=step.seqs, n=self.hidden, k=self.hidden, split="column")
