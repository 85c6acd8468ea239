"""Decoders with LayerNorm and an ungated MLP of four times the width: GPT-2, OPT, MPT, and the parallel ones.

GPT-J, GPT-NeoX, Falcon, Phi and PaLM add attention and MLP in parallel to the same residual stream.
"""

from __future__ import annotations

from silmark.models import build
from silmark.models.config import Config
from silmark.models.mixers import GroupedAttention
from silmark.models.parts import Mlp, Norm
from silmark.models.spec import Block, Model, Part


def attention(
    config: Config, hidden: int, bias: bool, *, out_bias: bool | None = None, **fields: int
) -> GroupedAttention:
    """Attention whose heads share the width evenly; `fields` are further fields of GroupedAttention."""
    heads = config.count("num_attention_heads", "n_head", "n_heads")
    width = build.head_dim(config, hidden, heads)
    return GroupedAttention(
        hidden=hidden,
        heads=heads,
        kv_heads=fields.pop("kv_heads", heads),
        head_dim=width,
        qkv_bias=bias,
        out_bias=bias if out_bias is None else out_bias,
        rotary=fields.pop("rotary", 0),
    )


def serial(mixer: GroupedAttention, mlp: Mlp, learned: int = 2) -> Block:
    """Norm, attention, norm, MLP."""
    hidden = mixer.hidden
    return Block("layer", (Norm("attention.norm", hidden, learned), mixer, Norm("mlp.norm", hidden, learned), mlp))


def parallel(mixer: GroupedAttention, mlp: Mlp, norms: int, learned: int = 2) -> Block:
    """Attention and MLP side by side behind one shared norm, or one each."""
    hidden = mixer.hidden
    second = (Norm("mlp.norm", hidden, learned, residual=False),) if norms == 2 else ()
    parts: tuple[Part, ...] = (Norm("attention.norm", hidden, learned), *second, mixer, mlp)
    return Block("layer", parts, parallel=True)


def _turned(config: Config, hidden: int, heads: int, key: str, share: float) -> int:
    """Elements of a head that the rotary embedding turns; `share` is what a missing key means."""
    width = build.head_dim(config, hidden, heads)
    return min(width, round(width * config.number(key, share)))


def _inner(config: Config, hidden: int, *keys: str) -> int:
    return config.count(*keys, default=4 * hidden)


def gpt2(config: Config) -> Model:
    """GPT-2, and StarCoder (`gpt_bigcode`), which has one KV head."""
    hidden = config.count("hidden_size", "n_embd")
    positions = config.count("n_positions", "max_position_embeddings", default=1024)
    heads = config.count("num_attention_heads", "n_head")
    shared = config.flag("multi_query", config.text("model_type") == "gpt_bigcode")
    mixer = attention(config, hidden, True, kv_heads=1 if shared else heads)
    layer = serial(mixer, Mlp("mlp", hidden, _inner(config, hidden, "n_inner"), gated=False, bias=True))
    return build.decoder(config, [layer] * build.layers(config), hidden, tied=True, positions=positions, norm_learned=2)


def opt(config: Config) -> Model:
    """OPT; its table of positions has two rows more than positions."""
    hidden = config.count("hidden_size")
    if config.count("word_embed_proj_dim", default=hidden) != hidden:
        raise config.fail(f"only {hidden} (the hidden_size) is supported", "word_embed_proj_dim")
    bias = config.flag("enable_bias", True)
    mlp = Mlp("mlp", hidden, config.count("ffn_dim"), gated=False, bias=bias)
    final = 2 if config.flag("do_layer_norm_before", True) and not config.flag("_remove_final_layer_norm") else 0
    return build.decoder(
        config,
        [serial(attention(config, hidden, bias), mlp)] * build.layers(config),
        hidden,
        tied=True,
        positions=config.count("max_position_embeddings", default=2048) + 2,
        norm_learned=final,
    )


def mpt(config: Config) -> Model:
    """MPT: no biases, ALiBi instead of positions."""
    hidden = config.count("d_model")
    bias = not config.flag("no_bias", True)
    attn = config.child("attn_config")
    if attn and attn.flag("qk_ln"):
        raise config.fail("true is not supported", "attn_config.qk_ln")
    heads = config.count("n_heads")
    shared = attn.count("kv_n_heads", default=heads, high=heads) if attn else heads
    inner = config.count("expansion_ratio", default=4, high=64) * hidden
    learned = 1 + bias
    layer = serial(
        attention(config, hidden, bias, kv_heads=shared), Mlp("mlp", hidden, inner, gated=False, bias=bias), learned
    )
    return build.decoder(config, [layer] * build.layers(config), hidden, tied=True, norm_learned=learned)


