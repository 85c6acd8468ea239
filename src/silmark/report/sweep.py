"""Sweeps in words: what one would take, and what one left behind."""

from __future__ import annotations

from collections.abc import Iterator

from silmark.report.numbers import si
from silmark.search.sweep import Done, Trial


def lines(answer: Done | Trial) -> Iterator[str]:
    """The lines of the terminal."""
    if isinstance(answer, Trial):
        yield f"{answer.points:,} points of {answer.plans:,} plans, {answer.files:,} files"
        yield f"about {_time(answer.cpu_seconds)} of one core, {si(answer.size_bytes, 'B')}"
        return
    found = ", ".join(f"{count:,} {status}" for status, count in answer.counts.items())
    yield f"{answer.points:,} points: {found}"
    kept = f", {answer.kept:,} of them from before" if answer.kept else ""
    yield f"{answer.files:,} files in {answer.folder}{kept}; {_time(answer.seconds)}"


def _time(seconds: float) -> str:
    """Seconds, minutes or hours, rounded as an estimate deserves."""
    if seconds < 120:
        return f"{max(0.1, seconds):.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
