"""Parts of networks that make images: residual layers, attention over pixels, and passes that repeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from silmark.graph import Attention, Conv, Elementwise, Gemm, Op
from silmark.models.parts import NORM_FLOPS, SILU_FLOPS, Mlp
from silmark.models.spec import Part
from silmark.workloads.step import Step

PROMPT = 77
"""Tokens of a prompt (CLIP)."""


@dataclass(frozen=True, slots=True)
class Times(Part):
    """Parts that run several times on several maps per image.

    Attributes:
        times: passes per image; maps: per pass and image.
    """

    parts: tuple[Part, ...]
    times: int
    maps: int

    @property
    def parameters(self) -> int:
        """Of the parts, once."""
        return sum(part.parameters for part in self.parts)

    def lower(self, step: Step) -> Iterator[Op]:
        """All operators of a pass, so many times; parts of one shape are one, named after it."""
        inside = Step.forward(step.seqs * self.maps)
        for part, count in Counter(self.parts).items():
            for op in part.lower(inside):
                yield replace(op, name=f"{_shape(part)}.{op.name}", count=op.count * count * self.times)


def _shape(part: Part) -> str:
    """A name for all parts of one shape: the kind, and its sizes."""
    sizes = (getattr(part, field.name) for field in fields(part) if field.name != "name")  # type: ignore[arg-type]
    return "-".join([getattr(part, "name", type(part).__name__.lower()), *map(str, sizes)])


@dataclass(frozen=True, slots=True)
class Conv2d(Part):
    """A convolution with bias from `size` to `out_size` pixels."""

    name: str
    channels: int
    out: int
    kernel: int
    size: int
    out_size: int

    @property
    def parameters(self) -> int:
        """Kernel and bias."""
        return self.out * (self.channels * self.kernel**2 + 1)

    def lower(self, step: Step) -> Iterator[Op]:
        """One convolution."""
        yield Conv(
            name=self.name,
            m=step.seqs,
            n=self.out,
            k=self.channels,
            kernel=self.kernel,
            out_size=self.out_size,
            in_size=self.size,
        )


@dataclass(frozen=True, slots=True)
class Residual(Part):
    """Norm, SiLU and convolution, twice, around them a shortcut; in the U-Net moved by the time's embedding.

    Attributes:
        channels, out: channels in (skip connections included) and out.
        embedding: width of the time's embedding, 0 without one.
    """

    channels: int
    out: int
    size: int
    embedding: int = 0

    @property
    def _convs(self) -> tuple[Conv2d, ...]:
        first = Conv2d("conv1", self.channels, self.out, 3, self.size, self.size)
        second = Conv2d("conv2", self.out, self.out, 3, self.size, self.size)
        if self.channels == self.out:
            return first, second
        return first, second, Conv2d("shortcut", self.channels, self.out, 1, self.size, self.size)

    @property
    def parameters(self) -> int:
        """Convolutions, both norms, and the projection of the time."""
        time = self.out * (self.embedding + 1) if self.embedding else 0
        return sum(conv.parameters for conv in self._convs) + 2 * (self.channels + self.out) + time

    def lower(self, step: Step) -> Iterator[Op]:
        """Two norms with their SiLU, the convolutions, the sum."""
        pixels = step.seqs * float(self.size**2)
        if self.embedding:
            yield Gemm(name="time", m=step.seqs, n=self.out, k=self.embedding, split="column")
        for conv, width in zip(self._convs, (self.channels, self.out, 0), strict=False):
            if width:
                flops = (NORM_FLOPS + SILU_FLOPS) * width
                yield Elementwise(name=f"{conv.name}.norm", m=pixels, read=width, write=width, flops=flops)
            yield from conv.lower(step)
        width = self.out
        yield Elementwise(name="add", m=pixels, read=2 * width, write=width, flops=width, epilogue=width)


@dataclass(frozen=True, slots=True)
class Transformer(Part):
    """Layers of attention over the pixels, attention over the prompt, and a gated MLP, between two projections.

    Attributes:
        width, heads, depth: channels, heads of one layer, layers.
        context: width of the prompt's vectors.
    """

    width: int
    heads: int
    depth: int
    size: int
    context: int

    @property
    def _mlp(self) -> Mlp:
        return Mlp("mlp", self.width, 4 * self.width, bias=True)

    @property
    def parameters(self) -> int:
        """Projections with their norm; per layer two attentions with a bias each, the MLP, three norms."""
        square = self.width**2
        own, other = 4 * square + self.width, 2 * square + 2 * self.width * self.context + self.width
        layer = own + other + self._mlp.parameters + 6 * self.width
        return self.depth * layer + 2 * (square + self.width) + 2 * self.width

    def lower(self, step: Step) -> Iterator[Op]:
        """Projection in, the layers (each `depth` times), projection out with the sum."""
        width, m = self.width, step.seqs * float(self.size**2)
        norm = Elementwise(name="norm.in", m=m, read=width, write=width, flops=NORM_FLOPS * width)
        yield norm
        yield Gemm(name="in", m=m, n=width, k=width, split="column")
        inside = Step.forward(step.seqs, self.size**2)
        prompt = step.seqs * float(PROMPT)
        each: list[Op] = [
            replace(norm, name="self.norm"),
            Gemm(name="self.qkv", m=m, n=3 * width, k=width, split="column"),
            pixels(inside, self.heads, width // self.heads),
            Gemm(name="self.out", m=m, n=width, k=width, split="row"),
            replace(norm, name="cross.norm", read=2 * width, write=2 * width),
            Gemm(name="cross.q", m=m, n=width, k=width, split="column"),
            Gemm(name="cross.kv", m=prompt, n=2 * width, k=self.context, split="column"),
            Elementwise(name="cross", m=m, read=width, write=width, flops=0),
            Gemm(name="cross.out", m=m, n=width, k=width, split="row"),
            replace(norm, name="mlp.norm", read=2 * width, write=2 * width),
            *self._mlp.lower(inside),
        ]
        yield from (replace(op, count=float(self.depth)) for op in each)
        yield Gemm(name="out", m=m, n=width, k=width, split="row")
        yield Elementwise(name="add", m=m, read=2 * width, write=width, flops=width, epilogue=width)


@dataclass(frozen=True, slots=True)
class Dense(Part):
    """Two dense layers with SiLU between them: embeddings of time and size."""

    name: str
    inputs: int
    width: int

    @property
    def parameters(self) -> int:
        """Matrices and biases."""
        return self.width * (self.inputs + 1) + self.width * (self.width + 1)

    def lower(self, step: Step) -> Iterator[Op]:
        """Two products of a row per image."""
        yield Gemm(name=f"{self.name}1", m=step.seqs, n=self.width, k=self.inputs, split="column")
        yield Gemm(name=f"{self.name}2", m=step.seqs, n=self.width, k=self.width, split="row")


@dataclass(frozen=True, slots=True)
class Middle(Part):
    """Attention of one head over all pixels of the decoder's smallest map, with biases."""

    width: int
    size: int

    @property
    def parameters(self) -> int:
        """Four products and a norm."""
        return 4 * self.width * (self.width + 1) + 2 * self.width

    def lower(self, step: Step) -> Iterator[Op]:
        """Norm, projections, attention, output."""
        m, width = step.seqs * float(self.size**2), self.width
        yield Elementwise(name="norm", m=m, read=width, write=width, flops=NORM_FLOPS * width)
        yield Gemm(name="qkv", m=m, n=3 * width, k=width, split="column")
        yield pixels(Step.forward(step.seqs, self.size**2), 1, width)
        yield Gemm(name="out", m=m, n=width, k=width, split="row")


@dataclass(frozen=True, slots=True)
class GroupNorm(Part):
    """Norm and SiLU in front of the last convolution."""

    width: int
    size: int

    @property
    def parameters(self) -> int:
        """Weight and bias."""
        return 2 * self.width

    def lower(self, step: Step) -> Iterator[Op]:
        """One pass."""
        m, flops = step.seqs * float(self.size**2), (NORM_FLOPS + SILU_FLOPS) * self.width
        yield Elementwise(name="norm", m=m, read=self.width, write=self.width, flops=flops)


def pixels(step: Step, heads: int, width: int) -> Attention:
    """Attention of every pixel over all pixels of its map."""
    return Attention(
        name="attention",
        seqs=step.seqs,
        new=step.new,
        past=step.past,
        heads=heads,
        kv_heads=heads,
        qk_dim=width,
        v_dim=width,
        kv_width=2 * heads * width,
        causal=False,
    )
