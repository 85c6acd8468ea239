"""Latent diffusion: the U-Net of Stable Diffusion XL (arXiv:2307.01952) under the keys of diffusers, and its decoder.

An image is `num_inference_steps` passes of the U-Net - two maps each, with and without the prompt, where guidance is
on - and one pass of the decoder. Text encoders are left out (0.1 % of the work), and so are the scores of attention
over the 77 tokens of the prompt (1 %).
"""

from __future__ import annotations

from silmark.models.config import Config
from silmark.models.pixels import Conv2d, Dense, GroupNorm, Middle, Residual, Times, Transformer
from silmark.models.spec import Block, Model, Part

_DECODER = (512, 512, 256, 128)
"""Channels of the decoder's levels, from the latent to the image."""


def unet(config: Config) -> Model:
    """`UNet2DConditionModel` of SDXL; `num_inference_steps`, `guidance` and `image_size` are of the pipeline."""
    widths = config.integers("block_out_channels", low=1, high=65_536) or [320, 640, 1280]
    depths = config.integers("transformer_layers_per_block", high=1000) or [0, 2, 10]
    heads = config.integers("attention_head_dim", low=1, high=65_536) or [5, 10, 20]
    if not len(widths) == len(depths) == len(heads) <= 16:
        raise config.fail(
            "as many numbers as block_out_channels are expected, up to 16", "transformer_layers_per_block"
        )
    if any(width % count for width, count in zip(widths, heads, strict=True)):
        raise config.fail("heads do not divide the channels", "attention_head_dim")
    context = config.count("cross_attention_dim", default=2048)
    side = config.count("sample_size", default=128, high=8192)
    layers = config.count("layers_per_block", default=2, high=64)
    latent = config.count("in_channels", default=4, high=4096)
    embedding = 4 * widths[0]
    sizes = [-(-side // 2**level) for level in range(len(widths))]
    added = config.count("projection_class_embeddings_input_dim", default=2816)
    parts: list[Part] = [Dense("time", widths[0], embedding), Dense("size", added, embedding)]
    parts.append(Conv2d("in", latent, widths[0], 3, side, side))

    def mix(level: int) -> list[Part]:
        depth = depths[level]
        return [Transformer(widths[level], heads[level], depth, sizes[level], context)] if depth else []

    skips, last = [widths[0]], widths[0]
    for level, width in enumerate(widths):
        for _ in range(layers):
            parts += [Residual(last, width, sizes[level], embedding), *mix(level)]
            last = width
            skips.append(width)
        if level + 1 < len(widths):
            parts.append(Conv2d("down", width, width, 3, sizes[level], sizes[level + 1]))
            skips.append(width)
    middle = Residual(last, last, sizes[-1], embedding)
    parts += [middle, *mix(-1), middle]
    for level in reversed(range(len(widths))):
        for _ in range(layers + 1):
            parts += [Residual(last + skips.pop(), widths[level], sizes[level], embedding), *mix(level)]
            last = widths[level]
        if level:
            parts.append(Conv2d("up", last, last, 3, sizes[level - 1], sizes[level - 1]))
    parts += [GroupNorm(last, side), Conv2d("out", last, latent, 3, side, side)]
    config.accept(
        "addition_embed_type", "addition_time_embed_dim", "down_block_types", "up_block_types", "out_channels"
    )
    config.accept("use_linear_projection")
    steps = config.count("num_inference_steps", default=20, high=10_000)
    maps = 2 if config.flag("guidance", True) else 1
    blocks = (
        (1, Block("unet", (Times(tuple(parts), steps, maps),))),
        (1, Block("decoder", (Times(decoder(side, latent), 1, 1),))),
    )
    return Model(
        name=config.name,
        kind="vision",
        hidden=last,
        vocab=latent,
        stem=(),
        blocks=blocks,
        tail=(),
        source_config=config.where,
        notes=("text encoders are not counted; attention over the prompt without its scores",),
    )


def decoder(side: int, latent: int) -> tuple[Part, ...]:
    """From the latent to the image, eight times its side (the decoder of diffusers' AutoencoderKL)."""
    width = _DECODER[0]
    parts: list[Part] = [Conv2d("quant", latent, latent, 1, side, side), Conv2d("in", latent, width, 3, side, side)]
    parts += [Residual(width, width, side), Middle(width, side), Residual(width, width, side)]
    last = width
    for level, width in enumerate(_DECODER):
        size = side * 2**level
        for _ in range(3):
            parts.append(Residual(last, width, size))
            last = width
        if level + 1 < len(_DECODER):
            parts.append(Conv2d("up", width, width, 3, 2 * size, 2 * size))
    size = side * 2 ** (len(_DECODER) - 1)
    return (*parts, GroupNorm(last, size), Conv2d("out", last, 3, 3, size, size))
