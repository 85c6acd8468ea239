"""A small Llama-like transformer: what operators add up to, with the seams between them.

The same shapes go to Silmark's own lowering through `config`, so that prediction and measurement mean one model.
"""

from __future__ import annotations

from typing import Any

from silmark.calibration.measure.device import Device
from silmark.calibration.measure.grid import MODEL, Point, element_bytes
from silmark.calibration.measure.operators import NORM_EPS, Call, torch_type

_ROPE_BASE = 10000.0


def config(point: Point) -> dict[str, object]:
    """The model of a point as a Hugging Face `config.json`."""
    size = {key: point.size(key) for key in MODEL}
    return {
        "model_type": "llama",
        "hidden_size": size["hidden_size"],
        "intermediate_size": size["inter_size"],
        "num_hidden_layers": size["layers"],
        "num_attention_heads": size["num_heads"],
        "num_key_value_heads": size["num_key_value_heads"],
        "head_dim": size["head_dim"],
        "vocab_size": size["vocab"],
        "max_position_embeddings": 1 << 17,
        "tie_word_embeddings": False,
    }


def bytes_needed(point: Point) -> float:
    """Bytes of weights and cache."""
    size = {key: point.size(key) for key in MODEL}
    kv = size["num_key_value_heads"] * size["head_dim"]
    heads = size["num_heads"] * size["head_dim"]
    layer = size["hidden_size"] * (2 * heads + 2 * kv + 3 * size["inter_size"])
    tokens = point.size("batch_size") * _context(point)
    elements = size["layers"] * (layer + 2 * kv * tokens) + 2 * size["vocab"] * size["hidden_size"]
    return float(elements) * element_bytes(point.dtype)


def _context(point: Point) -> int:
    return point.size("isl") if point.kind == "transformer_prefill" else point.size("kv_len") + 1


class Transformer:
    """Weights, cache and the forward pass; plain tensors, so that nothing but the operators takes time."""

    def __init__(self, device: Device, point: Point) -> None:
        self._torch, self._functional = device.torch, device.torch.nn.functional
        self._dtype, self._where = torch_type(device, point.dtype), device.where
        size = {key: point.size(key) for key in MODEL}
        self._heads, self._kv, self._width = size["num_heads"], size["num_key_value_heads"], size["head_dim"]
        hidden, inner = size["hidden_size"], size["inter_size"]
        self._embedding, self._head = (self._new(size["vocab"], hidden) for _ in range(2))
        self._layers = [
            {
                "qkv": self._new((self._heads + 2 * self._kv) * self._width, hidden),
                "out": self._new(hidden, self._heads * self._width),
                "up": self._new(2 * inner, hidden),
                "down": self._new(hidden, inner),
                "norms": self._new(2, hidden) + 1.0,
            }
            for _ in range(size["layers"])
        ]
        shape = (size["layers"], 2, point.size("batch_size"), self._kv, _context(point), self._width)
        self._cache = self._torch.zeros(shape, dtype=self._dtype, device=self._where)
        self._final = self._new(hidden) + 1.0
        steps = self._torch.arange(0, self._width, 2, device=self._where, dtype=self._torch.float32) / self._width
        angles = self._torch.arange(_context(point), device=self._where)[:, None] / (_ROPE_BASE**steps)[None, :]
        self._turn = [f(angles).to(self._dtype) for f in (self._torch.cos, self._torch.sin)]

    def _new(self, *shape: int) -> Any:  # noqa: ANN401 - a tensor
        return self._torch.randn(*shape, device=self._where, dtype=self._dtype).mul_(0.02)

    def forward(self, tokens: Any, past: int) -> Any:  # noqa: ANN401 - tensors
        """Logits of the last token of every sequence.

        Args:
            tokens: [batch, new] token numbers.
            past: cached tokens per sequence.
        """
        linear, norm = self._functional.linear, self._functional.rms_norm
        x = self._embedding[tokens]
        width = (x.shape[-1],)
        for layer, cache in zip(self._layers, self._cache, strict=True):
            normed = norm(x, width, layer["norms"][0], NORM_EPS)
            x = x + linear(self._attend(linear(normed, layer["qkv"]), cache, past), layer["out"])
            normed = norm(x, width, layer["norms"][1], NORM_EPS)
            gate, value = linear(normed, layer["up"]).chunk(2, dim=-1)
            x = x + linear(self._functional.silu(gate) * value, layer["down"])
        return linear(norm(x[:, -1], width, self._final, NORM_EPS), self._head)

    def _attend(self, qkv: Any, cache: Any, past: int) -> Any:  # noqa: ANN401 - tensors
        batch, new = qkv.shape[:2]
        split = qkv.view(batch, new, self._heads + 2 * self._kv, self._width).transpose(1, 2)
        turned = self._rotate(split[:, : self._heads + self._kv], past)
        cache[0, :, :, past : past + new] = turned[:, self._heads :]
        cache[1, :, :, past : past + new] = split[:, self._heads + self._kv :]
        k, v = cache[:, :, :, : past + new]
        out = self._functional.scaled_dot_product_attention(
            turned[:, : self._heads], k, v, is_causal=new > 1, enable_gqa=self._heads != self._kv
        )
        return out.transpose(1, 2).reshape(batch, new, self._heads * self._width)

    def _rotate(self, x: Any, past: int) -> Any:  # noqa: ANN401 - tensors
        cos, sin = (t[past : past + x.shape[2]] for t in self._turn)
        a, b = x.chunk(2, dim=-1)
        return self._torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


def build(device: Device, point: Point) -> Call:
    """One prefill of fresh prompts, or one decode step behind a full cache."""
    model = Transformer(device, point)
    decode = point.kind == "transformer_decode"
    new, past = (1, point.size("kv_len")) if decode else (point.size("isl"), 0)
    shape = (point.size("batch_size"), new)
    tokens = device.torch.randint(0, point.size("vocab"), shape, device=device.where)
    return Call(lambda: model.forward(tokens, past), False, "eager")
