"""Image classifiers: ResNet (arXiv:1512.03385) under the keys of transformers, and ResNeXt."""

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
        groups: groups of channels that do not see each other.
        learned: learned elements per output channel beside the kernel: 2 of a norm, 1 of a bias.
        batch: maps per image.
    """

    name: str
    channels: int
    out: int
    kernel: int
    in_size: int
    out_size: int
    groups: int = 1
    learned: int = 2
    batch: int = 1

    @property
    def parameters(self) -> int:
        """Kernel, and the norm's weight and bias, or the bias."""
        return self.out * (self.channels // self.groups * self.kernel**2 + self.learned)

    def lower(self, step: Step) -> Iterator[Op]:
        """One convolution of `seqs` images; its ReLU is part of it."""
        yield Conv(
            name=self.name,
            m=step.seqs * self.batch,
            n=self.out,
            k=self.channels,
            kernel=self.kernel,
            out_size=self.out_size,
            in_size=self.in_size,
            groups=self.groups,
        )


@dataclass(frozen=True, slots=True)
class Map(Part):
    """An element-wise pass over feature maps: residual add with ReLU, or pooling.

    Attributes:
        read, write, flops: elements and operations per image.
        epilogue: see `silmark.graph.Elementwise`.
    """

    name: str
    read: int
    write: int
    flops: int
    epilogue: int | None = None

    @property
    def parameters(self) -> int:
        """None."""
        return 0

    def lower(self, step: Step) -> Iterator[Op]:
        """One pass over `seqs` images."""
        yield Elementwise(
            name=self.name,
            m=step.seqs,
            read=self.read,
            write=self.write,
            flops=self.flops,
            epilogue=self.epilogue,
        )


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


@dataclass(frozen=True, slots=True)
class Backbone:
    """A ResNet without its classifier; `maps` are channels and side of the map that every stage hands on."""

    stem: tuple[Part, ...]
    blocks: tuple[Block, ...]
    maps: tuple[tuple[int, int], ...]


def resnet(config: Config) -> Model:
    """ResNet with bottleneck or basic layers; the stride sits in the 3 x 3 convolution unless the file moves it."""
    body = backbone(config, config.count("image_size", default=IMAGE, high=65_536))
    channels, size = body.maps[-1]
    labels = config.child("id2label")
    classes = config.count("num_labels", default=len(labels) if labels else 1000)
    pool = Map("pool", channels * size**2, channels, channels * size**2)
    return Model(
        name=config.name,
        kind="vision",
        hidden=channels,
        vocab=classes,
        stem=body.stem,
        blocks=build.merge(body.blocks),
        tail=(pool, Classifier(channels, classes)),
        source_config=config.where,
    )


def backbone(config: Config, image: int) -> Backbone:
    """Stem and stages for images of a side; with `groups` and `width_per_group` a ResNeXt (arXiv:1611.05431)."""
    widths = config.integers("hidden_sizes", low=1, high=65_536) or [256, 512, 1024, 2048]
    depths = config.integers("depths", low=1, high=1000) or [3, 4, 6, 3]
    if len(widths) != len(depths) or len(widths) > 16:
        raise config.fail(f"{len(depths)} depths for {len(widths)} hidden_sizes; expected as many, up to 16", "depths")
    kind = config.text("layer_type", "bottleneck")
    if kind not in ("bottleneck", "basic"):
        raise config.fail(f"{kind[:40]!r} is neither bottleneck nor basic", "layer_type")
    stem_width = config.count("embedding_size", default=64)
    groups = config.count("groups", default=1, high=65_536)
    wider = groups * config.count("width_per_group", default=64, high=65_536)
    half, size = -(-image // 2), -(-image // 4)
    early = config.flag("downsample_in_bottleneck")
    stem = (
        ConvNorm("stem", config.count("num_channels", default=3, high=4096), stem_width, 7, image, half),
        Map("stem.pool", stem_width * half**2, stem_width * size**2, 9 * stem_width * size**2),
    )
    blocks: list[Block] = []
    maps: list[tuple[int, int]] = []
    channels = stem_width
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        stride = 2 if stage or config.flag("downsample_in_first_stage") else 1
        out = -(-size // stride)
        inner = max(1, width // 4 * wider // 64)
        if kind == "bottleneck" and inner % groups:
            raise config.fail(f"{groups} groups do not divide the inner width {inner}", "groups")
        sizes = (size, out, early)
        blocks.append(_layer(f"stage{stage}.first", kind, (channels, inner, width), sizes, groups))
        blocks += [_layer(f"stage{stage}", kind, (width, inner, width), (out, out, early), groups)] * (depth - 1)
        channels, size = width, out
        maps.append((channels, size))
    return Backbone(stem, tuple(blocks), tuple(maps))


def _layer(name: str, kind: str, widths: tuple[int, int, int], sizes: tuple[int, int, bool], groups: int) -> Block:
    """One residual layer; the shortcut is a convolution where shapes change.

    Args:
        widths: channels that come in, of the 3 x 3 convolution, and that leave.
        sizes: side of the map that comes in and that leaves, and whether the first convolution has the stride.
    """
    (channels, inner, width), (size, out, early) = widths, sizes
    if kind == "bottleneck":
        middle = out if early else size
        convs: tuple[ConvNorm, ...] = (
            ConvNorm("reduce", channels, inner, 1, size, middle),
            ConvNorm("conv", inner, inner, 3, middle, out, groups),
            ConvNorm("expand", inner, width, 1, out, out),
        )
    else:
        convs = (ConvNorm("conv1", channels, width, 3, size, out), ConvNorm("conv2", width, width, 3, out, out))
    changed = channels != width or size != out
    shortcut = (ConvNorm("shortcut", channels, width, 1, size, out),) if changed else ()
    total = width * out**2
    return Block(name, (*convs, *shortcut, Map("add", 2 * total, total, 2 * total, epilogue=total)))
