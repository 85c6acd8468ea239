"""Sweeps in words: what one would take, and what one left behind."""

from __future__ import annotations

from collections.abc import Iterator

from silmark.figures.numbers import si
from silmark.planning.sweep import Done, Trial


def lines(answer: Done | Trial) -> Iterator[str]:
    """The lines of the terminal."""
    if isinstance(answer, Trial):
        yield f"{_count(answer.points, 'point')} of {_count(answer.plans, 'plan')}, {_count(answer.files, 'file')}"
        yield f"about {_time(answer.cpu_seconds)} of one core, {si(answer.size_bytes, 'B')}"
        return
    found = ", ".join(f"{count:,} {status}" for status, count in answer.counts.items())
    yield f"{_count(answer.points, 'point')}: {found}"
    kept = f", {answer.kept:,} of them from before" if answer.kept else ""
    yield f"{_count(answer.files, 'file')} in {answer.folder}{kept}; {_time(answer.seconds)}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _time(seconds: float) -> str:
    """Seconds, minutes or hours, rounded as an estimate deserves."""
    if seconds < 120:
        return f"{max(0.1, seconds):.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
