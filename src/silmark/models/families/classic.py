"""Decoders that differ from GPT-2, GPT-J or Llama in a detail each: norms, biases, windows, or how heads are shared."""

from __future__ import annotations

from dataclasses import replace

from silmark.models import build
from silmark.models.config import Config
from silmark.models.families import llama
from silmark.models.families.gpt import attention, parallel, serial
from silmark.models.mixers import GroupedAttention
from silmark.models.parts import Mlp, Norm
from silmark.models.spec import Block, Model


def bloom(config: Config) -> Model:
    """BLOOM (arXiv:2211.05100): GPT-2 with ALiBi and a norm behind the embedding."""
    hidden = config.count("hidden_size", "n_embed")
    config.accept("seq_length", "n_inner", "skip_bias_add", "skip_bias_add_qkv", "slow_but_exact")
    config.accept("attention_softmax_in_fp32", "masked_softmax_fusion", "bias_dropout_fusion", "unk_token_id")
    layer = serial(attention(config, hidden, True), Mlp("mlp", hidden, 4 * hidden, gated=False, bias=True))
    model = build.decoder(config, [layer] * build.layers(config), hidden, tied=True, norm_learned=2)
    return replace(model, stem=(*model.stem, Norm("embedding.norm", hidden, 2, residual=False)))


def xglm(config: Config) -> Model:
    """XGLM (arXiv:2112.10668): biases everywhere; the table of positions is computed, not learned."""
    hidden = config.count("d_model")
    heads = config.count("attention_heads")
    width = build.head_dim(config, hidden, heads)
    mixer = GroupedAttention(hidden, heads, heads, width, qkv_bias=True, out_bias=True)
    layer = serial(mixer, Mlp("mlp", hidden, config.count("ffn_dim"), gated=False, bias=True))
    return build.decoder(config, [layer] * build.layers(config), hidden, tied=True, norm_learned=2)


def gpt_neo(config: Config) -> Model:
    """GPT-Neo: every other layer, the second first, sees a window; no biases on queries, keys and values."""
    hidden, count = config.count("hidden_size"), build.layers(config)
    size = config.count("window_size", default=256)
    heads = config.count("num_heads")
    inner = config.count("intermediate_size", default=4 * hidden)
    width = build.head_dim(config, hidden, heads)
    full = GroupedAttention(hidden, heads, heads, width, out_bias=True)
    mlp = Mlp("mlp", hidden, inner, gated=False, bias=True)
    config.accept("attention_types", "attention_layers")
    blocks = [
        replace(serial(replace(full, window=size) if i % 2 else full, mlp), name="sliding" if i % 2 else "full")
        for i in range(count)
    ]
    positions = config.count("max_position_embeddings", default=2048)
    return build.decoder(config, blocks, hidden, tied=True, positions=positions, norm_learned=2)


def codegen(config: Config) -> Model:
    """CodeGen: GPT-J with queries, keys and values as one matrix."""
    hidden = config.count("n_embd")
    mixer = attention(config, hidden, False, rotary=config.count("rotary_dim", default=64))
    layer = parallel(mixer, Mlp("mlp", hidden, 4 * hidden, gated=False, bias=True), norms=1)
    config.accept("n_inner")
    return build.decoder(config, [layer] * build.layers(config), hidden, norm_learned=2, head_bias=True)


def starcoder2(config: Config) -> Model:
    """StarCoder2 (arXiv:2402.19173): biases everywhere, few KV heads, a window in every layer."""
    hidden = config.count("hidden_size")
    heads, bias = config.count("num_attention_heads"), config.flag("use_bias", True)
    width = build.head_dim(config, hidden, heads)
    mixer = attention(config, hidden, bias, kv_heads=build.kv_heads(config, heads), rotary=width)
    mlp = Mlp("mlp", hidden, config.count("intermediate_size"), gated=False, bias=bias)
    layer = serial(replace(mixer, window=llama.window(config)), mlp)
    config.accept("mlp_type", "norm_type")
    return build.decoder(config, [layer] * build.layers(config), hidden, tied=True, norm_learned=2)


