"""Hybrids of gated delta-rule layers and attention with routed experts: Qwen3-Next, Qwen3.5, Kimi Linear."""

from __future__ import annotations

from dataclasses import replace

from silmark.models import build
from silmark.models.config import Config
from silmark.models.families.mla import latent
from silmark.models.families.moe import experts
from silmark.models.gated_delta import GatedDelta
from silmark.models.parts import Mlp, Moe, Norm
from silmark.models.spec import Block, Model, Part

_ROTATED = 0.25
"""Share of a head that Qwen turns where the file does not say."""


def qwen3_5_moe(config: Config) -> Model:
    """Three gated delta-rule layers, then one of gated attention; every layer routed, with a gated shared expert."""
    hidden, count = config.count("hidden_size"), build.layers(config)
    heads = config.count("linear_num_value_heads")
    linear = GatedDelta(
        hidden=hidden,
        key_heads=config.count("linear_num_key_heads", high=heads),
        key_dim=config.count("linear_key_head_dim"),
        heads=heads,
        head_dim=config.count("linear_value_head_dim"),
        kernel=config.count("linear_conv_kernel_dim", default=4, high=1024),
    )
    width = build.head_dim(config, hidden, config.count("num_attention_heads"))
    full = build.attention(config, hidden, qk_norm=2 * width)
    turned = round(width * config.number("partial_rotary_factor", _ROTATED))
    full = replace(full, gated=config.flag("attn_output_gate", True), rotary=turned)
    shared = Mlp("shared", hidden, config.count("shared_expert_intermediate_size"))
    moe = replace(experts(config, hidden, config.count("moe_intermediate_size")), shared=shared, shared_gate=True)
    if config.integers("mlp_only_layers") or config.count("decoder_sparse_step", default=1, high=count) > 1:
        raise config.fail("layers without routed experts are not supported", "mlp_only_layers")
    config.accept("intermediate_size")  # Of dense layers, of which there are none.
    every = config.count("full_attention_interval", default=4, high=count)
    kinds = config.texts("layer_types") or tuple(
        "linear_attention" if (i + 1) % every else "full_attention" for i in range(count)
    )
    if len(kinds) != count or set(kinds) - {"linear_attention", "full_attention"}:
        raise config.fail(f"expected {count} of linear_attention and full_attention", "layer_types")
    layers = {"linear_attention": _layer("linear", linear, moe), "full_attention": _layer("full", full, moe)}
    return build.decoder(config, [layers[kind] for kind in kinds], hidden)


def kimi_linear(config: Config) -> Model:
    """Kimi Linear: three layers of Kimi delta attention, then one of latent attention; the first MLP is dense."""
    hidden, count = config.count("hidden_size"), build.layers(config)
    own = config.child("linear_attn_config")
    if own is None:
        raise config.fail(
            "missing; expected an object with num_heads, head_dim and full_attn_layers", "linear_attn_config"
        )
    heads, width = own.count("num_heads"), own.count("head_dim")
    linear = GatedDelta(
        hidden=hidden,
        key_heads=heads,
        key_dim=width,
        heads=heads,
        head_dim=width,
        kernel=own.count("short_conv_kernel_size", default=4, high=1024),
        gate_rank=width,
    )
    full, all_layers = set(own.integers("full_attn_layers", low=1, high=count)), set(range(1, count + 1))
    if set(own.integers("kda_layers", low=1, high=count)) != all_layers - full:
        raise own.fail(f"expected the layers of 1 to {count} that full_attn_layers leaves out", "kda_layers")
    mixer = latent(config, hidden)
    if config.flag("mla_use_nope"):
        mixer = replace(mixer, turned=False)
    inner = config.count("moe_intermediate_size")
    shared = Mlp("shared", hidden, inner * config.count("num_shared_experts", default=1, high=1024))
    moe = replace(experts(config, hidden, inner, router_bias=True), shared=shared)
    simple = Mlp("mlp", hidden, config.count("intermediate_size"))
    first = config.count("first_k_dense_replace", default=0, low=0, high=count)
    if config.count("moe_layer_freq", default=1, high=count) > 1:
        raise config.fail("only 1 is supported", "moe_layer_freq")

    def layer(index: int) -> Block:
        attends, dense = index + 1 in full, index < first
        name = f"{'dense.' if dense else ''}{'full' if attends else 'linear'}"
        return _layer(name, mixer if attends else linear, simple if dense else moe)

    return build.decoder(config, [layer(i) for i in range(count)], hidden)


def _layer(name: str, mixer: Part, mlp: Mlp | Moe) -> Block:
    hidden = mlp.hidden
    return Block(name, (Norm("mixer.norm", hidden), mixer, Norm("mlp.norm", hidden), mlp))
