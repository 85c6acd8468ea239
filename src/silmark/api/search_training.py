"""The best training plans of a model on chips, from words."""

from __future__ import annotations

from collections.abc import Mapping

from silmark import models, systems
from silmark.api import question
from silmark.api.question import Count
from silmark.api.train import precision_of, sequence, stack_of
from silmark.errors import BadValue, UnknownName
from silmark.planning.training import AXES, Asked, search
from silmark.report.search_training import SearchedTraining
from silmark.systems.catalog import MAX_CHIPS
from silmark.training import RECOMPUTE, Job

_MOST_TOKENS = 1e18
_MOST_VALUES = 64


def search_training(
    model: str,
    on: str,
    *,
    global_batch: Count,
    sequence_length: Count | None = None,
    tokens: float | str | None = None,
    cp: Count = 1,
    fixed: Mapping[str, str | int] | None = None,
    precision: str = "default",
    stack: str = "auto",
) -> SearchedTraining:
    """Every plan of a training step on some chips: the fastest, the most efficient, and the frontier of time and chips.

    Args:
        model: catalogue name, path of a `config.json`, or `hf:owner/name`.
        on: `5128x:nvidia-a100-sxm4-80gb`, a system's id, or a `.toml` file.
        global_batch: sequences of one step.
        sequence_length: tokens of each; default 4096, or what the model allows if less.
        tokens: of the whole run, such as 300e9: adds days, joules and dollars.
        cp: chips that share one sequence.
        fixed: values of axes that are not searched: tp, pp, dp, micro, interleave, recompute, zero; several
            separated by slashes, such as "4/8".
        precision: format of the matrix products, or "default".
        stack: training software whose coefficients apply, or auto: that of the chip's family.

    Raises:
        SilmarkError: a name that is unknown or a value that makes no sense.
    """
    loaded, target = models.load(model), systems.target(on)
    software = stack_of(stack, target)
    base = Job(
        precision=precision_of(precision, target),
        seq=sequence(loaded, sequence_length),
        micro=1,
        global_batch=question.whole("global batch", global_batch),
        cp=question.whole("cp", cp),
        stack=software,
        fused=software not in ("foundry", "megatron"),
    )
    if base.cp > target.count:
        raise BadValue("cp", base.cp, f"at most {target.count}, the chips of {target.name}")
    only = {name: _values(name, value) for name, value in (fixed or {}).items()}
    whole_run = None if tokens is None else _tokens(tokens)
    said = {
        "model": loaded.name,
        "on": target.name,
        "global_batch": base.global_batch,
        "sequence": base.seq,
        "cp": base.cp,
        "precision": str(base.precision),
        "stack": software,
        "tokens": whole_run,
        "fixed": {name: str(value) for name, value in (fixed or {}).items()},
    }
    return SearchedTraining(said, search(Asked(loaded, target, base, only)), whole_run)


def _values(axis: str, value: str | int) -> tuple[int, ...]:
    """Values of an axis from one number or word, or several between slashes."""
    if axis not in AXES:
        raise UnknownName("axis", axis, AXES, hint=f"axes of a search: {', '.join(AXES)}")
    words = [word.strip() for word in str(value).split("/")]
    if len(words) > _MOST_VALUES:
        raise BadValue(axis, value, f"at most {_MOST_VALUES} values")
    if axis == "recompute":
        for word in words:
            if word not in RECOMPUTE:
                raise BadValue("recompute", word, f"one of {', '.join(RECOMPUTE)}")
        return tuple(RECOMPUTE.index(word) for word in words)
    numbers = tuple(question.whole(axis, word, least=0 if axis == "zero" else 1) for word in words)
    if axis == "zero" and max(numbers) > 3:
        raise BadValue("zero", value, "0, 1, 2 or 3")
    if max(numbers) > MAX_CHIPS:
        raise BadValue(axis, value, f"numbers up to {MAX_CHIPS:,}")
    return numbers


def _tokens(value: float | str) -> float:
    """Tokens of a run from a number such as 300e9."""
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 1 <= number <= _MOST_TOKENS:
        raise BadValue("tokens", value, f"a number from 1 to {_MOST_TOKENS:.0e}, such as 300e9")
    return number
