"""What Silmark raises, and when.

    SilmarkError                 everything below; the command line prints it and exits with 2
    ├── UnknownName              a chip, model, system, workload or key that does not exist
    ├── BadFile                  a file that cannot be read as what it should be
    ├── BadValue                 an argument outside of what makes sense
    └── MissingExtra             an optional dependency that is not installed

An answer that is negative (a model that does not fit, an operator that a chip cannot run) is not an
error: it is a value that carries its reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


class SilmarkError(Exception):
    """Base of all errors that a user can cause and mend."""


class UnknownName(SilmarkError):
    """A name that is in no catalogue; the message lists what comes near."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        shown = _short(name, 80)
        near = difflib.get_close_matches(shown.lower(), list(known), n=4, cutoff=0.45)
        advice = f"did you mean {', '.join(near)}?" if near else hint or f"`silmark {kind}s` lists all"
        super().__init__(f"unknown {kind} {shown!r}: {advice}")


class BadFile(SilmarkError):
    """A file whose content is wrong: names the file, the key and the remedy."""

    def __init__(self, path: Path | str, problem: str, key: str = "") -> None:
        super().__init__(f"{_short(str(path), 200)}: {_short(key, 80) + ': ' if key else ''}{_short(problem, 400)}")


class BadValue(SilmarkError):
    """An argument that makes no sense: names it and says what would."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        try:
            shown = repr(value)
        except ValueError:  # Python refuses to print integers of thousands of digits
            shown = "a very large number"
        super().__init__(f"{name}: {_short(shown, 60)} - expected {expected}")


class MissingExtra(SilmarkError):
    """An optional dependency is absent; the message gives the install line."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional dependency: pip install 'silmark[{extra}]'")


@contextmanager
def fitting(what: str, extra: str = "calibrate") -> Iterator[None]:
    """Raises MissingExtra where the block finds scipy missing, which only fits need."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "scipy":
            raise MissingExtra(what, extra) from None
        raise
