"""A PyTorch module of the caller's own as a subject."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from silmark.errors import BadValue
from silmark.quality.subject import TASKS, Batch, Subject, Task, logits, ready


def subject(module: nn.Module, inputs: Any, labels: Sequence[int] | None, task: str | None) -> Subject:  # noqa: ANN401
    """The module with one batch, or a list of batches, to judge it by; the caller's module stays as it is.

    Args:
        module: any; it is copied to float32 and evaluation mode.
        inputs: a tensor, a tuple of them, a mapping of names to them, or a list of such batches.
        labels: right classes of a classifier's items.
        task: one of `TASKS`; None takes it from labels and the outputs' shape.
    """
    if not isinstance(module, nn.Module):
        raise BadValue("model", module, "a name, a folder, or a torch.nn.Module")
    if task is not None and task not in TASKS:
        raise BadValue("task", task, f"one of {', '.join(TASKS)}")
    batches = [_batch(one) for one in (inputs if isinstance(inputs, list) else [inputs])]
    if not batches:
        raise BadValue("inputs", inputs, "at least one batch")
    name = type(module).__name__
    try:
        copied = copy.deepcopy(module)
    except (RuntimeError, TypeError) as error:
        raise BadValue("model", name, f"a module that can be copied ({str(error)[:80]})") from None
    own = ready(copied.cpu(), name)
    with torch.no_grad():
        first = logits(own(*batches[0][0], **batches[0][1]))
    found = task or _task(batches[0], first, labels is not None)
    if found in ("classifier", "encoder") and first.ndim != 2:
        raise BadValue("task", found, f"outputs of (items, width); there are {tuple(first.shape)}")
    if found == "language" and first.ndim != 3:
        raise BadValue("task", found, f"outputs of (sequences, tokens, vocabulary); there are {tuple(first.shape)}")
    known = None if labels is None else np.asarray(labels, dtype=np.int64)
    count = sum(len(next(iter((*one[0], *one[1].values())))) for one in batches)
    if known is not None and known.shape != (count,):
        raise BadValue("labels", known.shape, f"one for each of the {count} items")
    return Subject(name, own, found, batches, logits, f"{count} items of the caller's", "the caller's module", known)


def _batch(one: Any) -> Batch:  # noqa: ANN401
    positional, named = ((), dict(one)) if isinstance(one, Mapping) else (one if isinstance(one, tuple) else (one,), {})
    tensors = [*positional, *named.values()]
    if not tensors or not all(isinstance(x, Tensor) for x in tensors):
        raise BadValue("inputs", one, "a tensor, a tuple or a mapping of tensors, or a list of such batches")
    if any(x.is_floating_point() and not bool(torch.isfinite(x).all()) for x in tensors):
        raise BadValue("inputs", "a tensor", "finite numbers; there are infinite ones or NaN")
    wide = (x.float() if x.is_floating_point() else x for x in positional)
    return tuple(wide), {name: x.float() if x.is_floating_point() else x for name, x in named.items()}


def _task(batch: Batch, output: Tensor, labelled: bool) -> Task:
    if labelled:
        return "classifier"
    tokens = next(iter((*batch[0], *batch[1].values())))
    reads = not tokens.is_floating_point() and tokens.ndim == 2
    return "language" if reads and output.ndim == 3 and output.shape[:2] == tokens.shape else "outputs"
