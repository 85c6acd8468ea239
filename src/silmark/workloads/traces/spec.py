"""From what a user types after `--trace` to a trace: a file, a public trace's name, or a generator with its words."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

import numpy as np

from silmark.errors import BadFile, BadValue, UnknownName
from silmark.figures import assumptions
from silmark.workloads.traces import catalogue, copies, formats, generators, reader, shape
from silmark.workloads.traces.formats import SHIFTS, Reading, plain
from silmark.workloads.traces.generators import GENERATORS, arrivals, parameters
from silmark.workloads.traces.generators.open_loop import Pairs, Randoms
from silmark.workloads.traces.reader import Care
from silmark.workloads.traces.rows import Ints, joined
from silmark.workloads.traces.stream import Stream

_MOST_MEASURED = 1 << 21
"""Requests of a trace whose lengths are drawn."""
_LENGTHS = "lengths"
"""Word of a generator that names the trace whose lengths it draws."""
ARRIVALS = ("recorded", "poisson", "gamma", "constant")


@dataclass(frozen=True, slots=True)
class Asked:
    """What else is asked of a trace.

    Attributes:
        format: of the file; empty to recognise it.
        columns: role -> column of a plain table.
        unit: of its arrivals.
        rate: requests per second, `2x` for twice the recorded rate, `inf` for all at once; empty for as recorded.
        arrivals: recorded (times as in the file, stretched to the rate), or a process in place of them.
        burstiness: of `gamma` arrivals.
        duration_s: requests that arrive later are left out.
        limit: most requests.
        copies, repeat: the trace so many times, at once and one after the other.
        lengths: another trace, whose pairs of prompt and answer are drawn for a generator's requests.
        bad_rows, unsorted, context: see `silmark.workloads.traces.reader.Care`.
        vllm_filter, turns, think_s, count: see `silmark.workloads.traces.formats.Reading`.
        seed: of arrivals in place of recorded ones.
    """

    format: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    unit: str | None = None
    rate: str = ""
    arrivals: str = ""
    burstiness: float = 1.0
    duration_s: float = math.inf
    limit: int | None = None
    copies: int = 1
    repeat: int = 1
    lengths: str = ""
    bad_rows: str = "refuse"
    unsorted: str = "refuse"
    context: int | None = None
    vllm_filter: bool = False
    turns: str = "first"
    think_s: float = 0.0
    count: Callable[[str], int] | None = None
    seed: int = 0


def open_trace(spec: str | Path, asked: Asked | None = None) -> Stream:
    """The trace that a user means.

    Args:
        spec: path of a file; a name of `catalogue.entries()`; or `poisson:rate=5,prompt=1024,...` (`GENERATORS`).
        asked: what else.

    Raises:
        SilmarkError: a name, word or number that makes no sense. What is wrong inside a file is raised when it is read.
    """
    asked = asked or Asked()
    _check(asked)
    word, _, words = str(spec).partition(":")
    if not isinstance(spec, Path) and word in GENERATORS:
        trace = _generated(word, words, asked)
        if asked.copies > 1 or asked.repeat > 1:  # of a trace without end there is no second copy
            trace = _cut(trace, asked)
    else:
        recorded, timed = _recorded(spec, asked)
        # A rate is that of the requests that are sent, as in `vllm bench serve --num-prompts`.
        trace = _at(recorded if asked.limit is None else shape.limited(recorded, asked.limit), timed, asked)
    trace = trace if asked.copies == 1 else copies.at_once(trace, asked.copies)
    trace = trace if asked.repeat == 1 else copies.repeated(trace, asked.repeat)
    return _cut(trace, asked)


def _cut(trace: Stream, asked: Asked) -> Stream:
    if math.isfinite(asked.duration_s):
        trace = shape.until(trace, asked.duration_s)
    return trace if asked.limit is None else shape.limited(trace, asked.limit)


def _check(asked: Asked) -> None:
    for label, word, known in (
        ("turns", asked.turns, ("first", "all")),
        ("bad-rows", asked.bad_rows, ("refuse", "skip")),
        ("unsorted", asked.unsorted, ("refuse", "sort")),
        ("arrivals", asked.arrivals or ARRIVALS[0], ARRIVALS),
        ("time unit", asked.unit or "s", tuple(SHIFTS)),
    ):
        if word not in known:
            raise BadValue(label, word, ", ".join(known[:-1]) + f" or {known[-1]}")
    strange = sorted(set(asked.columns) - set(plain.ROLES))
    if strange:
        raise UnknownName("column", strange[0], plain.ROLES, hint=f"known are {', '.join(plain.ROLES)}")
    for label, number in (("limit", asked.limit), ("context", asked.context)):
        if number is not None and number < 1:
            raise BadValue(label, number, "a whole number from 1 on")
    if not asked.duration_s > 0:
        raise BadValue("duration", asked.duration_s, "a time above 0")


def _recorded(spec: str | Path, asked: Asked) -> tuple[Stream, bool]:
    """A file as it was recorded, and whether it states when requests arrived."""
    entry = None if isinstance(spec, Path) else catalogue.entries().get(spec)
    path = Path(spec) if entry is None else catalogue.path(entry)
    if entry is None and not path.exists():
        raise _unknown(str(spec))
    name = asked.format or (entry.form if entry else "")
    form = formats.named(name) if name else formats.recognised(path)
    reading = Reading(
        asked.columns,
        asked.unit,
        asked.vllm_filter,
        cast("Literal['first', 'all']", asked.turns),
        asked.think_s,
        asked.count or by_letters(),
    )
    care = Care(
        cast("Literal['refuse', 'skip']", asked.bad_rows),
        cast("Literal['refuse', 'sort']", asked.unsorted),
        asked.context,
    )
    timed = form.timed(path, reading)
    trace = reader.opened(entry.name if entry else path.name, path, form, reading, care, timed)
    return replace(trace, notes=(entry.note,)) if entry else trace, timed


def _unknown(spec: str) -> Exception:
    word = spec.partition(":")[0]
    if "/" in spec or "\\" in spec or "." in word or not word:
        return BadFile(spec, "no such file")
    known = [*GENERATORS, *catalogue.entries()]
    hint = "a file, `NAME:...` of a generator, or a name of a public trace; `silmark trace list` has them"
    return UnknownName("trace", spec if len(spec) < 40 else word, known, hint=hint)


def by_letters(per_token: float | None = None) -> Callable[[str], int]:
    """Counts tokens of a text by its letters; by a documented figure where nobody says how many make a token."""
    each = per_token or assumptions("traces")["text.letters_per_token"].value
    return lambda text: round(len(text) / each) or int(bool(text))


def _at(trace: Stream, timed: bool, asked: Asked) -> Stream:
    """The recorded requests at the rate and times that are asked; those without times as a Poisson process."""
    kind = asked.arrivals or ("recorded" if timed else "poisson")
    if not timed and (not asked.rate or asked.rate.endswith("x") or kind == "recorded"):
        raise BadValue("rate", asked.rate, f"requests per second: {trace.name} states no times of arrival")
    if asked.rate.endswith("x"):
        factor = parameters.between(1e-6, 1e6)("rate", asked.rate[:-1])
        if kind != "recorded":
            raise BadValue("rate", asked.rate, f"requests per second for {kind} arrivals")
        return replace(shape.faster(trace, factor), name=f"{trace.name} at {factor:g}x")
    if not asked.rate and kind == "recorded":
        return trace
    rate = parameters.rate("rate", asked.rate)
    if kind == "recorded":
        return replace(shape.at_rate(trace, rate), name=f"{trace.name} at {rate:g}/s")
    burstiness = {"poisson": 1.0, "constant": math.inf}.get(kind, asked.burstiness)
    timed_anew = shape.retimed(trace, lambda count: arrivals.gamma(rate, burstiness, asked.seed, count)())
    return replace(timed_anew, name=f"{trace.name}, {kind} at {rate:g}/s")


def _generated(word: str, words: str, asked: Asked) -> Stream:
    if asked.arrivals or asked.format or asked.columns:
        raise BadValue("trace", f"{word}:{words}", "a file for --arrivals, --trace-format and --trace-columns")
    parts = words.split(",")
    named = [part.partition("=")[2].strip() for part in parts if part.partition("=")[0].strip() == _LENGTHS]
    source = asked.lengths or "".join(named)
    measured, pairs = _measured(source, asked) if source else (None, None)
    trace = generators.made(
        GENERATORS[word],
        ",".join(part for part in parts if part.partition("=")[0].strip() != _LENGTHS),
        asked.rate or None,
        pairs,
        bounded=math.isfinite(asked.duration_s) or asked.limit is not None,
    )
    if measured is None:
        return trace
    return replace(
        trace, name=f"{trace.name}, lengths of {measured.name}", skipped=measured.skipped, notes=measured.notes
    )


def _measured(spec: str, asked: Asked) -> tuple[Stream, Pairs]:
    """Another trace and its pairs of prompt and answer, drawn with replacement: what belongs together stays so."""
    trace = _recorded(spec, replace(asked, rate="", arrivals="", lengths=""))[0]
    rows = joined(list(shape.limited(trace, _MOST_MEASURED).chunks())).rows
    prompt, output = rows["prompt"].astype(np.int64), rows["output"].astype(np.int64)

    def draw(randoms: Randoms, many: int) -> tuple[Ints, Ints]:
        at = randoms[0].integers(prompt.size, size=many)
        return prompt[at], output[at]

    return trace, draw
