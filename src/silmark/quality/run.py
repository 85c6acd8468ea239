"""Runs a subject in fp32 and in other ways, and measures how far they part."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from silmark.errors import BadValue
from silmark.figures import Interval
from silmark.quality import measures
from silmark.quality.emulate import PARTS, Emulation, emulated
from silmark.quality.layers import Trace
from silmark.quality.result import Quality
from silmark.quality.subject import Subject, logits
from silmark.quality.way import Way

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Ran:
    outputs: NDArray[np.float32]
    texts: NDArray[np.int64] | None
    mode: Emulation
    trace: Trace | None


def assess(
    subject: Subject,
    ways: Iterable[Way],
    *,
    parts: tuple[str, ...] = PARTS,
    seed: int = 0,
    generate: int = 0,
    layers: bool = False,
) -> dict[Way, Quality]:
    """Every way's quality; the run in fp32 is made once.

    Args:
        subject: the model and its inputs.
        ways: equal ones are computed once.
        parts: see `emulate.PARTS`.
        seed: what analog noise is drawn from.
        generate: tokens by which a language model continues each prompt.
        layers: note every product's SNR.
    """
    _log.info("%s in fp32", subject.name)
    truth = _ran(subject, None, parts, seed, generate, Trace() if layers else None)
    if not np.isfinite(truth.outputs).all():
        raise BadValue("model", subject.name, "finite outputs in fp32; there are infinite ones or NaN")
    found = dict[Way, Quality]()
    for way in dict.fromkeys(ways):
        _log.info("%s in %s", subject.name, way)
        trace = Trace(reference=truth.trace) if layers else None
        found[way] = _quality(subject, truth, _ran(subject, way, parts, seed, generate, trace))
    return found


def _ran(
    subject: Subject, way: Way | None, parts: tuple[str, ...], seed: int, generate: int, trace: Trace | None
) -> _Ran:
    outputs = []
    with emulated(subject.module, way, parts=parts, seed=seed, trace=trace) as mode:
        for batch in subject.batches:
            mode.restart()
            outputs.append(subject.run(batch))
        mode.trace = None
        texts = None
        if generate and subject.prompts is not None:
            products, mode.products = mode.products, mode.products.copy()
            texts = _continued(subject, subject.prompts, generate)
            mode.products = products
    return _Ran(torch.cat(outputs).numpy(), texts, mode, trace)


def _continued(subject: Subject, tokens: Tensor, count: int) -> NDArray[np.int64]:
    """Greedy continuations; the whole text is read again for every token, as a cache would give the same."""
    start = tokens.shape[1]
    for _ in range(min(count, subject.limit - start)):
        last = logits(subject.module(tokens))[:, -1]
        tokens = torch.cat([tokens, last.argmax(-1, keepdim=True)], dim=1)
    return tokens[:, start:].numpy()


def _quality(subject: Subject, truth: _Ran, found: _Ran) -> Quality:
    known: dict[str, Interval] = {}
    finite = bool(np.isfinite(found.outputs).all())
    if finite:
        known = _measured(subject, truth.outputs, found.outputs)
        if truth.texts is not None and found.texts is not None and truth.texts.size:
            known |= measures.generated(truth.texts, found.texts)
    layers = found.trace.layers() if found.trace else ()
    return Quality(subject.task, known, dict(found.mode.products), dict(found.mode.left_out), layers, finite)


def _measured(subject: Subject, truth: NDArray[np.float32], found: NDArray[np.float32]) -> dict[str, Interval]:
    if subject.task == "language":
        tokens = torch.cat([_tokens(batch[0], batch[1]) for batch in subject.batches]).numpy()
        return measures.language(truth, found, tokens)
    if subject.task == "encoder":
        return measures.encoder(truth, found)
    if subject.task == "classifier":
        return measures.classifier(truth, found, subject.labels)
    return measures.outputs(truth, found)


def _tokens(positional: tuple[Tensor, ...], named: Mapping[str, Tensor]) -> Tensor:
    return named["input_ids"] if "input_ids" in named else positional[0]