def persimmon(config: Config) -> Model:
    """Persimmon: squared ReLU, norms of queries and keys over one head."""
    hidden, heads = config.count("hidden_size"), config.count("num_attention_heads")
    width = build.head_dim(config, hidden, heads)
    mixer = replace(
        attention(config, hidden, True, rotary=round(width * config.number("partial_rotary_factor", 0.5))),
        qk_norm=4 * width if config.flag("qk_layernorm", True) else 0,
    )
    mlp = Mlp("mlp", hidden, config.count("intermediate_size"), gated=False, bias=True)
    return build.decoder(config, [serial(mixer, mlp)] * build.layers(config), hidden, norm_learned=2)


def stablelm(config: Config) -> Model:
    """StableLM 2: LayerNorm; of 12B attention and MLP in parallel, with norms of every head's queries and keys."""
    hidden, heads = config.count("hidden_size"), config.count("num_attention_heads")
    shared = build.kv_heads(config, heads)
    width = build.head_dim(config, hidden, heads)
    qk = (heads + shared) * width if config.flag("qk_layernorm") else 0
    turned = round(width * config.number("partial_rotary_factor", 0.25))
    mixer = GroupedAttention(
        hidden, heads, shared, width, rotary=turned, qk_norm=qk, qkv_bias=config.flag("use_qkv_bias")
    )
    mlp = llama.dense(config, hidden)
    # A norm without bias where there is one norm for both.
    layer = parallel(mixer, mlp, norms=1) if config.flag("use_parallel_residual") else serial(mixer, mlp)
    return build.decoder(config, [layer] * build.layers(config), hidden, norm_learned=2)


def cohere(config: Config) -> Model:
    """Command R: attention and gated MLP in parallel behind one norm without bias, tied head."""
    hidden, heads = config.count("hidden_size"), config.count("num_attention_heads")
    width = build.head_dim(config, hidden, heads)
    shared = build.kv_heads(config, heads)
    norms = (heads + shared) * width if config.flag("use_qk_norm") else 0
    mixer = GroupedAttention(hidden, heads, shared, width, rotary=width, qk_norm=norms)
    layer = parallel(mixer, llama.dense(config, hidden), norms=1, learned=1)
    config.accept("logit_scale")
    return build.decoder(config, [layer] * build.layers(config), hidden, tied=True)


def chatglm(config: Config) -> Model:
    """ChatGLM2 and 3: Llama under other keys, with few KV heads, biases on q, k and v, and half of a head rotated."""
    hidden, heads = config.count("hidden_size"), config.count("num_attention_heads")
    width = config.count("kv_channels", default=max(1, hidden // heads))
    shared = heads
    if config.flag("multi_query_attention"):
        shared = build.kv_heads(config, heads, "multi_query_group_num")
    bias = config.flag("add_bias_linear")
    mixer = GroupedAttention(
        hidden, heads, shared, width, rotary=width // 2, qkv_bias=bias or config.flag("add_qkv_bias"), out_bias=bias
    )
    mlp = Mlp("mlp", hidden, config.count("ffn_hidden_size"), bias=bias)
    layer: Block = llama.block("layer", mixer, mlp)
    vocab = config.count("padded_vocab_size")
    config.accept(*_GLM)
    return build.decoder(config, [layer] * build.layers(config), hidden, vocab=vocab)


_GLM = (
    "seq_length",
    "rmsnorm",
    "post_layer_norm",
    "apply_query_key_layer_scaling",
    "apply_residual_connection_post_layernorm",
    "attention_softmax_in_fp32",
    "fp32_residual_connection",
    "original_rope",
    "interleaved_qkv",
    "bias_dropout_fusion",
)
"""Keys that repeat what the family implies."""
