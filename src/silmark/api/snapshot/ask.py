"""Asks the grid, through the public functions of the package alone.

It also runs as a script, with another version of the package on PYTHONPATH: `python -P ask.py QUESTIONS ANSWERS`.
Therefore it imports nothing of the package that a version of last year may lack, and what that version refuses, or
does not know how to do, is an answer without numbers.
"""

from __future__ import annotations

import csv
import json
import logging
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import silmark

_LOG = logging.getLogger("silmark.snapshot")
Answers = dict[str, dict[str, dict[str, Any]]]
"""Question -> chip -> numbers by name as low, mid and high; the plan; and why numbers are missing."""
_USUAL = {"attention": "heads", "weights_in": "main", "kv_in": "main"}
_US = 1e-6
_EVERYWHERE = "all chips"  # as silmark.report.snapshot has it, which an early version lacks
Failures = tuple[type[Exception], ...]


def answers(asked: Mapping[str, Any], failures: Failures = (silmark.SilmarkError,)) -> dict[str, Answers]:
    """Answers by part of the grid.

    Args:
        asked: as `questions.questions` gives it.
        failures: exceptions that make a refusal; of the version at hand only those that a user can mend.
    """
    parts: dict[str, Answers] = {"compare": {}, "estimate": {}, "operators": {}}
    for question in asked["compare"]:
        name = f"{question['model']}, {question['workload']}"
        _LOG.info("comparing %s", name)
        parts["compare"][name] = _tried(partial(_compare, question), failures)
    for question in asked["estimate"]:
        _LOG.info("estimating %s", question["model"])
        for chip in asked["chips"]:
            _estimate(parts["estimate"], question, chip, failures)
    for table in asked["operators"]:
        _LOG.info("predicting operators: %s", table["kind"])
        parts["operators"][table["kind"]] = _tried(partial(_operators, table), failures)
    return parts


def _tried(ask: Callable[[], dict[str, dict[str, Any]]], failures: Failures) -> dict[str, dict[str, Any]]:
    try:
        return ask()
    except failures as error:
        return {_EVERYWHERE: _answer({}, why=f"{error}")}


def _answer(numbers: Mapping[str, Any], plan: str = "", why: str = "") -> dict[str, Any]:
    return {"numbers": dict(numbers), "plan": plan, "why": why}


def _compare(question: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found = silmark.compare(question["model"], workload=question["workload"], chips="-host").as_dict()
    return {row["chip"]: _answer(dict(_numbers(row)), _plan(row), row["reason"]) for row in found["rows"]}


def _numbers(row: Mapping[str, Any]) -> Iterator[tuple[str, list[float]]]:
    """Every number of a row that has an interval."""
    for name, bounds in row.items():
        if isinstance(bounds, dict) and set(bounds) == {"low", "mid", "high"}:
            yield name, [bounds["low"], bounds["mid"], bounds["high"]]


def _plan(row: Mapping[str, Any]) -> str:
    """The plan in one line, without what most plans have in common."""
    if not row.get("plan"):
        return ""
    said = [f"{name} {value}" for name, value in row["plan"].items() if value not in (1, None, _USUAL.get(name))]
    return ", ".join([f"{row['chips']} chips in {row['system']}", f"batch {row['batch']}", *said])


def _estimate(into: Answers, question: Mapping[str, Any], chip: str, failures: Failures) -> None:
    """Adds one chip's rows, one per batch, and its operators at the last batch."""
    batches = question["batch"]
    name = f"{question['model']} on {question['chips']} chips"
    names = [*(f"{name}, batch {batch}" for batch in batches), f"{name}, operators at batch {batches[-1]}"]
    try:
        found = silmark.estimate(question["model"], f"{question['chips']}x:{chip}", batch=batches).as_dict()
    except failures as error:
        said = [_answer({}, why=f"{error}")] * len(names)
    else:
        said = [_answer(dict(_numbers(row)), _plan(row), row["reason"]) for row in found["rows"]]
        said.append(_answer(_seconds(found["operators"]), why=found["rows"][-1]["reason"]))
    for one, answer in zip(names, said, strict=True):
        into.setdefault(one, {})[chip] = answer


def _seconds(operators: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Seconds by phase and kind of operator, which have no interval."""
    found: dict[str, float] = {}
    for one in operators:
        key = f"{one['phase']} {one['kind']}"
        found[key] = found.get(key, 0.0) + one["time_s"]
    return {key: [value] * 3 for key, value in found.items()}


def _operators(table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    from silmark.validation.bulk import Line, predict_table  # noqa: PLC0415 - early versions have no such module

    rows = table["rows"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{table['kind']}.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            out = csv.DictWriter(stream, ["row_id", *rows[0]["cells"]])
            out.writeheader()
            out.writerows({"row_id": str(number), **row["cells"]} for number, row in enumerate(rows))
        lines = [line for line in predict_table(path).lines if isinstance(line, Line)]
    found: dict[str, dict[str, Any]] = {}
    for row, line in zip(rows, lines, strict=True):
        answer = found.setdefault(row["chip"], _answer({}))
        if line.mid:
            answer["numbers"][row["shape"]] = [float(cell) * _US for cell in (line.low, line.mid, line.high)]
        else:
            answer["why"] = line.why
    return found


def main() -> None:
    """Reads questions from the first file, writes answers and the package that gave them to the second."""
    questions, output = map(Path, sys.argv[1:])
    asked = json.loads(questions.read_text(encoding="utf-8"))
    # Whatever an older version does not know ends one question, not all of them.
    found = answers(asked, (Exception,))
    package = str(Path(silmark.__file__).resolve().parent)
    output.write_text(json.dumps({"package": package, "answers": found}), encoding="utf-8")


if __name__ == "__main__":
    main()
