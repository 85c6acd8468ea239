"""Gemma 1 to 3 (text): RMSNorm, gated MLP, tied head; 2 and 3 alternate sliding and full attention."""

from __future__ import annotations

from dataclasses import replace

from silmark.models import build
from silmark.models.config import Config
from silmark.models.mixers import GroupedAttention
from silmark.models.parts import Mlp, Norm
from silmark.models.spec import Block, Model


def _block(name: str, mixer: GroupedAttention, mlp: Mlp) -> Block:
    """Norms before and behind attention and MLP; the residual is added in front of the former."""
    hidden = mixer.hidden
    return Block(
        name,
        (
            Norm("attention.norm", hidden),
            mixer,
            Norm("attention.post", hidden, residual=False),
            Norm("mlp.norm", hidden),
            mlp,
            Norm("mlp.post", hidden, residual=False),
        ),
    )


def _mixer(config: Config, **defaults: int) -> GroupedAttention:
    """Full attention; `defaults` are what missing keys mean, as published files leave out what is usual."""
    hidden = config.count("hidden_size", default=defaults.get("hidden"))
    heads = config.count("num_attention_heads", default=defaults.get("heads"))
    shared = build.kv_heads(config, heads) if "num_key_value_heads" in config else defaults.get("shared", heads)
    if heads % shared:
        raise config.fail(f"missing, and {shared} does not divide the {heads} heads", "num_key_value_heads")
    width, bias = config.count("head_dim", default=256), config.flag("attention_bias")
    return GroupedAttention(hidden, heads, shared, width, rotary=width, qkv_bias=bias, out_bias=bias)


def gemma(config: Config) -> Model:
    """Gemma 1: two norms per layer, full attention."""
    mixer = _mixer(config)
    hidden = mixer.hidden
    mlp = Mlp("mlp", hidden, config.count("intermediate_size"))
    block = Block("layer", (Norm("attention.norm", hidden), mixer, Norm("mlp.norm", hidden), mlp))
    return build.decoder(config, [block] * build.layers(config), hidden, tied=True)


def gemma2(config: Config) -> Model:
    """Gemma 2: every other layer slides over 4,096 tokens, beginning with the first."""
    return _alternating(config, _mixer(config), config.count("intermediate_size"), window=4096, every=2)


def gemma3(config: Config) -> Model:
    """Gemma 3: five layers slide, the sixth sees everything; queries and keys are normed.

    What missing keys mean is taken from transformers' Gemma3TextConfig.
    """
    mixer = _mixer(config, hidden=2304, heads=8, shared=4)
    mixer = replace(mixer, qk_norm=2 * mixer.head_dim)
    every = config.count("sliding_window_pattern", "_sliding_window_pattern", default=6, high=64)
    inner = config.count("intermediate_size", default=9216)
    return _alternating(config, mixer, inner, window=1024, every=every, vocab=262_208)


def _alternating(
    config: Config, full: GroupedAttention, inner: int, *, window: int, every: int, vocab: int | None = None
) -> Model:
    """Layers of which each `every`-th (or those that `layer_types` names) has full attention."""
    count = build.layers(config)
    sliding = build.sliding_layers(config, count, every)
    mlp = Mlp("mlp", full.hidden, inner)
    window = config.count("sliding_window", default=window)
    slide, whole = _block("sliding", replace(full, window=window), mlp), _block("full", full, mlp)
    vocab = config.count("vocab_size", default=vocab)
    blocks = [slide if slides else whole for slides in sliding]
    return build.decoder(config, blocks, full.hidden, tied=True, vocab=vocab)
