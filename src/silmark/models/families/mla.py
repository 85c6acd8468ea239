"""Multi-head latent attention with routed experts: DeepSeek-V2, V3, V3.2 and R1, Kimi K2, GLM-5."""

from __future__ import annotations

from dataclasses import replace

from silmark.models import build
from silmark.models.config import Config
from silmark.models.families.moe import experts
from silmark.models.mixers import Indexer, LatentAttention
from silmark.models.parts import Mlp, Norm
from silmark.models.spec import Block, Model, Part


def deepseek(config: Config) -> Model:
    """The first layers dense, then routed with shared experts. Heads that predict further tokens are left out."""
    hidden, count = config.count("hidden_size"), build.layers(config)
    mixer = replace(latent(config, hidden), indexer=_indexer(config))
    simple = _block("dense", mixer, Mlp("mlp", hidden, config.count("intermediate_size")))
    if "n_routed_experts" not in config:
        return build.decoder(config, [simple] * count, hidden)
    inner = config.count("moe_intermediate_size")
    shared = config.count("n_shared_experts", default=0, low=0, high=1024)
    # From V3 on, the router has a learned bias that balances the experts without a loss.
    method = config.text("topk_method", "" if config.text("model_type") == "deepseek_v2" else "noaux_tc")
    moe = experts(config, hidden, inner, router_bias=method == "noaux_tc")
    if shared:
        moe = replace(moe, shared=Mlp("shared", hidden, shared * inner))
    routed = _block("moe", mixer, moe)
    first = config.count("first_k_dense_replace", default=0, low=0, high=count)
    every = config.count("moe_layer_freq", default=1, high=count)
    choice = [routed if i >= first and i % every == 0 else simple for i in range(count)]
    return build.decoder(config, choice, hidden)


def latent(config: Config, hidden: int) -> LatentAttention:
    """Multi-head latent attention under the key names of DeepSeek."""
    config.accept("num_key_value_heads", "head_dim")  # Every head has its own keys once they are expanded.
    return LatentAttention(
        hidden=hidden,
        heads=config.count("num_attention_heads"),
        q_rank=config.count("q_lora_rank", default=0, low=0),
        kv_rank=config.count("kv_lora_rank"),
        nope=config.count("qk_nope_head_dim"),
        rope=config.count("qk_rope_head_dim"),
        v_dim=config.count("v_head_dim"),
        bias=config.flag("attention_bias"),
    )


def _indexer(config: Config) -> Indexer | None:
    """The indexer of sparse attention (DeepSeek-V3.2, GLM-5), None where the file has none."""
    if "index_topk" not in config:
        return None
    return Indexer(config.count("index_n_heads"), config.count("index_head_dim"), config.count("index_topk"))


def _block(name: str, mixer: LatentAttention, mlp: Part) -> Block:
    hidden = mixer.hidden
    return Block(name, (Norm("attention.norm", hidden), mixer, Norm("mlp.norm", hidden), mlp))
