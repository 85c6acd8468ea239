"""Text encoders: BERT and RoBERTa, with the pooler of `BertModel`; task heads are left out."""

from __future__ import annotations

from silmark.models import build
from silmark.models.config import Config
from silmark.models.mixers import GroupedAttention
from silmark.models.parts import Embedding, Mlp, Norm, Pooler
from silmark.models.spec import Block, Model


def bert(config: Config) -> Model:
    """Norms behind attention and MLP, biases everywhere, learned positions and token types."""
    hidden = config.count("hidden_size")
    heads = config.count("num_attention_heads")
    width = build.head_dim(config, hidden, heads)
    mixer = GroupedAttention(hidden, heads, heads, width, qkv_bias=True, out_bias=True, causal=False)
    mlp = Mlp("mlp", hidden, config.count("intermediate_size"), gated=False, bias=True)
    block = Block("layer", (mixer, Norm("attention.norm", hidden, 2), mlp, Norm("mlp.norm", hidden, 2)))
    vocab, positions = config.count("vocab_size"), config.count("max_position_embeddings", default=512)
    types = config.count("type_vocab_size", default=2, low=0)
    tables = (vocab, positions, types) if types else (vocab, positions)
    return Model(
        name=config.name,
        kind="encoder",
        hidden=hidden,
        vocab=vocab,
        stem=(Embedding(tables, hidden), Norm("embedding.norm", hidden, 2, residual=False)),
        blocks=build.merge([block] * build.layers(config)),
        tail=(Pooler(hidden),),
        stored=build.stored(config),
        max_context=positions,
        source_config=config.where,
    )
