"""Model: what a network is made of, and how it lowers to operators.

A model is a list of parts: what stands before the blocks (embedding), the blocks, what follows (head). Every
part knows its parameters, what it caches, and the operators of one pass. Parameter counts are therefore
derived from the same description as the FLOPs, and an exact count vouches for both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from silmark.errors import BadValue
from silmark.graph import Array, Boundary, Experts, Gemm, Graph, Op
from silmark.workloads.step import Step

Kind = Literal["decoder", "encoder", "vision", "sampler"]
FIXED_BELOW_BITS = 8.0
"""Checkpoints narrower than this stay as they are stored; fp8 and wider ones follow the plan's precision."""


class Part(ABC):
    """A piece of a block: a norm, a mixer, an MLP. Subclasses are frozen dataclasses, so equal parts merge."""

    __slots__ = ()

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Learned elements."""

    @property
    def active(self) -> int:
        """Learned elements that one token passes through (lookup tables and experts not chosen are left out)."""
        return self.parameters

    @property
    def state_elements(self) -> int:
        """Recurrent state of one sequence, in elements."""
        return 0

    def kv_elements(self, context: Array) -> Array:
        """Elements cached for one sequence of `context` tokens."""
        return np.zeros_like(context)

    @abstractmethod
    def lower(self, step: Step) -> Iterator[Op]:
        """Operators of one pass, each with `count` per occurrence of the part."""


@dataclass(frozen=True, slots=True)
class Block:
    """A layer: parts in the order of execution.

    Attributes:
        name: prefix of its operators ("layer", "dense", "moe", "sliding", ...).
        parts: norms, mixers, MLPs.
        parallel: attention and MLP read the same input and are summed once, so their output projections are
            one matrix product (and under tensor parallelism one all-reduce).
    """

    name: str
    parts: tuple[Part, ...]
    parallel: bool = False

    @property
    def parameters(self) -> int:
        """Learned elements of one such block."""
        return sum(part.parameters for part in self.parts)

    @property
    def active(self) -> int:
        """Learned elements that one token passes through."""
        return sum(part.active for part in self.parts)

    def lower(self, step: Step) -> tuple[Op, ...]:
        """Operators of one such block."""
        ops = tuple(op for part in self.parts for op in part.lower(step))
        return _join_outputs(ops) if self.parallel else ops


@dataclass(frozen=True, slots=True)
class Stored:
    """How a quantised checkpoint stores its weights.

    Attributes:
        bits: per weight, block scales included.
        scope: "experts" (routed experts only) or "linears" (every matrix of the blocks).
    """

    bits: float
    scope: Literal["experts", "linears"]

    def apply(self, op: Op) -> Op:
        """Marks an operator's weights with their stored bits where the checkpoint fixes them."""
        if self.bits >= FIXED_BELOW_BITS:
            return op
        if isinstance(op, Experts) or (isinstance(op, Gemm) and self.scope == "linears"):
            return replace(op, weight_bits=self.bits)
        return op


@dataclass(frozen=True, slots=True)
class Model:
    """A network of any kind, read from a configuration.

    Attributes:
        name: catalogue name, or the name of the file's folder.
        kind: decoder (has a KV cache or a state), encoder, vision or sampler.
        hidden: width of what flows between the blocks.
        vocab: entries of the vocabulary, or classes, or nodes of a sampler.
        stem, blocks, tail: parts before the blocks; (count, block) groups; parts after them.
        stored: storage of a quantised checkpoint, None if it is stored in 16 bits or more.
        max_context: longest context that the configuration allows, in tokens; 0 where there is no context.
        source_config: file that the model was read from.
        notes: what a reader must know, such as keys that were not understood.
    """

    name: str
    kind: Kind
    hidden: int
    vocab: int
    stem: tuple[Part, ...]
    blocks: tuple[tuple[int, Block], ...]
    tail: tuple[Part, ...]
    stored: Stored | None = None
    max_context: int = 0
    source_config: str = ""
    notes: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """Learned elements, embeddings included; tied matrices count once."""
        ends = sum(part.parameters for part in self.stem + self.tail)
        return ends + sum(count * block.parameters for count, block in self.blocks)

    @property
    def active_parameters(self) -> int:
        """Learned elements that one token passes through: chosen experts and head, no lookup tables."""
        ends = sum(part.active for part in self.stem + self.tail)
        return ends + sum(count * block.active for count, block in self.blocks)

    @property
    def stored_bits(self) -> float | None:
        """Bits per weight of a quantised checkpoint, None if it is not quantised."""
        return None if self.stored is None else self.stored.bits

    @property
    def layer_count(self) -> int:
        """Blocks, counted one by one."""
        return sum(count for count, _ in self.blocks)

    @property
    def state_elements(self) -> int:
        """Recurrent state of one sequence over all layers, in elements; independent of its length."""
        return sum(count * part.state_elements for count, block in self.blocks for part in block.parts)

    def kv_elements(self, context: Array) -> Array:
        """Elements cached for one sequence of `context` tokens, over all layers, windows respected."""
        context = np.asarray(context, dtype=np.float64)
        parts = ((count, part) for count, block in self.blocks for part in block.parts)
        return np.asarray(sum((n * part.kv_elements(context) for n, part in parts), np.zeros_like(context)))

    def weight_bytes(self, bits: float) -> float:
        """Bytes of all weights at `bits` per weight, except where the checkpoint fixes fewer."""
        return _weight_bytes(self, bits)

    def lower(self, step: Step) -> Graph:
        """Operators of one step, chip-free and unsharded; every array broadcasts with the step's.

        Identical layers are one operator with a count. The head runs on the last token of every sequence in
        prefill and on every token otherwise.
        """
        if self.kind != "decoder" and step.phase != "forward":
            raise BadValue("phase", step.phase, f"forward: {self.name} is a {self.kind} without prefill and decode")
        rows = step.tokens if self.kind in ("decoder", "encoder") else step.seqs
        ops = [op for part in self.stem for op in part.lower(step)]
        for count, block in self.blocks:
            for op in block.lower(step):
                marked = self.stored.apply(op) if self.stored else op
                ops.append(replace(marked, name=f"{block.name}.{op.name}", count=op.count * count))
            ops.append(Boundary(name=f"{block.name}.seam", count=count, scope="layer", m=rows, hidden=self.hidden))
        ops += [op for part in self.tail for op in part.lower(step)]
        ops.append(Boundary(name="step.seam", scope="step", m=rows, hidden=self.hidden))
        return tuple(ops)


@lru_cache(maxsize=256)
def _weight_bytes(model: Model, bits: float) -> float:
    fixed_elements, fixed_bits = 0.0, 0.0
    for op in model.lower(Step.forward(1, 1)):
        if isinstance(op, Gemm | Experts) and op.weight_bits is not None:
            elements = op.count * _weights(op)
            fixed_elements += elements
            fixed_bits += elements * op.weight_bits
    return ((model.parameters - fixed_elements) * bits + fixed_bits) / 8


def _weights(op: Gemm | Experts) -> int:
    if isinstance(op, Gemm):
        return op.groups * op.n * op.k
    return op.experts * op.weights_per_expert


def _join_outputs(ops: tuple[Op, ...]) -> tuple[Op, ...]:
    """Replaces the row-split products of a parallel block by one whose depth is their sum."""
    rows = [op for op in ops if isinstance(op, Gemm) and op.split == "row"]
    if len(rows) < 2:
        return ops
    joined = replace(rows[-1], name="out", k=sum(op.k for op in rows))
    return tuple(joined if op is rows[-1] else op for op in ops if op is rows[-1] or op not in rows)
