"""What the families share: putting parts together, reading storage, merging equal layers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from silmark.models.config import MAX_LAYERS, Config
from silmark.models.mixers import GroupedAttention
from silmark.models.parts import Embedding, Head, Norm
from silmark.models.spec import Block, Model, Stored

MXFP4_BITS = 4.25
"""4 bits and one 8-bit scale per block of 32 (OCP Microscaling Formats 1.0, table 1)."""
NVFP4_BITS = 4.5
"""4 bits and one 8-bit scale per block of 16."""


def layers(config: Config) -> int:
    """Number of blocks."""
    return config.count("num_hidden_layers", "n_layer", "n_layers", "num_layers", high=MAX_LAYERS)


def merge(blocks: Iterable[Block]) -> tuple[tuple[int, Block], ...]:
    """Groups equal blocks, in the order of their first appearance."""
    return tuple((count, block) for block, count in Counter(blocks).items())


def head_dim(config: Config, hidden: int, heads: int) -> int:
    """Width of one head: its own key, or hidden / heads."""
    if "head_dim" not in config and hidden % heads:
        raise config.fail(f"hidden_size {hidden} is no multiple of {heads} heads", "num_attention_heads")
    return config.count("head_dim", default=max(1, hidden // heads), high=65_536)


def kv_heads(config: Config, heads: int, *keys: str) -> int:
    """Heads of the cache: default as many as query heads, of which they must be a divisor."""
    keys = keys or ("num_key_value_heads",)
    found = config.count(*keys, default=heads, high=heads)
    if heads % found:
        raise config.fail(f"{found} does not divide the {heads} attention heads", keys[0])
    return found


def attention(config: Config, hidden: int, window: int | None = None, qk_norm: int = 0) -> GroupedAttention:
    """Attention under the key names of the Llama family; fields as in GroupedAttention."""
    heads = config.count("num_attention_heads")
    width = head_dim(config, hidden, heads)
    bias = config.flag("attention_bias")
    return GroupedAttention(
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads(config, heads),
        head_dim=width,
        window=window,
        rotary=rotary(config, width),
        qk_norm=qk_norm,
        qkv_bias=bias,
        out_bias=bias,
    )


def sliding_layers(config: Config, count: int, every: int) -> list[bool]:
    """Which layers slide: those that `layer_types` names, or all but each `every`-th."""
    kinds = config.texts("layer_types")
    if not kinds:
        return [(i + 1) % every != 0 for i in range(count)]
    if len(kinds) != count or set(kinds) - {"sliding_attention", "full_attention"}:
        raise config.fail(f"expected {count} times sliding_attention or full_attention", "layer_types")
    return [kind == "sliding_attention" for kind in kinds]


def rotary(config: Config, width: int) -> int:
    """Elements of a head that the rotary embedding turns."""
    share = config.number("partial_rotary_factor", 1.0)
    return config.count("rotary_dim", default=min(width, round(width * share)), high=width)


def decoder(
    config: Config,
    blocks: Iterable[Block],
    hidden: int,
    *,
    tied: bool = False,
    positions: int = 0,
    norm_learned: int = 1,
    head_bias: bool = False,
    vocab: int = 0,
) -> Model:
    """A decoder: embedding, blocks, final norm, head.

    Args:
        config: the file, for vocabulary, context and storage.
        blocks: layer by layer.
        hidden: width of the residual stream.
        tied: what a missing `tie_word_embeddings` means in this family.
        positions: rows of a learned table of positions.
        norm_learned: learned vectors of the final norm.
        head_bias: a bias on the head.
        vocab: rows of the embedding where they differ from `vocab_size`.
    """
    vocab = vocab or config.count("vocab_size")
    tied = config.flag("tie_word_embeddings", tied)
    return Model(
        name=config.name,
        kind="decoder",
        hidden=hidden,
        vocab=vocab,
        stem=(Embedding((vocab, positions) if positions else (vocab,), hidden),),
        blocks=merge(blocks),
        tail=(Norm("norm", hidden, norm_learned), Head(hidden, vocab, tied, head_bias)),
        stored=stored(config),
        max_context=config.count(
            "max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", default=0, low=0
        ),
        source_config=config.where,
        notes=(*_unpredicted(config), *_unquantised(config)),
    )


def _unpredicted(config: Config) -> tuple[str, ...]:
    """A note on the layers that predict further tokens, which are no part of an ordinary step."""
    extra = config.count("num_nextn_predict_layers", "num_mtp_modules", default=0, low=0, high=64)
    return (f"{extra} multi-token prediction layer(s) of the checkpoint are not counted",) if extra else ()


def _unquantised(config: Config) -> tuple[str, ...]:
    """A note on a quantisation that `stored` does not know."""
    if config.child("quantization_config") is None or stored(config) is not None:
        return ()
    return ("quantization_config is not understood: all weights follow the plan's precision",)


def stored(config: Config) -> Stored | None:
    """How the checkpoint is quantised, from `quantization_config` as published on the hub; None if unknown.

    Bits include the scales: GPTQ and AWQ keep a 16-bit scale and a zero point per group of inputs.
    """
    quant = config.child("quantization_config")
    if quant is None:
        return None
    method = quant.text("quant_method")
    if method == "mxfp4":
        return Stored(MXFP4_BITS, "experts")
    if method in ("awq", "gptq"):
        bits = quant.count("bits", high=16)
        group = quant.count("group_size", default=128, low=-1)
        return Stored(bits + (16 + bits) / group if group > 0 else bits, "linears")
    if method in ("fp8", "fbgemm_fp8"):
        return Stored(8.0, "linears")
    if method == "modelopt":
        return Stored(NVFP4_BITS if "NVFP4" in quant.text("quant_algo").upper() else 8.0, "linears")
    if method == "compressed-tensors":
        return _compressed(quant)
    return None


def _compressed(quant: Config) -> Stored | None:
    groups = quant.child("config_groups")
    group = groups.child("group_0") if groups else None
    weights = group.child("weights") if group else None
    if weights is None:
        return None
    bits, size = weights.count("num_bits", high=16), weights.count("group_size", default=0, low=-1)
    scope: Literal["experts", "linears"] = "linears"
    if any("self_attn" in name for name in quant.texts("ignore")):
        scope = "experts"
    return Stored(bits + 16 / size if size > 0 else bits, scope)
