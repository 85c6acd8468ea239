"""Program -> tensor instructions: matrix products, vector operations and moves on named tensors with data.

A machine places and schedules these; what they compute is said once, in `semantics`. Weights are stored (k, n), as a
product uses them. Every tensor that is not read from a file is drawn from the program's seed and its own name, so that
no two machines see different numbers: inputs from a unit normal, matrices from one of variance 1 / k.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from silmark.machines.program import Program
from silmark.machines.run import Array
from silmark.machines.shapes import Attention, Feedforward, Gemm, Gemv, Layer, Products
from silmark.machines.weights import Weights

Operation = Literal["softmax", "rms-norm", "layer-norm", "silu", "gelu", "multiply", "add", "rotary"]
KINDS: Mapping[Operation, str] = {
    "softmax": "softmax",
    "rms-norm": "norm",
    "layer-norm": "norm",
    "silu": "activation",
    "gelu": "activation",
    "multiply": "activation",
    "add": "residual",
    "rotary": "embedding",
}
"""Operation -> the kind under which numerics rounds its result."""
Layout = Literal["split-heads", "merge-heads", "transpose", "append"]


@dataclass(frozen=True, slots=True)
class MatMul:
    """`out` = `left` (batch, m, k) times `right` (batch, k, n); without batch both are matrices.

    Attributes:
        stored: `right` is a weight of the program, so that it may lie in a matrix unit before the run begins;
            else it is computed (keys and values).
    """

    name: str
    left: str
    right: str
    out: str
    m: int
    n: int
    k: int
    batch: int = 1
    stored: bool = True

    @property
    def multiply_adds(self) -> int:
        """Of the whole product."""
        return self.batch * self.m * self.n * self.k


@dataclass(frozen=True, slots=True)
class Vector:
    """An operation on rows; `inputs` are of `out`'s shape, but for the learned vectors of norms.

    Attributes:
        rows, columns: of the result, all heads together.
        settings: numbers of the operation: `past`, `new`, `group`, `causal`, `scale` of a softmax, `past` of rotary.
    """

    name: str
    operation: Operation
    inputs: tuple[str, ...]
    out: str
    rows: int
    columns: int
    settings: Mapping[str, float] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Kind under which numerics rounds the result."""
        return KINDS[self.operation]

    @property
    def elements(self) -> int:
        """Of the result."""
        return self.rows * self.columns


@dataclass(frozen=True, slots=True)
class Move:
    """Another layout of the same values.

    split-heads turns (tokens, heads * d) into (groups, heads / groups * tokens, d), merge-heads back; transpose
    exchanges the last two axes; append joins the cached tokens (first input) and the new ones.
    """

    name: str
    layout: Layout
    inputs: tuple[str, ...]
    out: str
    elements: int
    settings: Mapping[str, int] = field(default_factory=dict)


Instruction = MatMul | Vector | Move


@dataclass(frozen=True, slots=True)
class Lowered:
    """A program as instructions.

    Attributes:
        instructions: in an order in which every input exists.
        tensors: float32 data of inputs, caches and weights by name.
        weights: names of the stored matrices and learned vectors among them.
        outputs: names of the tensors that are the result.
    """

    instructions: tuple[Instruction, ...]
    tensors: Mapping[str, Array]
    weights: frozenset[str]
    outputs: tuple[str, ...]


class _Build:
    """Collects instructions and tensors."""

    def __init__(self, program: Program) -> None:
        self._seed = program.seed
        self._file = Weights(program.weights)
        self.instructions: list[Instruction] = []
        self.tensors: dict[str, Array] = {}
        self.weights: set[str] = set()

    def add(self, instruction: Instruction) -> str:
        self.instructions.append(instruction)
        return instruction.out

    def input(self, name: str, *shape: int) -> str:
        self.tensors[name] = self._drawn(name, shape)
        return name

    def weight(self, name: str, k: int, n: int) -> str:
        self.weights.add(name)
        given = self._file.matrix(name, k, n)
        self.tensors[name] = self._drawn(name, (k, n), k**-0.5) if given is None else given
        return name

    def norm(self, name: str, width: int) -> str:
        self.weights.add(name)
        given = self._file.vector(name, width)
        self.tensors[name] = np.ones(width, dtype=np.float32) if given is None else given
        return name

    def product(self, name: str, left: str, m: int, n: int, k: int) -> str:
        return self.add(MatMul(name, left, self.weight(name, k, n), f"{name}.out", m, n, k))

    def _drawn(self, name: str, shape: tuple[int, ...], scale: float = 1.0) -> Array:
        generator = np.random.default_rng((self._seed, zlib.crc32(name.encode())))
        return generator.standard_normal(shape, dtype=np.float32) * np.float32(scale)

    def done(self, outputs: tuple[str, ...]) -> Lowered:
        self._file.close()
        return Lowered(tuple(self.instructions), self.tensors, frozenset(self.weights), outputs)


