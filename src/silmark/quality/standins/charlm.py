"""`charlm`: a transformer that predicts characters, trained in seconds on stories that are made here."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from silmark.quality.standins.kept import trained
from silmark.quality.standins.stories import stories
from silmark.quality.subject import Subject, logits

CONTEXT, WIDTH, HEADS, LAYERS = 64, 64, 4, 3
STEPS, BATCH, RATE = 400, 16, 5e-3
_TRAIN, _TEST = 100_000, 4_200
"""Characters to learn from and to be judged by, of different seeds."""
_SEQUENCES, _PROMPTS, _PROMPT = 64, 8, 24


class Block(nn.Module):
    """One layer: causal attention and a feed-forward network, each after a norm and beside a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, tokens, width)."""
        q, k, v = (one.unflatten(-1, (HEADS, -1)).transpose(1, 2) for one in self.qkv(self.norm_1(x)).chunk(3, dim=-1))
        heads = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(heads.transpose(1, 2).flatten(2))
        return x + self.down(functional.gelu(self.up(self.norm_2(x))))


class CharLM(nn.Module):
    """Decoder with learned positions."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(symbols, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, symbols)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (batch, tokens, symbols) of the next character."""
        x = self.embed(tokens) + self.place(torch.arange(tokens.shape[1]))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


@cache
def subject() -> Subject:
    """The model with 64 sequences of text that it has not seen, and 16 prompts."""
    text, unseen = stories(_TRAIN, 1), stories(_TEST, 2)
    symbols = sorted({*text, *unseen})
    codes = {one: number for number, one in enumerate(symbols)}
    learnt = torch.tensor([codes[one] for one in text])
    recipe = (CONTEXT, WIDTH, HEADS, LAYERS, STEPS, BATCH, RATE, len(symbols), text[:1000])
    module = trained("charlm", recipe, lambda: CharLM(len(symbols)), lambda one: _train(one, learnt))
    tokens = torch.tensor([codes[one] for one in unseen[: _SEQUENCES * CONTEXT]]).reshape(_SEQUENCES, CONTEXT)
    return Subject(
        name="charlm",
        module=module,
        task="language",
        batches=[((part,), {}) for part in tokens.split(16)],
        output=logits,
        items=f"{tokens.numel():,} characters of stories that it has not seen",
        origin="trained here on text made here",
        prompts=tokens[:_PROMPTS, :_PROMPT],
        limit=CONTEXT,
    )


def _train(module: CharLM, text: Tensor) -> None:
    """Adam with a cosine schedule on windows drawn at random."""
    draw = np.random.Generator(np.random.PCG64(3))
    adam = torch.optim.AdamW(module.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=RATE, total_steps=STEPS)
    for _ in range(STEPS):
        starts = draw.integers(0, len(text) - CONTEXT - 1, BATCH)
        windows = torch.stack([text[at : at + CONTEXT + 1] for at in starts])
        loss = functional.cross_entropy(module(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten())
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
