"""Subject: a model with the inputs that it is judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from silmark.errors import BadValue

Task = Literal["language", "encoder", "classifier", "outputs"]
TASKS: tuple[Task, ...] = ("language", "encoder", "classifier", "outputs")
Batch = tuple[tuple[Tensor, ...], Mapping[str, Tensor]]
"""Positional and named inputs of one call."""

Module = nn.Module
"""By this name for layers that do not import PyTorch."""


@dataclass(frozen=True)
class Subject:
    """What is run.

    Attributes:
        name: how the answer calls it.
        module: in float32, evaluation mode.
        task: what its outputs are.
        batches: its inputs.
        output: from what the module returns to the tensor that is judged.
        labels: right classes, where known.
        prompts: (prompts, tokens) that are continued, for language models; None for no generation.
        limit: most tokens that the module takes.
        items: what it is judged by, in words.
        origin: where the weights come from, in words.
        notes: what a reader must know besides.
    """

    name: str
    module: nn.Module
    task: Task
    batches: Sequence[Batch]
    output: Callable[[Any, Batch], Tensor]
    items: str
    origin: str = ""
    labels: NDArray[np.int64] | None = None
    prompts: Tensor | None = None
    limit: int = 1 << 30
    notes: tuple[str, ...] = field(default=())

    @property
    def parameters(self) -> int:
        """Weights of the module."""
        return sum(one.numel() for one in self.module.parameters())

    def run(self, batch: Batch) -> Tensor:
        """The output for one batch."""
        return self.output(self.module(*batch[0], **batch[1]), batch)


def logits(result: Any, _: Batch | None = None) -> Tensor:  # noqa: ANN401
    """The tensor in what a module returns: itself, its logits, or the first of several."""
    if isinstance(result, Tensor):
        return result
    for name in ("logits", "last_hidden_state"):
        if isinstance(getattr(result, name, None), Tensor):
            return getattr(result, name)
    if isinstance(result, tuple | list) and result and isinstance(result[0], Tensor):
        return result[0]
    raise BadValue(
        "model", type(result).__name__, "a module that returns a tensor, logits, or a tuple that begins with one"
    )


def ready(module: nn.Module, name: str) -> nn.Module:
    """The module in float32 and evaluation mode; raises BadValue where a weight is NaN or infinite."""
    for weight, values in module.state_dict().items():
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            raise BadValue("model", name, f"finite weights; {weight} has {_ill(values)}")
    return module.to(torch.float32).eval()


def _ill(values: Tensor) -> str:
    kind = "NaN" if bool(values.isnan().any()) else "infinite"
    return f"{int((~values.isfinite()).sum()):,} that are {kind}"
