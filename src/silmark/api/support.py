"""Whether and how chips run a model or classes of architectures, and what they do with number formats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from silmark import models
from silmark.api import question
from silmark.api.question import Count
from silmark.chips import Chip
from silmark.mapping.fallback import Reference, Support, supported
from silmark.mapping.support import formats_of
from silmark.models import Model
from silmark.models.catalogue import architectures
from silmark.report.support import SupportAnswer
from silmark.report.support_matrix import FormatMatrix, SupportMatrix


def support(
    model: str,
    on: str | Sequence[str] = "all",
    *,
    precision: str = "default",
    context: Count = 2048,
    batch: Count = 32,
) -> SupportAnswer:
    """Whether chips run a model: natively, by a fallback and at which cost, or not at all.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`.
        on: "all", or names and paths of chips.
        precision: a format, "weights:compute[:kv]", or "default" (each chip's own).
        context: tokens of the reference prompt, and of each decoding sequence.
        batch: decoding sequences, texts, images or samples of the reference step.

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    loaded, reference = models.load(model), _reference(context, batch)
    question.known_format(precision)
    rows = [_asked(loaded, chip, precision, reference) for chip in question.chip_list(on)]
    said = {"model": loaded.name, **_said(on, precision, reference)}
    return SupportAnswer(said, tuple(sorted(rows, key=_order)), loaded.notes)


def support_matrix(
    on: str | Sequence[str] = "all", *, precision: str = "default", context: Count = 2048, batch: Count = 32
) -> SupportMatrix:
    """The same question for one model of every class of architectures; arguments as of `support`."""
    reference = _reference(context, batch)
    question.known_format(precision)
    known = {name: models.load(entry["model"]) for name, entry in architectures().items()}
    rows = {
        chip: {name: _asked(model, chip, precision, reference) for name, model in known.items()}
        for chip in question.chip_list(on)
    }
    return SupportMatrix(_said(on, precision, reference), architectures(), rows)


def support_formats(on: str | Sequence[str] = "all") -> FormatMatrix:
    """What chips do with every number format: multiply, convert, only store, nothing; `on` as of `support`."""
    return FormatMatrix({"on": _on(on)}, {chip: formats_of(chip) for chip in question.chip_list(on)})


def _reference(context: Count, batch: Count) -> Reference:
    return Reference(question.whole("context", context), question.whole("batch", batch))


def _asked(model: Model, chip: Chip, precision: str, reference: Reference) -> Support:
    return supported(model, chip, question.precision(precision, chip), reference)


def _said(on: str | Sequence[str], precision: str, reference: Reference) -> dict[str, Any]:
    return {
        "on": _on(on),
        "precision": precision,
        "context": reference.context,
        "batch": reference.batch,
    }


def _on(on: str | Sequence[str]) -> str:
    return on if isinstance(on, str) else ",".join(on)


def _order(row: Support) -> tuple[int, float, str]:
    """Native first, then by what fallbacks cost, then those that cannot."""
    return row.rank, row.most or 0.0, row.chip.id
