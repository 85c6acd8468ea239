"""What a chip's arithmetic does to a model's outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from silmark.api import question
from silmark.api.question import Count
from silmark.errors import BadFile, BadValue, UnknownName
from silmark.quality import STANDIN_TASKS, Chosen, Quality, Way, chosen, known
from silmark.quality.ask import need_torch
from silmark.report.quality import QualityAnswer, QualityRow, order

if TYPE_CHECKING:
    from silmark.quality.subject import Module, Subject

OPERATORS = ("linear", "attention", "conv", "vector")
_MOST_TEXT, _MOST_TEXTS = 1 << 20, 4096


def output_quality(
    model: str | Module,
    inputs: Any = None,  # noqa: ANN401 - a tensor, a tuple or a mapping of tensors, or a list of such
    *,
    on: str | Sequence[str] = "all",
    precision: str = "default",
    operators: str | Sequence[str] = "all",
    texts: str | Path | None = None,
    labels: Sequence[int] | None = None,
    task: str | None = None,
    generate: Count = 32,
    seed: Count = 0,
    layers: bool = False,
) -> QualityAnswer:
    """Runs a model through every chip's arithmetic and compares its outputs with fp32's.

    Args:
        model: minilm, charlm, smallcnn, a local folder with config.json and safetensors, or a torch.nn.Module.
        inputs: for a module: a tensor, a tuple or a mapping of tensors, or a list of such batches.
        on: "all", or names and paths of chips.
        precision: a format, weights:compute[:kv], "default" (each chip's own) or "fastest" (each chip's highest peak).
        operators: "all", or some of linear, attention, conv, vector; the others stay in fp32.
        texts: for a folder: a file with one text per line, in place of the package's 64 sentences.
        labels: for a module: the right classes of the items.
        task: for a module: language, encoder, classifier or outputs; taken from the outputs' shape if not said.
        generate: tokens by which a language model continues its prompts; 0 for none.
        seed: what analog noise is drawn from.
        layers: note the signal-to-noise ratio of every product.

    Raises:
        SilmarkError: a name that is unknown, a file that is not safe or whole, a value that makes no sense.
    """
    parts = _operators(operators)
    ways = [chosen(chip, known(precision)) for chip in question.chip_list(on)]
    number, tokens = question.whole("seed", seed, least=0), question.whole("generate", generate, least=0)
    need_torch()
    subject = _subject(model, inputs, texts, labels, task)
    from silmark.quality.run import assess  # noqa: PLC0415 - loads PyTorch

    found = assess(
        subject, [one.way for one in ways if one.way], parts=parts, seed=number, generate=tokens, layers=layers
    )
    rows = [_row(one, found) for one in ways]
    said = {
        "model": model if isinstance(model, str) else type(model).__name__,
        "on": on if isinstance(on, str) else ",".join(on),
        "precision": precision,
        "operators": ",".join(parts) if len(parts) < len(OPERATORS) else "all",
        "generate": tokens,
        "seed": number,
    }
    facts = {
        "name": subject.name,
        "task": subject.task,
        "parameters": subject.parameters,
        "items": subject.items,
        "origin": subject.origin,
    }
    return QualityAnswer(said, facts, tuple(sorted(rows, key=order)), (*subject.notes, *_left_out(found)))


_NEEDS = {"linear": "gemm", "attention": "attention", "conv": "conv"}
"""Parts of a model, with the operators of a chip's `cannot` that they are."""


def _row(one: Chosen, found: Mapping[Way, Quality]) -> QualityRow:
    """One chip's row; what it cannot run it cannot run in any arithmetic."""
    if one.way is None:
        return QualityRow(one, None)
    quality = found[one.way]
    lacks = next(
        (need for part, need in _NEEDS.items() if quality.products.get(part) and need in one.chip.cannot), None
    )
    if lacks is None:
        return QualityRow(one, quality)
    return QualityRow(replace(one, way=None, reason=one.chip.cannot[lacks]), None)


def _operators(asked: str | Sequence[str]) -> tuple[str, ...]:
    names = [one.strip() for one in asked.split(",")] if isinstance(asked, str) else list(asked)
    if names == ["all"]:
        return OPERATORS
    if not names or not set(names) <= set(OPERATORS):
        raise BadValue("operators", asked, f"all, or some of {', '.join(OPERATORS)}")
    return tuple(one for one in OPERATORS if one in names)


def _subject(
    model: str | Module,
    inputs: Any,  # noqa: ANN401 - as in output_quality
    texts: str | Path | None,
    labels: Sequence[int] | None,
    task: str | None,
) -> Subject:
    if not isinstance(model, str):
        from silmark.quality import own  # noqa: PLC0415 - loads PyTorch

        if inputs is None:
            raise BadValue("inputs", None, "a batch for the module: a tensor, a tuple or a mapping of tensors")
        return own.subject(model, inputs, labels, task)
    if inputs is not None or labels is not None or task is not None:
        raise BadValue("inputs", "given", f"none for a model by name; {model} brings its own")
    name = {"minilm-l6": "minilm"}.get(model, model)
    if name in STANDIN_TASKS:
        from silmark.quality.standins import STANDINS  # noqa: PLC0415 - loads PyTorch

        if texts is not None:
            raise BadValue("texts", str(texts), f"none: {name} brings its own; a folder of the model takes any")
        return STANDINS[name]()
    path = Path(model)
    if path.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"):
        raise BadFile(path, "a pickle, which can run any code when it is read; give a folder with safetensors")
    if not path.is_dir():
        hint = f"known are {', '.join(STANDIN_TASKS)}; or give a local folder with config.json and safetensors"
        raise UnknownName("model with weights", model, STANDIN_TASKS, hint=hint)
    from silmark.quality import folder  # noqa: PLC0415 - loads PyTorch
    from silmark.quality.standins.minilm import sentences  # noqa: PLC0415

    given, origin = (sentences(), "of the package") if texts is None else (_lines(Path(texts)), f"of {texts}")
    return folder.subject(path, given, origin)


def _lines(path: Path) -> list[str]:
    """Lines of a file of texts that are not empty; raises BadFile."""
    try:
        with path.open("rb") as stream:
            raw = stream.read(_MOST_TEXT + 1)
        lines = [one.strip() for one in raw.decode("utf-8").splitlines() if one.strip()]
    except UnicodeDecodeError:
        raise BadFile(path, "not UTF-8 text") from None
    except OSError as error:
        raise BadFile(path, error.strerror or "cannot be read") from None
    if len(raw) > _MOST_TEXT or not 2 <= len(lines) <= _MOST_TEXTS:
        raise BadFile(path, f"expected 2 to {_MOST_TEXTS:,} lines of text, {_MOST_TEXT:,} bytes at most")
    return lines


def _left_out(found: dict[Way, Quality]) -> tuple[str, ...]:
    names = sorted({name for one in found.values() for name in one.left_out})
    return (f"ran in fp32, for want of an emulation: {', '.join(names)}",) if names else ()
