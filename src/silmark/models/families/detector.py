"""Object detectors: RetinaNet (arXiv:1708.02002) as torchvision builds it, on a ResNet or ResNeXt."""

from __future__ import annotations

from silmark.models import build
from silmark.models.config import Config
from silmark.models.families.vision import ConvNorm, Map, backbone
from silmark.models.spec import Block, Model, Part

_IMAGE = 800
"""Side of the input where the file does not say: MLPerf's."""


def retinanet(config: Config) -> Model:
    """Backbone, feature pyramid of five levels, and two heads of 3 x 3 convolutions on every level.

    Boxes overlap and are thinned out at the end: every score becomes a probability, and the best are chosen from them,
    which is described as one pass that writes them and one that reads them again.
    """
    inner = config.child("backbone_config")
    if inner is None:
        raise config.fail("missing; expected the object that describes a ResNet", "backbone_config")
    body = backbone(inner, config.count("image_size", default=_IMAGE, high=65_536))
    if len(body.maps) < 3:
        raise inner.fail(f"{len(body.maps)} stages; expected at least 3", "depths")
    width = config.count("fpn_channels", default=256, high=65_536)
    sizes = [size for _, size in body.maps[-3:]]
    pyramid: list[Part] = [ConvNorm(f"lateral{s}", c, width, 1, s, s, learned=1) for c, s in body.maps[-3:]]
    pyramid += [
        Map(f"upsample{s}", 2 * width * s**2, width * s**2, width * s**2, epilogue=width * s**2) for s in sizes[:-1]
    ]
    pyramid += [ConvNorm(f"smooth{s}", width, width, 3, s, s, learned=1) for s in sizes]
    for level in range(2):
        sizes.append(-(-sizes[-1] // 2))
        pyramid.append(ConvNorm(f"coarse{level}", width, width, 3, sizes[-2], sizes[-1], learned=1))
    anchors, classes = config.count("num_anchors", default=9, high=1024), config.count("num_labels", high=10**6)
    depth = config.count("head_layers", default=4, high=100)
    outs = anchors * classes, 4 * anchors
    heads = [_head(f"level{i}", size, width, outs, depth, shared=i > 0) for i, size in enumerate(sizes)]
    scores = anchors * classes * sum(size**2 for size in sizes)
    return Model(
        name=config.name,
        kind="vision",
        hidden=width,
        vocab=classes,
        stem=body.stem,
        blocks=build.merge([*body.blocks, Block("pyramid", tuple(pyramid)), *heads]),
        tail=(Map("boxes", 2 * scores, scores, 5 * scores),),
        source_config=config.where,
    )


def _head(name: str, size: int, width: int, outs: tuple[int, int], depth: int, *, shared: bool) -> Block:
    """Both heads on one level; all levels share the weights of the first."""
    one = _Shared if shared else ConvNorm
    parts: list[Part] = []
    for what, out in zip(("class", "box"), outs, strict=True):
        parts += [one(f"{what}.conv{i}", width, width, 3, size, size, learned=1) for i in range(depth)]
        parts.append(one(f"{what}.out", width, out, 3, size, size, learned=1))
    return Block(name, tuple(parts))


class _Shared(ConvNorm):
    """A convolution whose weights another one owns."""

    __slots__ = ()

    @property
    def parameters(self) -> int:
        """None of its own."""
        return 0
