"""Grouped-query attention with routed experts: Mixtral, Qwen-MoE, gpt-oss, Llama 4, MiniMax-M2, GLM-4.5."""

from __future__ import annotations

from dataclasses import replace

from silmark.models import build
from silmark.models.config import Config
from silmark.models.families.llama import block, dense, window
from silmark.models.mixers import GroupedAttention
from silmark.models.parts import Mlp, Moe
from silmark.models.spec import Block, Model

MAX_EXPERTS = 65_536


def experts(config: Config, hidden: int, inner: int, *, gated: bool = True, router_bias: bool = False) -> Moe:
    """Routed experts of width `inner`."""
    count = config.count("num_local_experts", "num_experts", "n_routed_experts", high=MAX_EXPERTS)
    top = config.count("num_experts_per_tok", "num_experts_per_token", "experts_per_token", high=count)
    return Moe(hidden, count, top, inner, gated, router_bias=router_bias)


def mixtral(config: Config) -> Model:
    """Mixtral: every layer routed."""
    hidden = config.count("hidden_size")
    moe = experts(config, hidden, config.count("intermediate_size"))
    layer = block("layer", build.attention(config, hidden, window(config)), moe)
    return build.decoder(config, [layer] * build.layers(config), hidden)


def qwen_moe(config: Config) -> Model:
    """Qwen2-MoE (shared expert behind a gate, biases on q, k, v) and Qwen3-MoE (norms of queries and keys)."""
    hidden, count = config.count("hidden_size"), build.layers(config)
    second = config.text("model_type") == "qwen2_moe" or "Qwen2MoeForCausalLM" in config.texts("architectures")
    width = build.head_dim(config, hidden, config.count("num_attention_heads"))
    size = window(config) if config.flag("use_sliding_window") else None
    config.accept("sliding_window", "max_window_layers")  # Without effect while use_sliding_window is off.
    if second:
        mixer = replace(build.attention(config, hidden, size), qkv_bias=True, out_bias=False)
    else:
        mixer = build.attention(config, hidden, size, qk_norm=2 * width)
    moe = experts(config, hidden, config.count("moe_intermediate_size"))
    if second:
        shared = Mlp("shared", hidden, config.count("shared_expert_intermediate_size"))
        moe = replace(moe, shared=shared, shared_gate=True)
    plain = set(config.integers("mlp_only_layers"))
    step = config.count("decoder_sparse_step", default=1, high=count)
    routed, simple = block("moe", mixer, moe), block("dense", mixer, dense(config, hidden))
    choice = [simple if i in plain or (i + 1) % step else routed for i in range(count)]
    return build.decoder(config, choice, hidden)


def gpt_oss(config: Config) -> Model:
    """gpt-oss: biases everywhere, a learned sink per head, every other layer slides over 128 tokens."""
    hidden, count = config.count("hidden_size"), build.layers(config)
    moe = replace(experts(config, hidden, config.count("intermediate_size"), router_bias=True), expert_bias=True)
    bias = config.flag("attention_bias", True)

    def layer(name: str, size: int | None) -> Block:
        mixer = replace(build.attention(config, hidden, size), sinks=True, qkv_bias=bias, out_bias=bias)
        return block(name, mixer, moe)

    slide, full = layer("sliding", config.count("sliding_window", default=128)), layer("full", None)
    sliding = build.sliding_layers(config, count, 2)
    config.accept("experts_per_token")
    return build.decoder(config, [slide if s else full for s in sliding], hidden)


def llama4(config: Config) -> Model:
    """Llama 4 (text): one routed and one shared expert, in every layer or every other one.

    Three of four layers attend inside chunks of 8,192 tokens. A chunk is described as a sliding window of that
    size: the same cache, and up to twice the scores of a token that stands early in its chunk.
    """
    hidden, count = config.count("hidden_size"), build.layers(config)
    inner = config.count("intermediate_size")
    moe = replace(experts(config, hidden, inner), shared=Mlp("shared", hidden, inner))
    mlp = Mlp("mlp", hidden, config.count("intermediate_size_mlp", default=2 * inner))
    step = config.count("interleave_moe_layer_step", default=1, high=count)
    routed = set(config.integers("moe_layers")) or set(range(step - 1, count, step))
    rotated = config.integers("no_rope_layers", high=1)  # 1 where a layer has rotary embedding, in spite of its name
    every = config.count("no_rope_layer_interval", default=4)
    chunk = config.count("attention_chunk_size", default=8192)
    config.flag("use_qk_norm")  # Without learned weights.

    def layer(index: int) -> Block:
        local = bool(rotated[index]) if index < len(rotated) else (index + 1) % every != 0
        mixer = build.attention(config, hidden, chunk if local else None)
        mixer = mixer if local else replace(mixer, rotary=0)
        kind = "moe" if index in routed else "dense"
        return block(f"{kind}.{'local' if local else 'full'}", mixer, moe if index in routed else mlp)

    model = build.decoder(config, [layer(i) for i in range(count)], hidden)
    note = "attention in chunks is described as a sliding window of the same size"
    return replace(model, notes=(*model.notes, note))


def minimax_m2(config: Config) -> Model:
    """MiniMax-M2: full attention, norms over all queries and all keys, every layer routed."""
    if config.count("shared_intermediate_size", default=0, low=0):
        raise config.fail("a shared expert is not supported", "shared_intermediate_size")
    hidden = config.count("hidden_size")
    heads = config.count("num_attention_heads")
    width = build.head_dim(config, hidden, heads)
    if 0 in config.integers("attn_type_list"):
        raise config.fail("layers with linear attention are not supported", "attn_type_list")
    kind = config.text("qk_norm_type", "per_layer")
    if kind != "per_layer":
        raise config.fail(f"{kind!r} is not per_layer", "qk_norm_type")
    norms = (heads + build.kv_heads(config, heads)) * width if config.flag("use_qk_norm", True) else 0
    bias = config.flag("use_routing_bias", True)
    moe = experts(config, hidden, config.count("intermediate_size"), router_bias=bias)
    layer = block("layer", build.attention(config, hidden, qk_norm=norms), moe)
    return build.decoder(config, [layer] * build.layers(config), hidden)


def glm4_moe(config: Config) -> Model:
    """GLM-4.5: the first layers dense, then routed with shared experts; biases on q, k and v."""
    hidden, count = config.count("hidden_size"), build.layers(config)
    width = build.head_dim(config, hidden, config.count("num_attention_heads"))
    norms = 2 * width if config.flag("use_qk_norm") else 0
    mixer: GroupedAttention = replace(build.attention(config, hidden, qk_norm=norms), out_bias=False)
    inner = config.count("moe_intermediate_size")
    shared = Mlp("shared", hidden, inner * config.count("n_shared_experts", default=1, high=1024))
    routed = block("moe", mixer, replace(experts(config, hidden, inner, router_bias=True), shared=shared))
    first = config.count("first_k_dense_replace", default=0, low=0, high=count)
    simple = block("dense", mixer, dense(config, hidden))
    return build.decoder(config, [simple] * first + [routed] * (count - first), hidden)
