"""What Silmark says where a training run was measured."""

from __future__ import annotations

from collections.abc import Mapping

from silmark.errors import SilmarkError
from silmark.mapping import Infeasible
from silmark.training.estimate import train
from silmark.training.rows import convert, question

Prediction = tuple[float, float, float, str, str]
_NOTHING = (float("nan"), float("nan"), float("nan"), "")


def predict_row(row: Mapping[str, str]) -> Prediction:
    """(low, mid, high, grade, why) of one row's metric in its own unit; numbers are nan where there is no answer.

    Args:
        row: columns of the table of training throughput. The measured value and what the notes say of the result
            (MFU, step seconds) are not read.
    """
    asked = question(row)
    if isinstance(asked, str):
        return (*_NOTHING, asked)
    answer = train(asked.model, asked.target, asked.job, check_memory=False)
    if isinstance(answer, Infeasible):
        return (*_NOTHING, answer.reason)
    step = answer.step_s
    try:
        numbers = sorted(convert(asked, seconds) for seconds in (step.low, step.mid, step.high))
    except SilmarkError as error:
        return (*_NOTHING, str(error))
    taken = f"; assumed: {', '.join(asked.assumed)}" if asked.assumed else ""
    why = f"{asked.job}; bound by {answer.bound_by}{taken}"
    return (*numbers, str(answer.grade), why)  # type: ignore[return-value]
