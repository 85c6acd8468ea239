"""Shapes of programs: what sizes each operator has, bounded, and those of a catalogue model's layer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from silmark.errors import BadValue
from silmark.models import load as load_model
from silmark.models.mixers import GroupedAttention
from silmark.models.parts import Mlp, Norm

_MOST = 1 << 20
Size = Annotated[int, Field(ge=1, le=_MOST)]
Tokens = Annotated[int, Field(ge=0, le=_MOST)]


class _Sizes(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Gemm(_Sizes):
    """(m, k) times stored weights (k, n)."""

    m: Size
    n: Size
    k: Size

    def __str__(self) -> str:
        return f"{self.m} x {self.k} x {self.n}"


class Gemv(_Sizes):
    """One row of k times stored weights (k, n)."""

    n: Size
    k: Size

    def __str__(self) -> str:
        return f"{self.k} x {self.n}"


class Step(Gemm):
    """One of a sequence of products, run `repeat` times with weights of its own each time."""

    repeat: Annotated[int, Field(ge=1, le=4096)] = 1


class Products(_Sizes):
    """Products one after another, each on an input of its own: a convolutional network as matrix products."""

    steps: Annotated[list[Step], Field(min_length=1, max_length=512)]

    def __str__(self) -> str:
        return f"of {sum(step.repeat for step in self.steps)}"


class Feedforward(_Sizes):
    """Up (and gate), activation, down; SiLU where gated, GELU where not."""

    tokens: Size
    hidden: Size
    inner: Size
    gated: bool = True

    def __str__(self) -> str:
        return f"{self.tokens} tokens, {self.hidden} -> {self.inner}{' gated' if self.gated else ''}"


class Attention(_Sizes):
    """Projections of queries, keys and values, attention over `past` cached and the new tokens, projection out."""

    tokens: Size
    past: Tokens = 0
    hidden: Size
    heads: Size
    kv_heads: Size
    head_dim: Size
    causal: bool = True
    rotary: bool = True

    @model_validator(mode="after")
    def _even(self) -> Attention:
        if self.heads % self.kv_heads:
            raise ValueError("heads must be a multiple of kv_heads")
        if self.rotary and self.head_dim % 2:
            raise ValueError("head_dim must be even where rotary is true")
        return self

    def __str__(self) -> str:
        return f"{self.tokens} tokens after {self.past}, {self.hidden} wide, {self.heads}/{self.kv_heads} heads"


class Layer(Attention):
    """Transformer layers: norm, attention, residual add, norm, MLP, residual add; `layers` of them in turn."""

    inner: Size
    gated: bool = True
    norm: Literal["rms", "layer"] = "rms"
    layers: Annotated[int, Field(ge=1, le=512)] = 1

    def __str__(self) -> str:
        stack = f"{self.layers} layers, " if self.layers > 1 else ""
        return f"{stack}{Attention.__str__(self)}, MLP {self.inner}"


Shape = Gemm | Gemv | Products | Feedforward | Attention | Layer
SHAPES: dict[str, type[BaseModel]] = {
    "gemm": Gemm,
    "gemv": Gemv,
    "products": Products,
    "mlp": Feedforward,
    "attention": Attention,
    "layer": Layer,
}


def shape_of_model(name: str, operator: str) -> dict[str, int | bool | str]:
    """Sizes of the first layer of a catalogue model, as far as the operator has them.

    Raises:
        BadValue: the operator is no part of a layer, or the layer is not attention with a dense MLP.
    """
    if operator not in ("mlp", "attention", "layer"):
        raise BadValue("operator", operator, "mlp, attention or layer where a model gives the shape")
    model = load_model(name)
    parts = model.blocks[0][1].parts if model.blocks else ()
    attention = next((part for part in parts if isinstance(part, GroupedAttention)), None)
    mlp = next((part for part in parts if isinstance(part, Mlp)), None)
    norm = next((part for part in parts if isinstance(part, Norm)), None)
    if attention is None or mlp is None or norm is None:
        kinds = ", ".join(type(part).__name__ for part in parts) or "no layers"
        raise BadValue("model", name, f"one whose first layer is grouped attention and a dense MLP, not {kinds}")
    sizes: dict[str, int | bool | str] = {
        "hidden": attention.hidden,
        "heads": attention.heads,
        "kv_heads": attention.kv_heads,
        "head_dim": attention.head_dim,
        "causal": attention.causal,
        "rotary": attention.rotary > 0,
        "inner": mlp.inner,
        "gated": mlp.gated,
        "norm": "layer" if norm.learned == 2 else "rms",
    }
    return {key: value for key, value in sizes.items() if key in SHAPES[operator].model_fields}


def weight_elements(shape: Shape) -> int:
    """Elements of the stored matrices."""
    match shape:
        case Gemm() | Gemv():
            return shape.n * shape.k
        case Products():
            return sum(step.repeat * step.n * step.k for step in shape.steps)
        case Feedforward():
            return _mlp_weights(shape)
        case Layer():
            return shape.layers * (_attention_weights(shape) + _mlp_weights(shape))
        case Attention():
            return _attention_weights(shape)


def elements(shape: Shape) -> int:
    """Stored weights, and the largest of inputs, caches and intermediate results."""
    match shape:
        case Gemm():
            other = shape.m * (shape.k + shape.n)
        case Gemv():
            other = shape.k + shape.n
        case Products():
            other = sum(step.repeat * step.m * (step.k + step.n) for step in shape.steps)
        case Feedforward():
            other = shape.tokens * (shape.hidden + 2 * shape.inner)
        case Attention():
            layers = shape.layers if isinstance(shape, Layer) else 1
            context = shape.past + shape.tokens
            wide = max(3 * shape.hidden, shape.inner if isinstance(shape, Layer) else 0)
            cache = 2 * shape.kv_heads * shape.head_dim * context * layers
            other = shape.tokens * wide + cache + shape.heads * shape.tokens * context
    return weight_elements(shape) + other


def multiply_adds(shape: Shape) -> int:
    """Multiply-adds of all matrix products, masked pairs included."""
    match shape:
        case Gemm():
            return shape.m * shape.n * shape.k
        case Gemv():
            return shape.n * shape.k
        case Products():
            return sum(step.repeat * step.m * step.n * step.k for step in shape.steps)
        case Feedforward():
            return shape.tokens * weight_elements(shape)
        case Attention():
            layers = shape.layers if isinstance(shape, Layer) else 1
            context = shape.past + shape.tokens
            pairs = 2 * shape.heads * shape.head_dim * shape.tokens * context
            return shape.tokens * weight_elements(shape) + layers * pairs


def _mlp_weights(shape: Feedforward | Layer) -> int:
    return (3 if shape.gated else 2) * shape.hidden * shape.inner


def _attention_weights(shape: Attention) -> int:
    return 2 * shape.hidden * shape.head_dim * (shape.heads + shape.kv_heads)
