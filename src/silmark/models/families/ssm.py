"""State-space models: Mamba, Mamba-2, and Nemotron-H, which mixes Mamba-2 with attention and MLP layers."""

from __future__ import annotations

from silmark.models import build
from silmark.models.config import MAX_LAYERS, Config
from silmark.models.families.moe import experts
from silmark.models.mixers import GroupedAttention, Mamba, Mamba2
from silmark.models.parts import Mlp, Moe, Norm
from silmark.models.spec import Block, Model, Part


def mamba(config: Config) -> Model:
    """The first Mamba (arXiv:2312.00752), and Falcon-Mamba, whose extra norms have no weights."""
    hidden = config.count("hidden_size")
    inner = config.count("intermediate_size", default=round(config.number("expand", 2) * hidden))
    mixer = Mamba(
        hidden=hidden,
        inner=inner,
        state=config.count("state_size", default=16),
        rank=config.count("time_step_rank", default=-(-hidden // 16)),
        kernel=config.count("conv_kernel", default=4, high=1024),
        conv_bias=config.flag("use_conv_bias", True),
        bias=config.flag("use_bias"),
    )
    config.accept(
        "d_inner", "d_model", "fused_add_norm", "mixer_rms_eps", "n_layer", "pad_vocab_size_multiple", "ssm_cfg"
    )
    tied = config.text("model_type") != "falcon_mamba"
    return build.decoder(config, [_layer("mamba", mixer, hidden)] * build.layers(config), hidden, tied=tied)


def mamba2(config: Config) -> Model:
    """Mamba-2 in the keys of transformers."""
    hidden = config.count("hidden_size")
    heads, width = config.count("num_heads"), config.count("head_dim")
    if heads * width != round(config.number("expand", 2) * hidden):
        raise config.fail(f"{heads} heads of {width} do not make expand * hidden_size", "num_heads")
    mixer = Mamba2(
        hidden=hidden,
        heads=heads,
        head_dim=width,
        state=config.count("state_size"),
        groups=config.count("n_groups", high=heads),
        kernel=config.count("conv_kernel", default=4, high=1024),
        chunk=config.count("chunk_size", default=256),
        conv_bias=config.flag("use_conv_bias", True),
        bias=config.flag("use_bias"),
    )
    return build.decoder(config, [_layer("mamba", mixer, hidden)] * build.layers(config), hidden)


def mamba_ssm(config: Config) -> Model:
    """Mamba-2 in the keys of the original `mamba_ssm` package, which writes no `model_type`."""
    ssm = config.child("ssm_cfg")
    if ssm is None or ssm.text("layer") != "Mamba2":
        raise config.fail("expected Mamba2; the first Mamba is not supported", "ssm_cfg.layer")
    if config.integers("attn_layer_idx") or config.count("d_intermediate", default=0, low=0):
        raise config.fail("attention and MLP layers are not supported here", "attn_layer_idx or d_intermediate")
    hidden, width = config.count("d_model"), ssm.count("headdim", default=64)
    inner = ssm.count("expand", default=2, high=64) * hidden
    if inner % width:
        raise config.fail(f"heads of {width} do not divide {inner}", "ssm_cfg.headdim")
    heads = inner // width
    mixer = Mamba2(
        hidden=hidden,
        heads=heads,
        head_dim=width,
        state=ssm.count("d_state", default=128),
        groups=ssm.count("ngroups", default=1, high=heads),
        kernel=ssm.count("d_conv", default=4, high=1024),
        chunk=ssm.count("chunk_size", default=256),
    )
    multiple = config.count("pad_vocab_size_multiple", default=8, high=65_536)
    vocab = -(-config.count("vocab_size") // multiple) * multiple
    tied = config.flag("tie_embeddings", True)
    blocks = [_layer("mamba", mixer, hidden)] * build.layers(config)
    return build.decoder(config, blocks, hidden, tied=tied, vocab=vocab)


def nemotron_h(config: Config) -> Model:
    """Nemotron-H: `hybrid_override_pattern` has a letter per layer: M Mamba-2, * attention, - MLP, E experts."""
    hidden = config.count("hidden_size")
    letters = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E"}
    pattern = config.text("hybrid_override_pattern") or "".join(
        letters.get(kind, "?") for kind in config.texts("layers_block_type")
    )
    config.accept("intermediate_size", "partial_rotary_factor")  # Not every pattern has MLP layers; none rotates.
    if not pattern or set(pattern) - set("M*-E"):
        raise config.fail(f"{pattern[:40]!r} is not a pattern of the letters M, *, -, E", "hybrid_override_pattern")
    count = config.count("num_hidden_layers", default=len(pattern), high=MAX_LAYERS)
    if count != len(pattern):
        raise config.fail(f"has {len(pattern)} letters for {count} layers", "hybrid_override_pattern")
    readers = {"M": _mamba, "*": _attention, "-": _mlp, "E": _experts}
    layers = {letter: readers[letter](config, hidden) for letter in sorted(set(pattern))}
    return build.decoder(config, [layers[letter] for letter in pattern], hidden)


def _layer(name: str, part: Part, hidden: int) -> Block:
    return Block(name, (Norm("norm", hidden), part))


def _mamba(config: Config, hidden: int) -> Block:
    heads = config.count("mamba_num_heads")
    mixer = Mamba2(
        hidden=hidden,
        heads=heads,
        head_dim=config.count("mamba_head_dim"),
        state=config.count("ssm_state_size"),
        groups=config.count("n_groups", high=heads),
        kernel=config.count("conv_kernel", default=4, high=1024),
        chunk=config.count("chunk_size", default=128),
        conv_bias=config.flag("use_conv_bias", True),
        bias=config.flag("mamba_proj_bias"),
    )
    return _layer("mamba", mixer, hidden)


def _attention(config: Config, hidden: int) -> Block:
    heads = config.count("num_attention_heads")
    width = config.count("attention_head_dim", "head_dim", default=max(1, hidden // heads))
    bias = config.flag("attention_bias")
    shared = build.kv_heads(config, heads)
    return _layer("attention", GroupedAttention(hidden, heads, shared, width, qkv_bias=bias, out_bias=bias), hidden)


def _mlp(config: Config, hidden: int) -> Block:
    inner = config.count("intermediate_size")
    return _layer("mlp", Mlp("mlp", hidden, inner, gated=False, bias=config.flag("mlp_bias")), hidden)


def _experts(config: Config, hidden: int) -> Block:
    if "moe_latent_size" in config:
        raise config.fail("experts in a latent space are not supported", "moe_latent_size")
    moe: Moe = experts(config, hidden, config.count("moe_intermediate_size"), gated=False)
    width = config.count("moe_shared_expert_intermediate_size", default=0, low=0)
    shared = width * config.count("n_shared_experts", default=1, low=0, high=1024)
    if shared:
        moe = Moe(hidden, moe.experts, moe.top_k, moe.inner, False, Mlp("shared", hidden, shared, gated=False))
    return _layer("moe", moe, hidden)