def gptj(config: Config) -> Model:
    """GPT-J: parallel behind one norm; biases on MLP and head only."""
    hidden = config.count("n_embd", "hidden_size")
    mixer = attention(config, hidden, False, rotary=config.count("rotary_dim", default=64))
    layer = parallel(mixer, Mlp("mlp", hidden, _inner(config, hidden, "n_inner"), gated=False, bias=True), norms=1)
    return build.decoder(config, [layer] * build.layers(config), hidden, norm_learned=2, head_bias=True)


def gpt_neox(config: Config) -> Model:
    """GPT-NeoX and Pythia: parallel behind two norms, unless `use_parallel_residual` is off."""
    hidden = config.count("hidden_size")
    heads = config.count("num_attention_heads")
    turned = _turned(config, hidden, heads, "rotary_pct", 0.25)
    mixer = attention(config, hidden, config.flag("attention_bias", True), rotary=turned)
    mlp = Mlp("mlp", hidden, config.count("intermediate_size"), gated=False, bias=True)
    layer = parallel(mixer, mlp, norms=2) if config.flag("use_parallel_residual", True) else serial(mixer, mlp)
    return build.decoder(config, [layer] * build.layers(config), hidden, norm_learned=2)


def falcon(config: Config) -> Model:
    """Falcon: 7B parallel behind one norm with one KV head; 40B and 180B behind two norms with eight."""
    hidden = config.count("hidden_size")
    heads = config.count("num_attention_heads", "n_head")
    new = config.flag("new_decoder_architecture")
    if new:
        shared = build.kv_heads(config, heads, "num_kv_heads", "n_head_kv")
    else:
        shared = 1 if config.flag("multi_query", True) else heads
    turned = 0 if config.flag("alibi") else build.head_dim(config, hidden, heads)
    bias = config.flag("bias")
    config.accept("multi_query", "parallel_attn")  # Overruled by new_decoder_architecture.
    mixer = attention(config, hidden, bias, kv_heads=shared, rotary=turned)
    mlp = Mlp("mlp", hidden, _inner(config, hidden, "ffn_hidden_size"), gated=False, bias=bias)
    if new or config.flag("parallel_attn", True):
        norms = config.count("num_ln_in_parallel_attn", default=2 if new else 1, high=2)
        layer = parallel(mixer, mlp, norms)
    else:
        layer = serial(mixer, mlp)
    return build.decoder(config, [layer] * build.layers(config), hidden, tied=True, norm_learned=2)


def phi(config: Config) -> Model:
    """Phi-1 and Phi-2: parallel behind one norm, biases everywhere, head included."""
    hidden = config.count("hidden_size")
    heads = config.count("num_attention_heads")
    if config.flag("qk_layernorm"):
        raise config.fail("true is not supported", "qk_layernorm")
    turned = _turned(config, hidden, heads, "partial_rotary_factor", 0.5)
    mixer = attention(config, hidden, True, kv_heads=build.kv_heads(config, heads), rotary=turned)
    mlp = Mlp("mlp", hidden, config.count("intermediate_size"), gated=False, bias=True)
    layer = parallel(mixer, mlp, norms=1)
    return build.decoder(config, [layer] * build.layers(config), hidden, norm_learned=2, head_bias=True)


def palm(config: Config) -> Model:
    """PaLM (arXiv:2204.02311, section 2): parallel, one KV head, SwiGLU, no biases, tied head.

    Not a `model_type` of the hub; the keys are those of Llama.
    """
    hidden = config.count("hidden_size")
    heads = config.count("num_attention_heads")
    width = build.head_dim(config, hidden, heads)
    shared = build.kv_heads(config, heads)
    mixer = GroupedAttention(hidden, heads, shared, width, rotary=width)
    layer = parallel(mixer, Mlp("mlp", hidden, config.count("intermediate_size")), norms=1, learned=1)
    return build.decoder(config, [layer] * build.layers(config), hidden, tied=True)
