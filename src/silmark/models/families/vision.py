"""Image classifiers: ResNet (arXiv:1512.03385) under the keys of transformers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from silmark.graph import Conv, Elementwise, Gemm, Op
from silmark.models import build
from silmark.models.config import Config
from silmark.models.spec import Block, Model, Part
from silmark.workloads.step import Step

IMAGE = 224
"""Side of the input in pixels where the file does not say (`image_size`); the file of ResNet does not."""


@dataclass(frozen=True, slots=True)
class ConvNorm(Part):
    """Convolution without bias and its batch norm, which inference folds into the weights.

    Attributes:
        channels, out: input and output channels.
        in_size, out_size: sides of the feature maps.
    """

    name: str
    channels: int
    out: int
    kernel: int
    in_size: int
    out_size: int

    @property
    def parameters(self) -> int:
        """Kernel, and the norm's weight and bias."""
        return self.out * (self.channels * self.kernel**2 + 2)

    def lower(self, step: Step) -> Iterator[Op]:
        """One convolution of `seqs` images; its ReLU is part of it."""
        yield Conv(
            name=self.name,
            m=step.seqs,
            n=self.out,
            k=self.channels,
            kernel=self.kernel,
            out_size=self.out_size,
            in_size=self.in_size,
        )


@dataclass(frozen=True, slots=True)
class Map(Part):
    """An element-wise pass over feature maps: residual add with ReLU, or pooling.

    Attributes:
        read, write, flops: elements and operations per image.
    """

    name: str
    read: int
    write: int
    flops: int

    @property
    def parameters(self) -> int:
        """None."""
        return 0

    def lower(self, step: Step) -> Iterator[Op]:
        """One pass over `seqs` images."""
        yield Elementwise(name=self.name, m=step.seqs, read=self.read, write=self.write, flops=self.flops)


@dataclass(frozen=True, slots=True)
class Classifier(Part):
    """Dense layer with bias on the pooled features."""

    hidden: int
    classes: int

    @property
    def parameters(self) -> int:
        """Matrix and bias."""
        return self.classes * (self.hidden + 1)

    def lower(self, step: Step) -> Iterator[Op]:
        """One product of `seqs` rows."""
        yield Gemm(name="classifier", m=step.seqs, n=self.classes, k=self.hidden, split="column")


def resnet(config: Config) -> Model:
    """ResNet with bottleneck or basic layers; the stride sits in the 3 x 3 convolution unless the file moves it."""
    widths = config.integers("hidden_sizes", low=1, high=65_536) or [256, 512, 1024, 2048]
    depths = config.integers("depths", low=1, high=1000) or [3, 4, 6, 3]
    if len(widths) != len(depths) or len(widths) > 16:
        raise config.fail(f"{len(depths)} depths for {len(widths)} hidden_sizes; expected as many, up to 16", "depths")
    kind = config.text("layer_type", "bottleneck")
    if kind not in ("bottleneck", "basic"):
        raise config.fail(f"{kind[:40]!r} is neither bottleneck nor basic", "layer_type")
    stem_width = config.count("embedding_size", default=64)
    image = config.count("image_size", default=IMAGE, high=65_536)
    half, size = -(-image // 2), -(-image // 4)
    early = config.flag("downsample_in_bottleneck")
    stem = (
        ConvNorm("stem", config.count("num_channels", default=3, high=4096), stem_width, 7, image, half),
        Map("stem.pool", stem_width * half**2, stem_width * size**2, 9 * stem_width * size**2),
    )
    blocks: list[Block] = []
    channels = stem_width
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        stride = 2 if stage or config.flag("downsample_in_first_stage") else 1
        out = -(-size // stride)
        blocks.append(_layer(f"stage{stage}.first", kind, channels, width, size, out, early))
        blocks += [_layer(f"stage{stage}", kind, width, width, out, out, early)] * (depth - 1)
        channels, size = width, out
    labels = config.child("id2label")
    classes = config.count("num_labels", default=len(labels) if labels else 1000)
    pool = Map("pool", channels * size**2, channels, channels * size**2)
    return Model(
        name=config.name,
        kind="vision",
        hidden=channels,
        vocab=classes,
        stem=stem,
        blocks=build.merge(blocks),
        tail=(pool, Classifier(channels, classes)),
        source_config=config.where,
    )


def _layer(name: str, kind: str, channels: int, width: int, size: int, out: int, early: bool) -> Block:
    """One residual layer from `size` to `out` pixels; the shortcut is a convolution where shapes change."""
    if kind == "bottleneck":
        inner, middle = max(1, width // 4), out if early else size
        convs: tuple[ConvNorm, ...] = (
            ConvNorm("reduce", channels, inner, 1, size, middle),
            ConvNorm("conv", inner, inner, 3, middle, out),
            ConvNorm("expand", inner, width, 1, out, out),
        )
    else:
        convs = (ConvNorm("conv1", channels, width, 3, size, out), ConvNorm("conv2", width, width, 3, out, out))
    changed = channels != width or size != out
    shortcut = (ConvNorm("shortcut", channels, width, 1, size, out),) if changed else ()
    total = width * out**2
    return Block(name, (*convs, *shortcut, Map("add", 2 * total, total, 2 * total)))
