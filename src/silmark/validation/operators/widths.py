"""Widths of a model's layers, for tables that name a layer and not its shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from silmark import models
from silmark.graph import Attention, Experts, Gemm, Op
from silmark.validation.operators.draft import alias
from silmark.workloads import Step

_Kind = TypeVar("_Kind", Attention, Experts, Gemm)


@dataclass(frozen=True, slots=True)
class Widths:
    """Sizes of one decoder layer and of the head, whole (not divided among chips).

    Attributes:
        inner: width of the dense MLP, 0 where all of them are routed.
        experts: the routed MLPs of a layer, None in a dense model.
    """

    hidden: int
    vocab: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    experts: Experts | None

    @property
    def rotated(self) -> int:
        """Elements of queries and keys of one token."""
        return (self.heads + self.kv_heads) * self.head_dim


@cache
def widths(name: str) -> Widths:
    """Widths of a model as the tables name it; raises UnknownName."""
    model = models.load(alias("models", name))
    ops = model.lower(Step.decode([1], [1]))
    attention = _first(ops, Attention)
    up = next((op for op in ops if isinstance(op, Gemm) and op.name.endswith(".up")), None)
    return Widths(
        hidden=model.hidden,
        vocab=model.vocab,
        heads=attention.heads if attention else 0,
        kv_heads=attention.kv_heads if attention else 0,
        head_dim=attention.qk_dim if attention else 0,
        inner=up.n // 2 if up else 0,
        experts=_first(ops, Experts),
    )


def _first(ops: Sequence[Op], kind: type[_Kind]) -> _Kind | None:
    return next((op for op in ops if isinstance(op, kind)), None)
