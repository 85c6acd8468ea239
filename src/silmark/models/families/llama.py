"""Llama and the dense models built like it: RMSNorm, rotary embedding, gated MLP, one after the other."""

from __future__ import annotations

from silmark.models import build
from silmark.models.config import Config
from silmark.models.mixers import GroupedAttention
from silmark.models.parts import Mlp, Norm
from silmark.models.spec import Block, Model, Part


def block(name: str, attention: GroupedAttention, mlp: Part) -> Block:
    """Norm, attention, norm, MLP."""
    hidden = attention.hidden
    return Block(name, (Norm("attention.norm", hidden), attention, Norm("mlp.norm", hidden), mlp))


def dense(config: Config, hidden: int, *inner: str) -> Mlp:
    """The gated MLP; `inner` are the spellings of its width."""
    width = config.count(*(inner or ("intermediate_size",)))
    return Mlp("mlp", hidden, width, gated=True, bias=config.flag("mlp_bias"))


def llama(config: Config) -> Model:
    """Llama 1 to 3.x, Yi, SmolLM and others with `model_type` llama; CodeLlama."""
    hidden = config.count("hidden_size")
    layer = block("layer", build.attention(config, hidden), dense(config, hidden))
    return build.decoder(config, [layer] * build.layers(config), hidden)


def mistral(config: Config) -> Model:
    """Mistral: Llama with an optional sliding window in every layer."""
    hidden = config.count("hidden_size")
    layer = block("layer", build.attention(config, hidden, window(config)), dense(config, hidden))
    return build.decoder(config, [layer] * build.layers(config), hidden)


def window(config: Config) -> int | None:
    """The sliding window in tokens; a window that spans the whole context is none."""
    size = config.count("sliding_window", default=0, low=0)
    context = config.count("max_position_embeddings", default=0, low=0)
    return size if size and not (context and size >= context) else None


def qwen2(config: Config) -> Model:
    """Qwen2 and 2.5: biases on q, k and v; the window applies above `max_window_layers` when it is on."""
    hidden, count = config.count("hidden_size"), build.layers(config)
    heads = config.count("num_attention_heads")
    width = build.head_dim(config, hidden, heads)
    mlp = dense(config, hidden)
    size = config.count("sliding_window", default=0, low=0) if config.flag("use_sliding_window") else 0
    first = config.count("max_window_layers", default=count, low=0)
    config.accept("sliding_window", "layer_types")

    def layer(name: str, window: int | None) -> Block:
        mixer = GroupedAttention(
            hidden, heads, build.kv_heads(config, heads), width, window, rotary=width, qkv_bias=True
        )
        return block(name, mixer, mlp)

    full = layer("layer", None)
    windowed = layer("sliding", size) if size else full
    return build.decoder(config, [full if i < first else windowed for i in range(count)], hidden)


def qwen3(config: Config) -> Model:
    """Qwen3: norms of queries and keys over one head, no biases."""
    hidden = config.count("hidden_size")
    width = build.head_dim(config, hidden, config.count("num_attention_heads"))
    if config.flag("use_sliding_window"):
        raise config.fail("true is not supported; no published Qwen3 slides", "use_sliding_window")
    config.accept("sliding_window", "max_window_layers", "layer_types")
    layer = block("layer", build.attention(config, hidden, qk_norm=2 * width), dense(config, hidden))
    return build.decoder(config, [layer] * build.layers(config), hidden)


def olmo2(config: Config) -> Model:
    """OLMo 2: norms behind attention and MLP, and over all queries and all keys."""
    hidden = config.count("hidden_size")
    heads = config.count("num_attention_heads")
    width = build.head_dim(config, hidden, heads)
    norms = (heads + build.kv_heads(config, heads)) * width
    layer = block("layer", build.attention(config, hidden, qk_norm=norms), dense(config, hidden))
    return build.decoder(config, [layer] * build.layers(config), hidden)