def lower(program: Program) -> Lowered:
    """The instructions of a program of matrices, with data.

    Raises:
        BadValue: a graph, which has no such instructions.
        BadFile: weights that are missing, of another shape, or not finite.
    """
    build, shape = _Build(program), program.sizes()
    match shape:
        case Gemv():
            out = build.product("weight", build.input("x", 1, shape.k), 1, shape.n, shape.k)
        case Products():
            return build.done(_products(build, shape))
        case Gemm():
            out = build.product("weight", build.input("x", shape.m, shape.k), shape.m, shape.n, shape.k)
        case Feedforward():
            out = _mlp(build, shape, build.input("x", shape.tokens, shape.hidden), "", shape.tokens)
        case Layer():
            out = build.input("x", shape.tokens, shape.hidden)
            for index in range(shape.layers):
                out = _layer(build, shape, out, f"{index}.")
        case Attention():
            out = _attention(build, shape, build.input("x", shape.tokens, shape.hidden), "")
    return build.done((out,))


def _products(build: _Build, shape: Products) -> tuple[str, ...]:
    """One instruction per step and repetition."""
    outs = []
    for index, step in enumerate(shape.steps):
        for turn in range(step.repeat):
            name = f"{index}.{turn}"
            outs.append(build.product(name, build.input(f"{name}.x", step.m, step.k), step.m, step.n, step.k))
    return tuple(outs)


def _mlp(build: _Build, shape: Feedforward | Layer, x: str, prefix: str, rows: int) -> str:
    def vector(operation: Operation, *inputs: str) -> str:
        name = f"{prefix}{operation}"
        return build.add(Vector(name, operation, inputs, f"{name}.out", rows, shape.inner))

    up = build.product(f"{prefix}up", x, rows, shape.inner, shape.hidden)
    if shape.gated:
        gate = build.product(f"{prefix}gate", x, rows, shape.inner, shape.hidden)
        up = vector("multiply", vector("silu", gate), up)
    else:
        up = vector("gelu", up)
    return build.product(f"{prefix}down", up, rows, shape.hidden, shape.inner)


def _layer(build: _Build, shape: Layer, x: str, prefix: str) -> str:
    """Norm, attention, add, norm, MLP, add (pre-norm, as every layer since GPT-2)."""
    rows, width = shape.tokens, shape.hidden
    operation: Operation = "rms-norm" if shape.norm == "rms" else "layer-norm"

    def norm(name: str, of: str) -> str:
        learned = build.norm(f"{prefix}{name}", width)
        return build.add(Vector(f"{prefix}{name}", operation, (of, learned), f"{prefix}{name}.out", rows, width))

    def add(name: str, a: str, b: str) -> str:
        return build.add(Vector(f"{prefix}{name}", "add", (a, b), f"{prefix}{name}.out", rows, width))

    x = add("attention.add", x, _attention(build, shape, norm("attention.norm", x), prefix))
    return add("mlp.add", x, _mlp(build, shape, norm("mlp.norm", x), prefix, rows))


def _attention(build: _Build, shape: Attention, x: str, prefix: str) -> str:
    """Query heads that share a KV head lie below each other, so that keys and values are one operand per KV head."""
    tokens, past, d, groups = shape.tokens, shape.past, shape.head_dim, shape.kv_heads
    context, rows = past + tokens, shape.heads // groups * tokens

    def move(layout: Layout, name: str, *inputs: str, elements: int) -> str:
        settings = {"groups": groups, "tokens": tokens, "width": d}
        return build.add(Move(f"{prefix}{name}", layout, inputs, f"{prefix}{name}", elements, settings))

    def rotated(name: str, of: str, count: int) -> str:
        if not shape.rotary:
            return of
        settings = {"past": past, "new": tokens}
        found = Vector(f"{prefix}{name}", "rotary", (of,), f"{prefix}{name}", count, d, settings)
        return build.add(found)

    def projected(name: str, heads: int) -> str:
        made = build.product(f"{prefix}{name}", x, tokens, heads * d, shape.hidden)
        return move("split-heads", f"{name}.split", made, elements=tokens * heads * d)

    def with_cache(name: str, of: str) -> str:
        if not past:
            return of
        cache = build.input(f"{prefix}{name}.cache", groups, past, d)
        return move("append", f"{name}.all", cache, of, elements=groups * context * d)

    q = rotated("q.rotary", projected("q", shape.heads), groups * rows)
    k = with_cache("k", rotated("k.rotary", projected("k", groups), groups * tokens))
    v = with_cache("v", projected("v", groups))
    keys = move("transpose", "k.transposed", k, elements=groups * context * d)
    scores = build.add(
        MatMul(f"{prefix}scores", q, keys, f"{prefix}scores", rows, context, d, batch=groups, stored=False)
    )
    settings = {"past": past, "new": tokens, "causal": float(shape.causal), "scale": d**-0.5}
    chances = build.add(
        Vector(f"{prefix}softmax", "softmax", (scores,), f"{prefix}softmax", groups * rows, context, settings)
    )
    mixed = build.add(MatMul(f"{prefix}mix", chances, v, f"{prefix}mix", rows, d, context, batch=groups, stored=False))
    merged = move("merge-heads", "merged", mixed, elements=tokens * shape.heads * d)
    return build.product(f"{prefix}o", merged, tokens, shape.hidden, shape.heads * d)
