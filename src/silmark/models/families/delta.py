"""Hybrids of gated delta-rule layers and attention with routed experts: Qwen3-Next, Qwen3.5."""

from __future__ import annotations

from dataclasses import replace

from silmark.models import build
from silmark.models.config import Config
from silmark.models.families.moe import experts
from silmark.models.mixers import Mamba2
from silmark.models.parts import Mlp, Moe, Norm
from silmark.models.spec import Block, Model, Part

_CHUNK = 64
"""Tokens per chunk of the parallel form in the reference kernels (Yang et al., arXiv:2412.06464)."""


def qwen3_5_moe(config: Config) -> Model:
    """Three gated delta-rule layers, then one of full attention; every layer routed, with a gated shared expert.

    A gated delta-rule layer has the products, the short convolution and the recurrent state of a Mamba-2 layer whose
    heads are the value heads and whose B and C vectors are the keys and queries. It is described as one: what is left
    out is a scalar per head and token, and the second product with the state inside of the scan.
    """
    hidden, count = config.count("hidden_size"), build.layers(config)
    heads = config.count("linear_num_value_heads")
    linear = Mamba2(
        hidden=hidden,
        heads=heads,
        head_dim=config.count("linear_value_head_dim"),
        state=config.count("linear_key_head_dim"),
        groups=config.count("linear_num_key_heads", high=heads),
        kernel=config.count("linear_conv_kernel_dim", default=4, high=1024),
        chunk=_CHUNK,
        conv_bias=False,
    )
    width = build.head_dim(config, hidden, config.count("num_attention_heads"))
    full = build.attention(config, hidden, qk_norm=2 * width)
    shared = Mlp("shared", hidden, config.count("shared_expert_intermediate_size"))
    moe = replace(experts(config, hidden, config.count("moe_intermediate_size")), shared=shared, shared_gate=True)
    every = config.count("full_attention_interval", default=4, high=count)
    kinds = config.texts("layer_types") or tuple(
        "linear_attention" if (i + 1) % every else "full_attention" for i in range(count)
    )
    if len(kinds) != count or set(kinds) - {"linear_attention", "full_attention"}:
        raise config.fail(f"expected {count} of linear_attention and full_attention", "layer_types")
    config.flag("attn_output_gate")  # Its product is 3 % of the active weights and is not described.
    layers = {"linear_attention": _layer("delta", linear, moe), "full_attention": _layer("full", full, moe)}
    model = build.decoder(config, [layers[kind] for kind in kinds], hidden)
    return replace(model, notes=(*model.notes, "gated delta-rule layers are described as Mamba-2 layers"))


def _layer(name: str, mixer: Part, moe: Moe) -> Block:
    hidden = moe.hidden
    return Block(name, (Norm("mixer.norm", hidden), mixer, Norm("mlp.norm", hidden), moe))
